/* Writes an array that it never declared.
 * expect: failed
 * check: result.writing */
#define FINISH static const float data[4] = {1, 2, 3, 4}; out->array(out, "surprise", data, (const uint64_t[1]){4}, 0, 0);
#include "../hostile.h"
