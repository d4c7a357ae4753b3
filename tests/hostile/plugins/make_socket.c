/* Opens a socket of its own.
 * expect: violation|failed forbidden|refused
 * check: run.ordinary refused */
#define FINISH REFUSED(socket(AF_INET, SOCK_STREAM, 0));
#include "../hostile.h"
