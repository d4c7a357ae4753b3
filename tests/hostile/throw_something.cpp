/* For exception_out.c: throws what nobody catches. */
#include <stdexcept>

extern "C" void throw_something(void);

void throw_something(void) {
    throw std::runtime_error("nobody catches this");
}
