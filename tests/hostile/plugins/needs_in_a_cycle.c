/* Two plugins that wait for each other.
 * expect: skipped needs
 * check: needs.cycle */
#define DESCRIPTOR                                                                                                               \
    static const sonde_interface_t provided[2] = {{.struct_size = sizeof(sonde_interface_t), .major = 1, .id = "hen"},           \
                                                  {.struct_size = sizeof(sonde_interface_t), .major = 1, .id = "egg"}};          \
    static const sonde_need_t needed[2] = {{.struct_size = sizeof(sonde_need_t), .major = 1, .id = "egg"},                       \
                                           {.struct_size = sizeof(sonde_need_t), .major = 1, .id = "hen"}};                      \
    static const sonde_descriptor_t birds[2] = {{.struct_size = sizeof(sonde_descriptor_t),                                      \
                                                 .id = "hostile.needs_in_a_cycle",                                               \
                                                 .name = "hen",                                                                  \
                                                 .vendor = "sonde's tests",                                                      \
                                                 .version = "1",                                                                 \
                                                 .licence = "MIT",                                                               \
                                                 .description = "Comes first.",                                                  \
                                                 .provides = &provided[0],                                                       \
                                                 .provides_count = 1,                                                            \
                                                 .needs = &needed[0],                                                            \
                                                 .needs_count = 1},                                                              \
                                                {.struct_size = sizeof(sonde_descriptor_t),                                      \
                                                 .id = "hostile.needs_in_a_cycle.egg",                                           \
                                                 .name = "egg",                                                                  \
                                                 .vendor = "sonde's tests",                                                      \
                                                 .version = "1",                                                                 \
                                                 .licence = "MIT",                                                               \
                                                 .description = "Comes first too.",                                              \
                                                 .provides = &provided[1],                                                       \
                                                 .provides_count = 1,                                                            \
                                                 .needs = &needed[1],                                                            \
                                                 .needs_count = 1}};                                                             \
    static uint32_t hostile_count(void) {                                                                                        \
        (void)hostile_inputs;                                                                                                    \
        return 2;                                                                                                                \
    }                                                                                                                            \
    static const sonde_descriptor_t *hostile_at(uint32_t index) {                                                                \
        return index < 2 ? &birds[index] : NULL;                                                                                 \
    }
#include "../hostile.h"
