/* Its descriptor is full of nothing.
 * expect: refused
 * check: load.descriptor */
#define DESCRIPTOR                                                                                                               \
    static const sonde_descriptor_t empty = {.struct_size = sizeof empty};                                                       \
    static uint32_t hostile_count(void) {                                                                                        \
        (void)hostile_inputs;                                                                                                    \
        return 1;                                                                                                                \
    }                                                                                                                            \
    static const sonde_descriptor_t *hostile_at(uint32_t index) {                                                                \
        return index == 0 ? &empty : NULL;                                                                                       \
    }
#include "../hostile.h"
