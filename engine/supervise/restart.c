#include "engine/supervise/restart.h"

void backoff_failed(struct backoff *backoff, double now, double random) {
    double delay = backoff->failures > 0 ? BACKOFF_FIRST : 0;
    for (unsigned i = 1; i < backoff->failures && delay < BACKOFF_MAX; i++) delay *= 2;
    if (delay > BACKOFF_MAX) delay = BACKOFF_MAX;
    backoff->failures++;
    backoff->not_before = now + delay * (0.75 + 0.5 * random);
}

void backoff_succeeded(struct backoff *backoff) {
    *backoff = (struct backoff){0};
}

double backoff_wait(const struct backoff *backoff, double now) {
    return backoff->not_before > now ? backoff->not_before - now : 0;
}

bool intensity_exceeded(struct intensity *intensity, double now) {
    unsigned limit = intensity->limit;
    if (limit >= INTENSITY_EVENTS) limit = INTENSITY_EVENTS - 1;
    intensity->times[intensity->count++ % INTENSITY_EVENTS] = now;
    if (intensity->count <= limit) return false;
    double then = intensity->times[(intensity->count - 1 - limit) % INTENSITY_EVENTS];
    return now - then <= intensity->period;
}
