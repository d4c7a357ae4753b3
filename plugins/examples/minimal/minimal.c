/* SPDX-License-Identifier: MIT
 *
 * The smallest useful plugin: how often the signal crosses zero, a rough measure of brightness.
 * gcc -std=c17 -O2 -shared -fPIC -o minimal.so minimal.c is all that it takes to build it. */
#include "sonde/plugin.h"

#include <stdlib.h>

struct minimal {
    sonde_plugin_t plugin;
    double duration;
    float previous; /* sample before the block: blocks are cut anywhere */
    int64_t crossings;
};

static int32_t begin(sonde_plugin_t *self, const sonde_region_t *region, const sonde_inputs_t *inputs) {
    struct minimal *m = self->state;
    (void)inputs;
    m->duration = region->duration;
    m->previous = 0;
    m->crossings = 0;
    return SONDE_OK;
}

static int32_t process(sonde_plugin_t *self, const sonde_block_t *block) {
    struct minimal *m = self->state;
    const float *x = block->planes[0];
    for (uint32_t i = 0; i < block->frames; i++) {
        m->crossings += (m->previous < 0) != (x[i] < 0);
        m->previous = x[i];
    }
    return SONDE_OK;
}

static int32_t finish(sonde_plugin_t *self, const sonde_inputs_t *inputs, const sonde_writer_t *out) {
    struct minimal *m = self->state;
    (void)inputs;
    out->number(out, "zero_crossing_rate", (double)m->crossings / m->duration);
    return out->status(out);
}

static void abandon(sonde_plugin_t *self) {
    (void)self; /* nothing was allocated for the region */
}

static void destroy(sonde_plugin_t *self) {
    free(self->state);
}

static const sonde_interface_t provides[] = {{sizeof(sonde_interface_t), 1, "zero_crossings"}};
static const sonde_input_t inputs[] = {
    {.struct_size = sizeof(sonde_input_t), .kind = SONDE_INPUT_AUDIO, .channels = SONDE_CHANNELS_MID, .rate = 22050}};

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

static int32_t init(const sonde_host_t *host, const char *plugin_dir) {
    (void)host, (void)plugin_dir;
    return SONDE_OK;
}

static void deinit(void) {}

static uint32_t plugin_count(void) {
    return 1;
}

static const sonde_descriptor_t *plugin_at(uint32_t index) {
    return index == 0 ? &descriptor : NULL;
}

static int32_t create(const sonde_host_t *host, const char *id, const sonde_param_value_t *values, uint32_t count,
                      sonde_plugin_t **plugin) {
    (void)host, (void)id, (void)values, (void)count; /* one plugin, no parameters */
    struct minimal *m = calloc(1, sizeof *m);
    if (!m) return SONDE_NO_MEMORY;
    m->plugin = (sonde_plugin_t){.struct_size = sizeof m->plugin,
                                 .state = m,
                                 .begin = begin,
                                 .process = process,
                                 .finish = finish,
                                 .abandon = abandon,
                                 .destroy = destroy};
    *plugin = &m->plugin;
    return SONDE_OK;
}

SONDE_EXPORT extern const sonde_entry_t sonde_entry;
const sonde_entry_t sonde_entry = {sizeof sonde_entry, SONDE_ABI_MAJOR, SONDE_ABI_MINOR, 0, init, deinit,
                                   plugin_count,       plugin_at,       create};
