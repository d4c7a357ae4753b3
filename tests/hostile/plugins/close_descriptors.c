/* Closes every descriptor, the sockets to the engine among them.
 * expect: crashed|timeout|failed|violation
 * check: run.crash|run.time|run.sandbox */
#define PROCESS for (int fd = 0; fd < 1024; fd++) close(fd);
#include "../hostile.h"
