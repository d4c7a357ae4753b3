#include "workers/host/spectrum.h"

#include <math.h>
#include <stdlib.h>
#include <string.h>

struct spectrum_plan {
    struct spectrum_plan *next;
    uint32_t window;
    struct lanes *lanes;
    float *weights; /* the window, with the scale in it */
};

static void plan_free(struct spectrum_plan *plan) {
    if (!plan) return;
    lanes_free(plan->lanes);
    free(plan->weights);
    free(plan);
}

static struct spectrum_plan *plan_new(uint32_t window) {
    struct spectrum_plan *plan = calloc(1, sizeof *plan);
    if (!plan) return NULL;
    plan->window = window;
    plan->lanes = lanes_new(window, false);
    plan->weights = malloc(window * sizeof *plan->weights);
    if (!plan->lanes || !plan->weights) {
        plan_free(plan);
        return NULL;
    }
    /* A sine of amplitude 1 on a bin has a magnitude of half the window's sum, and a Hann window's sum is window/2. That
     * asks for 4 / window, of which lanes_values brings the 2. */
    for (uint32_t i = 0; i < window; i++)
        plan->weights[i] = (float)((0.5 - 0.5 * cos(2 * M_PI * i / window)) * 2 / window);
    return plan;
}

const struct spectrum_plan *spectrum_plans_get(struct spectrum_plans *plans, uint32_t window) {
    for (struct spectrum_plan *plan = plans->first; plan; plan = plan->next)
        if (plan->window == window) return plan;
    struct spectrum_plan *plan = plan_new(window);
    if (!plan) return NULL;
    plan->next = plans->first;
    plans->first = plan;
    return plan;
}

void spectrum_plans_close(struct spectrum_plans *plans) {
    while (plans->first) {
        struct spectrum_plan *plan = plans->first;
        plans->first = plan->next;
        plan_free(plan);
    }
}

bool spectrum_track_init(struct spectrum_track *track, const struct spectrum_plan *plan, uint32_t hop) {
    size_t half = plan->window / 2;
    *track = (struct spectrum_track){.plan = plan, .hop = hop, .capacity = half + 8192, .first = -(int64_t)half};
    track->samples = calloc(track->capacity, sizeof *track->samples);
    track->count = half;
    return track->samples != NULL;
}

void spectrum_track_close(struct spectrum_track *track) {
    free(track->samples);
    track->samples = NULL;
}

/* Drops what no later frame needs and makes room for `more` samples. */
static bool make_room(struct spectrum_track *track, size_t more) {
    int64_t needed = track->next * track->hop - track->plan->window / 2;
    int64_t drop = needed - track->first;
    if (drop > (int64_t)track->count) drop = (int64_t)track->count;
    if (drop > 0) {
        track->count -= (size_t)drop;
        track->first += drop;
        memmove(track->samples, track->samples + drop, track->count * sizeof *track->samples);
    }
    if (track->count + more <= track->capacity) return true;
    size_t capacity = (track->count + more) * 5 / 4;
    float *grown = realloc(track->samples, capacity * sizeof *grown);
    if (!grown) return false;
    track->samples = grown;
    track->capacity = capacity;
    return true;
}

bool spectrum_track_push(struct spectrum_track *track, const float *samples, size_t count) {
    if (!make_room(track, count)) return false;
    memcpy(track->samples + track->count, samples, count * sizeof *samples);
    track->count += count;
    track->received += (int64_t)count;
    return true;
}

bool spectrum_track_end(struct spectrum_track *track) {
    size_t half = track->plan->window / 2;
    if (!make_room(track, half)) return false;
    memset(track->samples + track->count, 0, half * sizeof *track->samples);
    track->count += half;
    track->ended = true;
    return true;
}

int64_t spectrum_track_ready(const struct spectrum_track *track) {
    /* Frame k needs the samples before k*hop + window/2, and must be centred on a sample that there is. */
    int64_t half = track->plan->window / 2, end = track->first + (int64_t)track->count;
    int64_t frames = end < half ? 0 : (end - half) / track->hop + 1;
    int64_t all = track->received == 0 ? 0 : (track->received - 1) / track->hop + 1;
    if (track->ended || frames > all) frames = all;
    return frames - track->next;
}

void spectrum_track_take(struct spectrum_track *track, uint32_t count, float *complex_values, size_t complex_stride,
                         float *powers, size_t power_stride) {
    const struct spectrum_plan *plan = track->plan;
    const float *from = track->samples + (track->next * track->hop - plan->window / 2 - track->first);
    lanes_transform(plan->lanes, from, track->hop, count, plan->weights);
    if (complex_values) lanes_values(plan->lanes, count, complex_values, complex_stride);
    if (powers) lanes_powers(plan->lanes, count, powers, power_stride);
    track->next += count;
}
