/* SPDX-License-Identifier: MIT */
#include "judge.h"

#include <math.h>

#define LOOP_TERMS  14
#define PULSE_TERMS 11
#define LONG_LOOP_S 25 /* longer loops are rare: excerpts of half a minute aren't */

static const double LOOP_WEIGHT[LOOP_TERMS] = {-4.61, 0.4,   0.907,  -0.333, 3.32,  0.0767, 0.148,
                                               4.55,  0.174, 0.0383, 2.08,   -4.84, 1.23,   -0.0949};
static const double TEMPO_WEIGHT[PULSE_TERMS] = {-4.63, 0.837, -0.64, -0.742, 6.43, 0.12,
                                                 -2.09, 0.247, 1.76,  1.89,   -0.41};
static const double RIGHT_WEIGHT[PULSE_TERMS] = {-4.74, 0.536, -0.17, -0.166, -0.47, 0.786,
                                                 0.64,  0.47,  1.26,  1.36,   1.12};

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
                                     (whole > 0),
                                     (whole < 0),
                                     log(fmax(1, facts->onsets)),
                                     facts->confirmed,
                                     (facts->seconds > LONG_LOOP_S),
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
