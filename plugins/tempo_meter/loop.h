/* Loops: recordings cut on the bar. Their length divided by a whole number of beats is their tempo, exactly; what remains
 * to be found is the number of beats, and what an encoder added to the length. */
#ifndef TEMPO_METER_LOOP_H
#define TEMPO_METER_LOOP_H

#include "onsets.h"
#include "pulse.h"
#include "tempo.h"

#include <stdbool.h>

#define LOOPS         24
#define LOOP_FEATURES (PULSE_FEATURES + 2)

/* One way to read the recording. */
struct loop {
    double bpm;
    int beats;
    int beats_per_bar;
    double meter_confidence;       /* 0 to 1, of beats_per_bar */
    double feature[LOOP_FEATURES]; /* those of pulse_measure, then how usual such a length is, and whole_tempo */
    double score;                  /* linear in the features */
    double probability;            /* among all ways; they sum to 1 */
};

/* Ranks the numbers of beats that a loop of `seconds` may have, most probable first. `view` is what was heard in the loop
 * repeated from its start on, again and again. Fills in `loop` and returns how many; 0 when no usual number of beats gives
 * a tempo from 40 to 220 bpm. */
int loop_rank(const struct pulse_view *view, double seconds, struct loop loop[LOOPS]);

/* Brings the readings of a loop of `seconds` within a range: one outside stands for twice or half as many beats, and so on, and
 * lends them its probability; it is left out where half of its beats is no whole number. Most probable first again. Returns how
 * many there are then. */
int loops_fold(const struct tempo_range *range, double seconds, struct loop loop[LOOPS], int count);

/* Loops are taken to be cut in four; one whose beats fill bars of three as well is in three where its downbeats say so. `heard`
 * and `count` are those of the loop repeated. False when out of memory. */
bool loop_meter(const struct network_output *heard, int64_t count, struct loop *loop);

/* Silence that isn't the loop's, in s. */
struct loop_padding {
    double before; /* the first beat comes so much later than the start */
    double all;    /* before and after */
};

/* MP3 and AAC are made of whole frames, and begin late: a loop of a whole number of bpm that was one of them is longer than its
 * `beats`. Where the onsets keep to such a tempo, and clearly better than to the one that the length says, that is what
 * happened; else there is no padding. `start` and `seconds` of the loop, in the time of the onsets. */
struct loop_padding loop_unpad(const struct onsets *onsets, double start, double seconds, int beats);

/* 1 when `seconds` holds `beats` beats of a whole number of bpm to 0.1 ms though it isn't a multiple of half a second, as
 * hardly any recording is by chance; -1 when it doesn't; 0 when the length says nothing. */
double loop_whole_tempo(double seconds, int beats);

#endif
