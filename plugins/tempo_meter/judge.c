/* SPDX-License-Identifier: MIT */
#include "judge.h"

#include <math.h>

#define LOOP_TERMS  14
#define PULSE_TERMS 11
#define LONG_LOOP_S 25 /* longer loops are rare: excerpts of half a minute aren't */

static const double LOOP_WEIGHT[LOOP_TERMS] = {-3.12, 0.308, 0.864,  -0.347, 4.32,  -0.069, 0.823,
                                               3.83,  0.546, -0.174, 2.21,   -5.55, 0.611,  -0.077};
static const double TEMPO_WEIGHT[PULSE_TERMS] = {-5.16, 0.826, -0.198, -0.49, 7.84,  1.66,
                                                 -2.75, 0.311, 1.95,   1.17,  -0.677};
static const double RIGHT_WEIGHT[PULSE_TERMS] = {-6.6,  -0.048, -0.211, -0.309, 0.696, -0.027,
                                                 -0.66, 0.564,  1.28,   1.35,   1.06};

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
                                     log(facts->seconds),
                                     f[9]};
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
                                      log(pulse->probability + .01),
                                      f[9]};
    return logistic(weight, term, PULSE_TERMS);
}

double judge_tempo(const struct pulse *pulse, const struct judge_facts *facts) {
    return pulse_logistic(TEMPO_WEIGHT, pulse, facts);
}

double judge_right(const struct pulse *pulse, const struct judge_facts *facts) {
    return pulse_logistic(RIGHT_WEIGHT, pulse, facts);
}
