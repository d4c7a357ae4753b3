/* SIGINT, SIGTERM and SIGHUP of a process that listens to them in stretches, each with a loop of its own.
 *
 * libuv gives a signal its default action back as soon as nobody listens, and by that it would end us in the moment between two
 * stretches. So somebody always listens, on a loop that never runs; between stretches handlers of ours stand in the place of
 * libuv's. Loop thread. */
#ifndef SONDE_CLI_KEPT_SIGNALS_H
#define SONDE_CLI_KEPT_SIGNALS_H

#include <signal.h>
#include <stdbool.h>
#include <uv.h>

#define KEPT_SIGNALS 3

struct kept_signals {
    uv_loop_t loop; /* never runs */
    uv_signal_t handles[KEPT_SIGNALS];
    struct sigaction libuv[KEPT_SIGNALS];
    void (*between)(int number);
};

extern const int kept_signals_numbers[KEPT_SIGNALS];

/* From here on SIGINT and SIGTERM call `between` (in the handler itself), and SIGHUP does nothing. False: libuv can't. */
bool kept_signals_open(struct kept_signals *signals, void (*between)(int number));

/* From here on those hear of them who listen through libuv: after uv_signal_start. */
void kept_signals_listen(const struct kept_signals *signals);

/* As after kept_signals_open: before the listeners close. */
void kept_signals_rest(struct kept_signals *signals);

/* The default actions again. */
void kept_signals_close(struct kept_signals *signals);

#endif
