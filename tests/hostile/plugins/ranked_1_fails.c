/* The first of three that provide one interface: it fails, so that the second must step in.
 * expect: failed
 * check: run.ordinary */
#define PROVIDES "ranked"
#define FINISH return SONDE_FAILED;
#include "../hostile.h"
