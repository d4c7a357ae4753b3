/* Starts threads after lock-down.
 * expect: violation|failed forbidden|refused
 * check: run.sandbox */
static void *nothing(void *argument);
#define FINISH pthread_t thread; int code = pthread_create(&thread, NULL, nothing, NULL); errno = code; REFUSED(code ? -1 : 0);
#include <pthread.h>
static void *nothing(void *argument) {
    return argument;
}
#include "../hostile.h"
