#include "engine/supervise/breaker.h"

bool breaker_allows(struct breaker *breaker, double now) {
    double cool_down = breaker->cool_down > 0 ? breaker->cool_down : BREAKER_COOL_DOWN;
    if (breaker->state == BREAKER_OPEN && now - breaker->opened >= cool_down) {
        breaker->state = BREAKER_HALF_OPEN;
        breaker->trying = false;
    }
    return breaker->state == BREAKER_CLOSED || (breaker->state == BREAKER_HALF_OPEN && !breaker->trying);
}

bool breaker_begin(struct breaker *breaker) {
    if (breaker->state != BREAKER_HALF_OPEN || breaker->trying) return false;
    breaker->trying = true;
    return true;
}

void breaker_give_up(struct breaker *breaker) {
    breaker->trying = false;
}

/* Deaths among the remembered jobs, and on how many distinct contents. */
static unsigned count_deaths(const struct breaker *breaker, unsigned *distinct) {
    unsigned deaths = 0;
    *distinct = 0;
    for (unsigned i = 0; i < breaker->count; i++) {
        if (breaker->contents[i] == 0) continue;
        deaths++;
        bool seen = false;
        for (unsigned k = 0; k < i && !seen; k++) seen = breaker->contents[k] == breaker->contents[i];
        if (!seen) ++*distinct;
    }
    return deaths;
}

bool breaker_note(struct breaker *breaker, bool died, uint64_t content, double now) {
    if (breaker->state == BREAKER_HALF_OPEN) {
        breaker->trying = false;
        if (!died) {
            breaker_reset(breaker);
            return false;
        }
        breaker->state = BREAKER_OPEN;
        breaker->opened = now;
        return true;
    }
    breaker->contents[breaker->next] = died ? content : 0;
    breaker->next = (breaker->next + 1) % BREAKER_JOBS;
    if (breaker->count < BREAKER_JOBS) breaker->count++;
    if (!died || breaker->state == BREAKER_OPEN) return false;
    unsigned distinct = 0;
    unsigned deaths = count_deaths(breaker, &distinct);
    if (distinct < BREAKER_CONTENTS || (double)deaths < BREAKER_SHARE * breaker->count) return false;
    breaker->state = BREAKER_OPEN;
    breaker->opened = now;
    return true;
}

void breaker_reset(struct breaker *breaker) {
    *breaker = (struct breaker){.cool_down = breaker->cool_down};
}
