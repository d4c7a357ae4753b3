/* SPDX-License-Identifier: MIT */
#include "judge.h"

#include <math.h>

#define LOOP_TERMS  13
#define PULSE_TERMS 10
#define LONG_LOOP_S 25 /* longer loops are rare: excerpts of half a minute aren't */

static const double LOOP_WEIGHT[LOOP_TERMS] = {-5.267, -0.15, 0.897,  -0.476, 3.693,  -0.335, 0.661,
                                               3.614,  0.1,   -0.203, 2.602,  -4.813, 0.993};
static const double TEMPO_WEIGHT[PULSE_TERMS] = {-6.49, 0.592, 0.802, -0.54, 5.336, 1.55, -0.305, 0.422, 1.523, -1.114};
static const double RIGHT_WEIGHT[PULSE_TERMS] = {-5.799, 0.039,  -0.074, -0.228, -0.758,
                                                 1.955,  -3.401, 0.109,  1.184,  0.454};

static double logistic(const double *weight, const double *term, int count) {
    double sum = 0;
    for (int i = 0; i < count; i++) sum += weight[i] * term[i];
    return 1 / (1 + exp(-sum));
}

double judge_loop(const struct loop *loop, const struct judge_facts *facts) {
    const double *f = loop->feature, usual = f[PULSE_FEATURES], whole = f[PULSE_FEATURES + 1];
    const double term[LOOP_TERMS] = {1,
                                     f[0],
                                     f[1],
                                     log(facts->none + .003),
                                     f[5],
                                     f[6],
                                     usual,
                                     whole > 0,
                                     whole<0, log(fmax(1, facts->onsets)), facts->confirmed, facts->seconds>
                                         LONG_LOOP_S,
                                     log(facts->seconds)};
    return logistic(LOOP_WEIGHT, term, LOOP_TERMS);
}

static double pulse_logistic(const double *weight, const struct pulse *pulse, const struct judge_facts *facts) {
    const double *f = pulse->feature;
    const double term[PULSE_TERMS] = {1,
                                      f[0],
                                      f[1],
                                      log(facts->none + .003),
                                      f[5],
                                      f[6],
                                      f[8],
                                      log(fmax(1, facts->onsets)),
                                      log(facts->seconds),
                                      log(pulse->probability + .01)};
    return logistic(weight, term, PULSE_TERMS);
}

double judge_tempo(const struct pulse *pulse, const struct judge_facts *facts) {
    return pulse_logistic(TEMPO_WEIGHT, pulse, facts);
}

double judge_right(const struct pulse *pulse, const struct judge_facts *facts) {
    return pulse_logistic(RIGHT_WEIGHT, pulse, facts);
}
