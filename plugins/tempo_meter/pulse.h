/* Which of several pulses is the beat: a song has many that fit, each at twice, half, two thirds of another's speed. Each is
 * tracked for itself and measured, and a conditional logit (McFadden 1974) with weights fitted by
 * tools/train_tempo/calibrate.py says how probable it is to be the one that listeners tap. */
#ifndef TEMPO_METER_PULSE_H
#define TEMPO_METER_PULSE_H

#include "beats.h"
#include "network.h"
#include "onsets.h"
#include "tempo.h"

#include <stdbool.h>
#include <stdint.h>

#define PULSES         12
#define PULSE_FEATURES 11

struct pulse {
    double bpm;
    double ratio;       /* to the tempo that it stands for; 1 but by pulses_fold */
    double probability; /* among the pulses of the same call */
    struct beats beats;
    double feature[PULSE_FEATURES];
};

/* What is looked at: the network's output over `count` frames, and the onsets of the same frames. */
struct pulse_view {
    const struct network_output *heard;
    const float *tempogram; /* its probabilities of TEMPO_BINS tempi */
    const struct onsets *onsets;
    int64_t count;
};

/* Measures the pulse at `time`, `beats` ascending instants in seconds, whose tempo is `bpm`:
 *   0 log of the network's probability of the tempo   1 mean log-odds of the network's beats at the pulse
 *   2 the same half-way between beats                 3 at one and two thirds
 *   4 difference between even and odd beats           5 periodicity of the onset envelope
 *   6 periodicity of the network's beats              7 squared distance from 120 bpm in octaves
 *   8 unsteadiness: mean change of the logarithm of the period from beat to beat, times 10
 *   9 log of the tempogram's probability of the tempo
 *   10 periodicity of the network's downbeats at eight beats: two bars of four, four of two; where it is low, what was
 *      taken for beats may be two thirds or four thirds of them */
void pulse_measure(const struct pulse_view *view, const double *time, int beats, double bpm,
                   double feature[PULSE_FEATURES]);

/* Tracks and ranks pulses related to the most probable path through all tempi. Fills in `pulse`, most probable first,
 * each with its beats, and `count`; 0 when there is no pulse. The caller frees with pulses_free; false when out of memory. */
bool pulses_find(const struct pulse_view *view, struct pulse pulse[PULSES], int *count);

/* Brings them within a range: a pulse outside stands for the one that is twice or half as fast, and so on, and lends it its
 * probability where that was tracked as well. Most probable first again. Returns how many there are then. */
int pulses_fold(const struct tempo_range *range, struct pulse pulse[PULSES], int count);
void pulses_free(struct pulse pulse[PULSES], int count);

#endif
