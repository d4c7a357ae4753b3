/* Lets a C++ exception out of a call.
 * expect: crashed SIGABRT
 * check: run.crash */
void throw_something(void);
#define PROCESS throw_something();
#include "../hostile.h"
