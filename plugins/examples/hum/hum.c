/* SPDX-License-Identifier: MIT
 *
 * Uses spectra: finds the hum of the mains, at 50 or 60 Hz and their overtones. The host computes the spectra, once for all
 * plugins that want the same; frames come with a stride, and the plugin averages them. */
#include "sonde/frame.h"

#include <math.h>

#define RATE      4000
#define WINDOW    8000 /* 2 s: bins of half a hertz */
#define HOP       4000
#define BINS      (WINDOW / 2 + 1)
#define HARMONICS 6
#define AUDIBLE   12.0 /* dB above the surroundings */

struct hum {
    double mean[BINS]; /* power summed over frames */
    uint64_t frames;
};

static int32_t begin(void *state, const sonde_region_t *region, const sonde_inputs_t *others) {
    struct hum *h = state;
    (void)others;
    if (region->duration < (double)WINDOW / RATE) return SONDE_UNSUPPORTED;
    memset(h, 0, sizeof *h);
    return SONDE_OK;
}

static int32_t process(void *state, const sonde_block_t *block) {
    struct hum *h = state;
    for (uint32_t f = 0; f < block->frames; f++) {
        const float *power = block->spectra + (size_t)f * block->stride;
        for (uint32_t b = 0; b < BINS; b++) h->mean[b] += (double)power[b];
    }
    h->frames += block->frames;
    return SONDE_OK;
}

/* How far the line at a frequency stands out of the bins 2 to 6 Hz away from it, in dB. */
static double line(const double *mean, double hertz) {
    const int bin = (int)lround(hertz * WINDOW / RATE);
    double peak = 0, around = 0;
    for (int b = bin - 2; b <= bin + 2; b++) peak = fmax(peak, mean[b]);
    for (int b = 4; b <= 12; b++) around += mean[bin - b] + mean[bin + b];
    return 10.0 * log10((peak + 1e-20) / (around / 18.0 + 1e-20));
}

static double comb(const double *mean, double fundamental) {
    double sum = 0;
    for (int k = 1; k <= HARMONICS; k++) sum += fmax(0.0, line(mean, k * fundamental));
    return sum / HARMONICS;
}

static int32_t finish(void *state, const sonde_inputs_t *others, const sonde_writer_t *out) {
    const struct hum *h = state;
    (void)others;
    const double at_50 = comb(h->mean, 50.0), at_60 = comb(h->mean, 60.0), most = fmax(at_50, at_60);
    sonde_write_number_if(out, "mains", at_50 > at_60 ? 50.0 : 60.0, most >= AUDIBLE);
    out->number(out, "prominence", most);
    return out->status(out);
}

static const sonde_interface_t provides[] = {{sizeof *provides, 1, "org.example.hum"}};
static const sonde_input_t inputs[] = {{.struct_size = sizeof *inputs,
                                        .kind = SONDE_INPUT_SPECTRUM,
                                        .channels = SONDE_CHANNELS_MID,
                                        .rate = RATE,
                                        .window = WINDOW,
                                        .hop = HOP,
                                        .form = SONDE_SPECTRUM_POWER}};

static const sonde_descriptor_t descriptor = {
    .struct_size = sizeof descriptor,
    .flags = SONDE_FLAG_DETERMINISTIC,
    .id = "org.example.hum",
    .name = "Mains hum",
    .vendor = "sonde examples",
    .version = "1.0.0",
    .licence = "MIT",
    .description = "Whether the mains hums in the recording, at 50 or 60 Hz, and how much.",
    .schema = "{\"type\":\"object\",\"required\":[\"mains\",\"prominence\"],\"properties\":{"
              "\"mains\":{\"type\":[\"number\",\"null\"],\"enum\":[50,60,null],\"x-unit\":\"Hz\","
              "\"x-summary\":{\"as\":\"mains_hum\",\"rule\":\"longest\"}},"
              "\"prominence\":{\"type\":\"number\",\"minimum\":0,\"x-unit\":\"dB\","
              "\"x-summary\":{\"as\":\"mains_prominence\",\"rule\":\"max\"}}}}",
    .provides = provides,
    .provides_count = 1,
    .inputs = inputs,
    .inputs_count = 1,
};

static const sonde_frame_t plugins[] = {
    {.descriptor = &descriptor, .size = sizeof(struct hum), .begin = begin, .process = process, .finish = finish}};
SONDE_LIBRARY(plugins)
