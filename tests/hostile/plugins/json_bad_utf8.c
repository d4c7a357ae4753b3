/* Writes bytes that are no text.
 * expect: failed */
#define FINISH out->string(out, "x", "\xff\xfe\xc0\x80");
#include "../hostile.h"
