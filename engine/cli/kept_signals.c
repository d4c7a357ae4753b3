#include "engine/cli/kept_signals.h"

#include "engine/ipc/channel.h"

const int kept_signals_numbers[KEPT_SIGNALS] = {SIGINT, SIGTERM, SIGHUP};

static void on_signal(uv_signal_t *handle, int number) {
    (void)handle, (void)number;
}

void kept_signals_rest(struct kept_signals *signals) {
    for (int i = 0; i < KEPT_SIGNALS; i++) {
        int number = kept_signals_numbers[i];
        struct sigaction action = {.sa_handler = number == SIGHUP ? SIG_IGN : signals->between, .sa_flags = SA_RESTART};
        (void)sigaction(number, &action, &signals->libuv[i]);
    }
}

void kept_signals_listen(const struct kept_signals *signals) {
    for (int i = 0; i < KEPT_SIGNALS; i++) (void)sigaction(kept_signals_numbers[i], &signals->libuv[i], NULL);
}

bool kept_signals_open(struct kept_signals *signals, void (*between)(int number)) {
    signals->between = between;
    if (uv_loop_init(&signals->loop) != 0) return false;
    bool ok = true;
    for (int i = 0; i < KEPT_SIGNALS; i++)
        ok = uv_signal_init(&signals->loop, &signals->handles[i]) == 0 &&
             uv_signal_start(&signals->handles[i], on_signal, kept_signals_numbers[i]) == 0 && ok;
    kept_signals_rest(signals);
    return ok;
}

void kept_signals_close(struct kept_signals *signals) {
    for (int i = 0; i < KEPT_SIGNALS; i++) uv_close((uv_handle_t *)&signals->handles[i], NULL);
    channel_close_loop(&signals->loop);
}
