/* Comes from another age.
 * expect: refused ABI|refused abi */
#define ABI_MAJOR 99u
#include "../hostile.h"
