/* SPDX-License-Identifier: MIT
 *
 * The smallest useful plugin: how often the signal crosses zero, a rough measure of brightness.
 *
 *     gcc -std=c17 -O2 -fvisibility=hidden -shared -fPIC -I../../sdk -o minimal.so minimal.c */
#include "sonde/frame.h"

struct crossings {
    double duration;
    float previous; /* sample before the block: blocks are cut anywhere */
    int64_t count;
};

static int32_t begin(void *state, const sonde_region_t *region, const sonde_inputs_t *others) {
    (void)others;
    *(struct crossings *)state = (struct crossings){.duration = region->duration};
    return SONDE_OK;
}

static int32_t process(void *state, const sonde_block_t *block) {
    struct crossings *c = state;
    const float *x = block->planes[0];
    for (uint32_t i = 0; i < block->frames; i++) {
        c->count += (c->previous < 0) != (x[i] < 0);
        c->previous = x[i];
    }
    return SONDE_OK;
}

static int32_t finish(void *state, const sonde_inputs_t *others, const sonde_writer_t *out) {
    const struct crossings *c = state;
    (void)others;
    out->number(out, "zero_crossing_rate", (double)c->count / c->duration);
    return out->status(out);
}

static const sonde_interface_t provides[] = {{sizeof *provides, 1, "zero_crossings"}};
static const sonde_input_t inputs[] = {
    {.struct_size = sizeof *inputs, .kind = SONDE_INPUT_AUDIO, .channels = SONDE_CHANNELS_MID, .rate = 22050}};

static const sonde_descriptor_t descriptor = {
    .struct_size = sizeof descriptor,
    .flags = SONDE_FLAG_DETERMINISTIC,
    .id = "org.example.minimal",
    .name = "Zero crossings",
    .vendor = "sonde examples",
    .version = "1.0.0",
    .licence = "MIT",
    .description = "Counts how often the signal changes its sign.",
    .schema = "{\"type\":\"object\",\"required\":[\"zero_crossing_rate\"],\"properties\":{"
              "\"zero_crossing_rate\":{\"type\":\"number\",\"minimum\":0,\"x-unit\":\"1/s\","
              "\"x-summary\":{\"as\":\"zero_crossing_rate\",\"rule\":\"mean\"}}}}",
    .provides = provides,
    .provides_count = 1,
    .inputs = inputs,
    .inputs_count = 1,
};

static const sonde_frame_t plugins[] = {{.descriptor = &descriptor,
                                         .size = sizeof(struct crossings),
                                         .begin = begin,
                                         .process = process,
                                         .finish = finish}};
SONDE_LIBRARY(plugins)
