/* Beat times: the most probable path of a pulse whose period changes little from beat to beat.
 *
 * The model is that of Böck, Krebs and Widmer, "A multi-model approach to beat tracking" (ISMIR 2014), and Krebs, Böck
 * and Widmer, "An efficient state-space model for joint tempo and meter tracking" (ISMIR 2015): the period may change
 * at beats only, and a relative change of d costs lambda * |d|. Written as a semi-Markov chain over (time of a beat,
 * period before it); with a cost that is linear in the logarithm of the period, the best predecessor of all periods is
 * found in two sweeps, so a step costs two operations a period. */
#ifndef TEMPO_METER_BEATS_H
#define TEMPO_METER_BEATS_H

#include <stdbool.h>
#include <stdint.h>

struct beats_params {
    double lambda;      /* cost of a change of period by a factor of e; 60 or so */
    double slowest_bpm; /* periods considered */
    double fastest_bpm;
    const float *prior;  /* log-prior of tempi, TEMPO_BINS values (network.h); NULL: none */
    double prior_weight; /* times the log-prior is what a second at a tempo adds to the score */
    double beat_bias;    /* added to the score of every beat: above 0 favours more beats */
};

struct beats {
    double *time;    /* s from the start of the region, ascending */
    float *strength; /* the activation at each, 0 to 1 */
    int count;
    double score; /* mean log-likelihood ratio of a beat */
};

/* Tracks beats through `activation`, `count` probabilities at `fps` a second. Few or no beats is a valid result
 * (silence, less than a period). The caller frees with beats_free. False when out of memory. */
bool beats_track(const float *activation, int64_t count, double fps, const struct beats_params *params,
                 struct beats *beats);

/* Most music keeps one tempo, and a path that may change it goes astray where little is heard: in an intro, a break, a
 * syncopated bar. Looks for the steady pulse within .4 % of `bpm` that has most evidence; where that is at least
 * BEATS_STEADY_SHARE of the evidence for `beats`, found by beats_track without prior and bias, the steady pulse replaces
 * them. *steady_bpm: its tempo; 0 where the beats stay. False when out of memory.
 *
 * `first`: when music begins, in s, where silence comes before it; else negative. What sounds first is a beat far more often
 * than not: where `first` lies about halfway between two beats, and the pulse that is half a period later has at least
 * BEATS_BETWEEN_SHARE of the evidence, that one is taken. */
#define BEATS_STEADY_SHARE  .8 /* held out, .7 to .85 make little difference */
#define BEATS_BETWEEN_SHARE .8
bool beats_steady(const float *activation, int64_t count, double fps, double bpm, double first, struct beats *beats,
                  double *steady_bpm);

/* Makes the beats those of `ratio` times the tempo, a power of two: puts one more between each two of them, or keeps every
 * other one, those at which `marks`, `count` values at `fps` a second, is higher. False when out of memory. */
bool beats_fold(const float *marks, int64_t count, double fps, double ratio, struct beats *beats);
void beats_free(struct beats *beats);

#endif
