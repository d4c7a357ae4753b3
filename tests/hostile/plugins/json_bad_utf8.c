/* Writes bytes that are no text.
 * expect: failed
 * check: result.writing */
#define FINISH out->string(out, "x", "\xff\xfe\xc0\x80");
#include "../hostile.h"
