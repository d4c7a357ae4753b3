/* Two plugins with one id.
 * expect: refused twice|two|same|duplicate
 * check: load.descriptor */
#define DESCRIPTOR                                                                                                               \
    static const sonde_descriptor_t twin = {.struct_size = sizeof twin,                                                          \
                                            .id = "hostile.twins",                                                               \
                                            .name = "twin",                                                                      \
                                            .vendor = "sonde's tests",                                                           \
                                            .version = "1",                                                                      \
                                            .licence = "MIT",                                                                    \
                                            .description = "One of two.",                                                        \
                                            .schema = SCHEMA,                                                                    \
                                            .inputs = hostile_inputs,                                                            \
                                            .inputs_count = 1};                                                                  \
    static uint32_t hostile_count(void) {                                                                                        \
        return 2;                                                                                                                \
    }                                                                                                                            \
    static const sonde_descriptor_t *hostile_at(uint32_t index) {                                                                \
        (void)index;                                                                                                             \
        return &twin;                                                                                                            \
    }
#include "../hostile.h"
