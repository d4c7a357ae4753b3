/* Comes from another age.
 * expect: refused ABI
 * check: file.abi */
#define ABI_MAJOR 99u
#include "../hostile.h"
