/* From frame probabilities to segments: a hidden Markov model over eight states, events by level, minimum durations.
 * Pure functions; any thread. Times here are steps of the embedding. */
#ifndef SONDE_CONTENT_TIMELINE_TIMELINE_H
#define SONDE_CONTENT_TIMELINE_TIMELINE_H

#include <stdint.h>

enum { TIMELINE_KINDS = 4 }; /* speech, music, environment, noise */

enum timeline_state {
    TIMELINE_SPEECH,
    TIMELINE_MUSIC,
    TIMELINE_ENVIRONMENT,
    TIMELINE_NOISE,
    TIMELINE_SPEECH_OVER_MUSIC,
    TIMELINE_SPEECH_OVER_ENVIRONMENT,
    TIMELINE_MUSIC_OVER_ENVIRONMENT,
    TIMELINE_SILENCE,
    TIMELINE_STATES,
};

struct timeline_segment {
    uint32_t first, end; /* steps, end exclusive */
    uint32_t state;
    uint32_t event;               /* 1: stands out from its surroundings by level */
    float confidence;             /* mean posterior of the state */
    float scores[TIMELINE_KINDS]; /* mean probability of each kind */
};

const char *timeline_label(uint32_t state);

/* `kinds` [count][TIMELINE_KINDS]: the probability that each kind is there; `change` [count]: that they change at this step
 * or one beside it; `level` [count]: dBFS; `step`: seconds between steps. Segments cover 0..count without gaps; at most `room` of them (the shortest are merged into their
 * neighbours beyond that). Returns their number, 0 for count 0, or -1 without memory. */
int64_t timeline_decode(const float *kinds, const float *change, const float *level, uint32_t count, double step,
                        struct timeline_segment *segments, uint32_t room);

#endif
