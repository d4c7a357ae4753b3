/* Nests without end.
 * expect: failed
 * check: result.writing */
#define FINISH for (int i = 0; i < 100000; i++) out->begin_array(out, i ? NULL : "x");
#include "../hostile.h"
