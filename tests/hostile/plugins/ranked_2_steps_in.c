/* The second of three that provide one interface: it runs only where the first failed.
 * expect: ok
 * check: same.interleaved */
#define PROVIDES "ranked"
#define FINISH out->integer(out, "stepped_in", 1);
#include "../hostile.h"
