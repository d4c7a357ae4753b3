/* SPDX-License-Identifier: MIT
 *
 * Wraps somebody else's library: aubio's onset detection (libaubio-dev; aubio is GPL-3.0-or-later, and so is what links it).
 * aubio wants hops of a fixed length, blocks have any: the plugin gathers what it is given until a hop is full.
 *
 *     gcc -std=c17 -O2 -fvisibility=hidden -shared -fPIC -I../../sdk -o aubio_onset.so aubio_onset.c -laubio */
#include "sonde/frame.h"

#include <aubio/aubio.h>
#include <math.h>

#define RATE   44100
#define WINDOW 1024
#define HOP    256

struct onsets {
    aubio_onset_t *detector; /* of the region: made anew, so that nothing is remembered */
    fvec_t *hop, *found;
    uint32_t filled;
    double *times;
    uint32_t count, room;
    double duration;
};

static void clear(void *state) {
    struct onsets *o = state;
    if (o->detector) del_aubio_onset(o->detector);
    if (o->hop) del_fvec(o->hop);
    if (o->found) del_fvec(o->found);
    free(o->times);
    *o = (struct onsets){0};
}

static int32_t begin(void *state, const sonde_region_t *region, const sonde_inputs_t *others) {
    struct onsets *o = state;
    (void)others;
    o->duration = region->duration;
    o->detector = new_aubio_onset("hfc", WINDOW, HOP, RATE);
    o->hop = new_fvec(HOP);
    o->found = new_fvec(1);
    return o->detector && o->hop && o->found ? SONDE_OK : SONDE_NO_MEMORY;
}

/* The hop is full. */
static int32_t listen(struct onsets *o) {
    o->filled = 0;
    aubio_onset_do(o->detector, o->hop, o->found);
    if (o->found->data[0] == 0) return SONDE_OK;
    if (o->count == o->room) {
        const uint32_t room = 2 * o->room + 64;
        double *grown = realloc(o->times, room * sizeof *grown);
        if (!grown) return SONDE_NO_MEMORY;
        o->times = grown;
        o->room = room;
    }
    o->times[o->count++] = fmin(fmax(0.0, (double)aubio_onset_get_last_s(o->detector)), o->duration);
    return SONDE_OK;
}

static int32_t process(void *state, const sonde_block_t *block) {
    struct onsets *o = state;
    for (uint32_t i = 0; i < block->frames; i++) {
        o->hop->data[o->filled++] = block->planes[0][i];
        if (o->filled == HOP && listen(o) != SONDE_OK) return SONDE_NO_MEMORY;
    }
    return SONDE_OK;
}

static int32_t finish(void *state, const sonde_inputs_t *others, const sonde_writer_t *out) {
    struct onsets *o = state;
    (void)others;
    while (o->filled > 0) { /* the rest, with silence behind it */
        o->hop->data[o->filled++] = 0;
        if (o->filled == HOP && listen(o) != SONDE_OK) return SONDE_NO_MEMORY;
    }
    sonde_write_doubles(out, "onsets", o->times, o->count);
    out->number(out, "onset_rate", o->count / o->duration);
    return out->status(out);
}

/* aubio and FFTW keep tables for the life of the process; made here, they aren't made in the middle of a region. */
static int32_t open_instance(void *state, const sonde_host_t *host, const sonde_param_value_t *values) {
    struct onsets *o = state;
    (void)host;
    (void)values;
    const sonde_region_t region = {.struct_size = sizeof region, .duration = 1};
    const int32_t code = begin(o, &region, NULL);
    if (code == SONDE_OK) (void)listen(o);
    clear(o);
    return code;
}

static const sonde_interface_t provides[] = {{sizeof *provides, 1, "org.example.aubio_onset"}};
static const sonde_input_t inputs[] = {
    {.struct_size = sizeof *inputs, .kind = SONDE_INPUT_AUDIO, .channels = SONDE_CHANNELS_MID, .rate = RATE}};

static const sonde_descriptor_t descriptor = {
    .struct_size = sizeof descriptor,
    .flags = SONDE_FLAG_DETERMINISTIC,
    .id = "org.example.aubio_onset",
    .name = "Onsets (aubio)",
    .vendor = "sonde examples",
    .version = "1.0.0",
    .licence = "MIT AND GPL-3.0-or-later",
    .description = "Onsets by aubio's high-frequency content method.",
    .schema =
        "{\"type\":\"object\",\"required\":[\"onsets\",\"onset_rate\"],\"properties\":{"
        "\"onsets\":{\"type\":\"array\",\"items\":{\"type\":\"number\"},\"x-unit\":\"s@region\","
        "\"x-source\":\"Masri 1996, Computer modeling of sound for transformation and synthesis of musical signals\"},"
        "\"onset_rate\":{\"type\":\"number\",\"minimum\":0,\"x-unit\":\"1/s\","
        "\"x-summary\":{\"as\":\"aubio_onset_rate\",\"rule\":\"mean\"}}}}",
    .url = "https://aubio.org",
    .provides = provides,
    .provides_count = 1,
    .inputs = inputs,
    .inputs_count = 1,
};

static const sonde_frame_t plugins[] = {{.descriptor = &descriptor,
                                         .size = sizeof(struct onsets),
                                         .open = open_instance,
                                         .begin = begin,
                                         .process = process,
                                         .finish = finish,
                                         .clear = clear}};
SONDE_LIBRARY(plugins)
