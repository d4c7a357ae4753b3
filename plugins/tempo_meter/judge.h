/* How sure one may be: logistic regressions over what was measured, fitted by tools/train_tempo/calibrate.py. */
#ifndef TEMPO_METER_JUDGE_H
#define TEMPO_METER_JUDGE_H

#include "loop.h"
#include "pulse.h"

#include <stdbool.h>

/* What is known besides the measures. */
struct judge_facts {
    double none;    /* the network's probability of no tempo */
    int onsets;     /* in the region */
    double seconds; /* of the region, or of the loop */
    bool confirmed; /* the tempo tracked without thinking of loops agrees with the loop's, or with a relative of it */
};

/* The probability that a recording is a loop cut on the bar, and has a tempo. */
double judge_loop(const struct loop *loop, const struct judge_facts *facts);

/* The probability that there is a tempo at all, given the most probable pulse. */
double judge_tempo(const struct pulse *pulse, const struct judge_facts *facts);

/* The probability that this pulse is the tempo that a listener would name, to 4 %. */
double judge_right(const struct pulse *pulse, const struct judge_facts *facts);

#endif
