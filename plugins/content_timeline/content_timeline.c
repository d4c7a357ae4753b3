/* The plugin `content_timeline`: reads the embedding of features/1, writes the segments of content_timeline/1. */
#include "timeline.h"

#include "content_timeline_schema.h"
#include "head.h"
#include "sonde/frame.h"

#include <math.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

#define MOST_SEGMENTS 1200u
#define RESOURCE      "content_timeline.weights"

struct timeline {
    struct weights weights;
    struct head head;
    char refusal[300]; /* why the weights can't be used; "" if they can */
    double duration;
    struct timeline_segment segments[MOST_SEGMENTS];
};

static int32_t on_begin(void *state, const sonde_region_t *region, const sonde_inputs_t *inputs) {
    (void)inputs;
    ((struct timeline *)state)->duration = region->duration;
    return SONDE_OK;
}

/* Segments change halfway between the centres of two steps. */
static double boundary(const struct timeline *timeline, uint32_t step, uint32_t count, double hop) {
    if (step == 0) return 0;
    return step >= count ? timeline->duration : fmin(((double)step - 0.5) * hop, timeline->duration);
}

static void write_overall(const struct timeline *timeline, uint32_t n, const sonde_writer_t *out) {
    double covered[TIMELINE_STATES] = {0}, sure[TIMELINE_STATES] = {0};
    for (uint32_t i = 0; i < n; i++) {
        const struct timeline_segment *s = &timeline->segments[i];
        covered[s->state] += s->end - s->first;
        sure[s->state] += (s->end - s->first) * (double)s->confidence;
    }
    uint32_t best = TIMELINE_SILENCE;
    double most = 0;
    for (uint32_t s = 0; s < TIMELINE_SILENCE; s++)
        if (covered[s] > most) most = covered[s], best = s;
    out->string(out, "label", timeline_label(best));
    out->number(out, "label_confidence", sure[best] / covered[best]);
}

static void write_segments(const struct timeline *timeline, uint32_t n, uint32_t count, double hop,
                           const sonde_writer_t *out) {
    static const char *const kinds[TIMELINE_KINDS] = {"speech", "music", "environment", "noise"};
    out->begin_array(out, "segments");
    for (uint32_t i = 0; i < n; i++) {
        const struct timeline_segment *s = &timeline->segments[i];
        out->begin_object(out, NULL);
        out->number(out, "start", boundary(timeline, s->first, count, hop));
        out->number(out, "end", boundary(timeline, s->end, count, hop));
        out->string(out, "label", timeline_label(s->state));
        out->number(out, "confidence", (double)s->confidence);
        out->boolean(out, "event", (int32_t)s->event);
        out->begin_object(out, "scores");
        for (uint32_t k = 0; k < TIMELINE_KINDS; k++) out->number(out, kinds[k], (double)s->scores[k]);
        out->end_object(out);
        out->end_object(out);
    }
    out->end_array(out);
    out->begin_array(out, "transitions");
    for (uint32_t i = 1; i < n; i++) {
        out->begin_object(out, NULL);
        out->number(out, "time", boundary(timeline, timeline->segments[i].first, count, hop));
        out->string(out, "from", timeline_label(timeline->segments[i - 1].state));
        out->string(out, "to", timeline_label(timeline->segments[i].state));
        out->end_object(out);
    }
    out->end_array(out);
}

static int32_t on_finish(void *state, const sonde_inputs_t *inputs, const sonde_writer_t *out) {
    struct timeline *timeline = state;
    struct embedding embedding;
    char error[250];
    if (timeline->refusal[0]) {
        out->fail(out, timeline->refusal);
        return SONDE_FAILED;
    }
    if (embedding_read(&embedding, inputs, timeline->weights.header->parent, error, sizeof error) != 0) {
        out->fail(out, error);
        return SONDE_FAILED;
    }
    const uint32_t count = embedding.count;
    if (count == 0) {
        out->fail(out, "the region has no frames to listen to");
        return SONDE_EMPTY;
    }
    float *kinds = malloc(sizeof(float) * (TIMELINE_KINDS + 1) * count);
    if (kinds == NULL) return SONDE_NO_MEMORY;
    float *change = kinds + (size_t)TIMELINE_KINDS * count;
    int64_t n = -1;
    if (head_measure(&timeline->head, &embedding, kinds, change) == 0)
        n = timeline_decode(kinds, change, embedding.level, count, embedding.hop, timeline->segments, MOST_SEGMENTS);
    free(kinds);
    if (n < 1) return SONDE_NO_MEMORY;
    if (embedding.cancels && n == 1 && timeline->segments[0].state == TIMELINE_SILENCE) {
        out->fail(out,
                  "the channels cancel each other out: one is the other turned over, and their mean is what is heard");
        return SONDE_EMPTY;
    }
    write_overall(timeline, (uint32_t)n, out);
    write_segments(timeline, (uint32_t)n, count, embedding.hop, out);
    out->string(out, "network", embedding.model);
    return out->status(out) == SONDE_OK ? SONDE_OK : SONDE_FAILED;
}

static const sonde_interface_t provides[] = {{sizeof(sonde_interface_t), 1, "content_timeline"}};
static const sonde_need_t needs[] = {{sizeof(sonde_need_t), 1, "features", SONDE_NEED_REQUIRED, SONDE_NEED_AT_FINISH}};
static const sonde_descriptor_t descriptor = {
    .struct_size = sizeof descriptor,
    .flags = SONDE_FLAG_DETERMINISTIC,
    .id = "content_timeline",
    .name = "Content timeline",
    .vendor = "sonde",
    .version = "0.6.0",
    .licence = "MIT",
    .description = "What happens when: segments of speech, music, environment, their mixtures, noise and near-silence.",
    .schema = content_timeline_schema,
    .provides = provides,
    .provides_count = 1,
    .needs = needs,
    .needs_count = 1,
};

/* Without good weights the instance still comes to be: so every result says why there is none. */
static void open_weights(struct timeline *timeline, const sonde_host_t *host) {
    const void *data;
    uint64_t size;
    char error[250] = "the file is missing or can't be read";
    if (host->resource_open(host, RESOURCE, &data, &size) == SONDE_OK &&
        weights_open(&timeline->weights, data, size, "timeline", HEAD_ARCHITECTURE, error, sizeof error) == 0 &&
        head_open(&timeline->head, &timeline->weights, error, sizeof error) == 0)
        return;
    snprintf(timeline->refusal, sizeof timeline->refusal, RESOURCE ": %s", error);
    host->log(host, SONDE_LOG_ERROR, timeline->refusal);
}

static int32_t on_open(void *state, const sonde_host_t *host, const sonde_param_value_t *values) {
    (void)values;
    open_weights(state, host);
    return SONDE_OK;
}

static const sonde_frame_t plugins[] = {{.descriptor = &descriptor,
                                         .size = sizeof(struct timeline),
                                         .open = on_open,
                                         .begin = on_begin,
                                         .finish = on_finish}};
SONDE_LIBRARY(plugins)
