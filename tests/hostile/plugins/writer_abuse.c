/* Gives the writer null pointers.
 * expect: failed
 * check: result.writing */
#define FINISH out->string(out, "x", NULL); out->string(out, NULL, "y"); out->numbers(out, "z", NULL, 10); out->raw_json(out, "r", NULL, 100); out->array(out, NULL, NULL, NULL, 0, 0);
#include "../hostile.h"
