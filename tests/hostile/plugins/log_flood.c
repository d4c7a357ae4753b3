/* Prints without end.
 * expect: ok
 * check: cost.log */
static const void *the_host;
#define INIT the_host = host;
#define PROCESS for (int i = 0; i < 20000; i++) ((const sonde_host_t *)the_host)->log(the_host, 3, "a line that says nothing, many times over, to fill the disk of whoever keeps it"); for (int i = 0; i < 2000; i++) fprintf(stderr, "%0200d\n", i);
#include <stdio.h>
#include <sonde/plugin.h>
#include "../hostile.h"
