/* Reads from and writes to every descriptor.
 * expect: crashed|timeout|failed|violation|ok
 * check: run.crash|run.time|run.sandbox */
#define PROCESS char b[64] = "garbage"; for (int fd = 0; fd < 1024; fd++) { fcntl(fd, F_SETFL, O_NONBLOCK); (void)!write(fd, b, 64); (void)!read(fd, b, 64); }
#include "../hostile.h"
