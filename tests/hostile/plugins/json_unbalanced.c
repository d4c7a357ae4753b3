/* Closes what it never opened.
 * expect: failed */
#define FINISH out->end_object(out); out->end_object(out); out->end_array(out);
#include "../hostile.h"
