/* SPDX-License-Identifier: MIT */
#include "judge.h"

#include <math.h>

#define LOOP_TERMS  14
#define PULSE_TERMS 11
#define LONG_LOOP_S 25 /* longer loops are rare: excerpts of half a minute aren't */

static const double LOOP_WEIGHT[LOOP_TERMS] = {-4.016, -0.004, 0.915,  -0.459, 2.896,  0.734, 1.3,
                                               3.734,  -0.305, -0.136, 2.175,  -6.071, 0.847, 0.077};
static const double TEMPO_WEIGHT[PULSE_TERMS] = {-5.995, 0.878, -0.213, -0.56,  7.164, 1.609,
                                                 -2.176, 0.503, 1.828,  -0.469, -0.11};
static const double RIGHT_WEIGHT[PULSE_TERMS] = {-6.832, -0.176, -0.052, -0.231, 1.912, 0.646,
                                                 -0.242, 0.138,  1.507,  0.671,  0.894};

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
