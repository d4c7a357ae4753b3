/* Nests without end, in one go.
 * expect: failed
 * check: result.writing */
#define FINISH static char text[200001]; memset(text, 0x5b, 100000); memset(text + 100000, 0x5d, 100000); out->raw_json(out, "x", text, 200000);
#include "../hostile.h"
