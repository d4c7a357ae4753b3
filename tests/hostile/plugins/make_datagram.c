/* Sends without connecting: what Landlock does not cover.
 * expect: violation|failed forbidden|refused
 * check: run.ordinary refused */
#define FINISH REFUSED(socket(AF_INET, SOCK_DGRAM, 0));
#include "../hostile.h"
