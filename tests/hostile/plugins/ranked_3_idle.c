/* The third of three that provide one interface: alone it works, behind the second it is never needed.
 * expect: ok
 * check: same.interleaved */
#define PROVIDES "ranked"
#define FINISH out->integer(out, "stepped_in", 2);
#include "../hostile.h"
