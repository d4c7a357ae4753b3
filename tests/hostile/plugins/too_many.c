/* Says that it has four thousand million plugins.
 * expect: refused
 * check: load.descriptor */
#define DESCRIPTOR                                                                                                               \
    static uint32_t hostile_count(void) {                                                                                        \
        (void)hostile_inputs;                                                                                                    \
        return UINT32_MAX;                                                                                                       \
    }                                                                                                                            \
    static const sonde_descriptor_t *hostile_at(uint32_t index) {                                                                \
        (void)index;                                                                                                             \
        return NULL;                                                                                                             \
    }
#include "../hostile.h"
