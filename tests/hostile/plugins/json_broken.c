/* Writes what is no JSON.
 * expect: failed
 * check: result.writing */
#define FINISH static const char text[] = "{\"a\": }"; out->raw_json(out, "x", text, sizeof text - 1);
#include "../hostile.h"
