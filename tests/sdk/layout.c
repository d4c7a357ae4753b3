/* The layout of the plugin ABI against the frozen table, by the compiler alone: this file compiles, or says which line of the
 * table is broken. Compiled for the machine at hand, and for aarch64 where a cross compiler is installed. With EXACT (the
 * repository's own header) structs must also have no members that no table lists; without it, later minors' may. */
#include "sonde/kernels.h"
#include "sonde/plugin.h"

#include <stddef.h>

_Static_assert(sizeof(void *) == 8, "the table is for 64-bit machines");
_Static_assert(SONDE_ABI_MAJOR == 1, "the table is of major version 1");

#define GROWS(actual, size) ((actual) >= (size))
#define FIXED(actual, size) ((actual) == (size))

/* Every struct's size, and every member's place. */
#define STRUCT(type, size, growth)                                                                                     \
    _Static_assert(growth(sizeof(type), size), #type " is smaller than in 1.0, or FIXED and larger");                  \
    _Static_assert(sizeof(type) % 8 == 0, #type " has a size that isn't a multiple of 8");
#define MEMBER(type, member, offset, size)                                                                             \
    _Static_assert(offsetof(type, member) == (offset), #type "." #member " has moved");                                \
    _Static_assert(sizeof(((type *)0)->member) == (size), #type "." #member " has another size");
#include "layout_1_0.h"
#undef STRUCT
#undef MEMBER

/* The members' sizes add up to the struct's: there is no padding, and nothing that isn't listed. */
#ifdef EXACT
#define STRUCT(type, size, growth)                                                                                     \
    _Static_assert(sizeof(type) == (size), #type " has members that the table doesn't list");
#define MEMBER(type, member, offset, size)
#include "layout_1_0.h"
#endif
