/* Comes from another age.
 * expect: refused ABI */
#define ABI_MAJOR 99u
#include "../hostile.h"
