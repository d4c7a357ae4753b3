/* Closes what it never opened.
 * expect: failed
 * check: result.writing */
#define FINISH out->end_object(out); out->end_object(out); out->end_array(out);
#include "../hostile.h"
