/* SPDX-License-Identifier: MIT
 *
 * Parameters and a resource: how long the sound is louder than a threshold, and when. Parameters are set in the configuration
 * file, or by `sonde --set org.example.exceedance:threshold=-30 analyze ...`. The weighting curve is a text file in the
 * library's resource folder (exceedance.resources), with a frequency in Hz and a gain in dB on each line, ascending. */
#include "sonde/frame.h"

#include <math.h>
#include <stdio.h>

#define RATE   32000
#define WINDOW 1024
#define HOP    512
#define BINS   (WINDOW / 2 + 1)
#define POINTS 100 /* of a curve */

enum { THRESHOLD, HOLD, WEIGHTING, REPORT }; /* the parameters, in the descriptor's order */

struct exceedance {
    double threshold; /* power */
    double hold;      /* s: shorter pauses don't end an exceedance */
    int times;        /* whether to write them */
    float gain[BINS]; /* of power */
    uint8_t *loud;    /* one a frame */
    uint64_t frames, room;
    double duration;
};

/* ------------------------------------------------------------------------------------------------------ the instance */

/* Reads "frequency gain" lines. The file isn't zero-terminated. False: it makes no sense. */
static int read_curve(const char *text, uint64_t size, double *hertz, double *gain) {
    int n = 0;
    while (size > 0) {
        const char *end = memchr(text, '\n', size);
        const size_t length = end ? (size_t)(end - text) : size;
        char line[80];
        if (length >= sizeof line) return 0;
        memcpy(line, text, length);
        line[length] = '\0';
        if (length > 0 && line[0] != '#') {
            if (n == POINTS || sscanf(line, "%lf %lf", &hertz[n], &gain[n]) != 2) return 0;
            if (!(hertz[n] > (n ? hertz[n - 1] : 0)) || !(fabs(gain[n]) < 200)) return 0;
            n++;
        }
        text += length + (end != NULL);
        size -= length + (end != NULL);
    }
    return n;
}

/* Linear over the logarithm of frequency; level beyond the ends. */
static double curve_at(const double *hertz, const double *gain, int points, double f) {
    if (f <= hertz[0]) return gain[0];
    for (int i = 1; i < points; i++)
        if (f <= hertz[i])
            return gain[i - 1] + (gain[i] - gain[i - 1]) * log(f / hertz[i - 1]) / log(hertz[i] / hertz[i - 1]);
    return gain[points - 1];
}

static int32_t open_curve(struct exceedance *e, const sonde_host_t *host, const char *name) {
    const void *data;
    uint64_t size;
    double hertz[POINTS], gain[POINTS];
    const int32_t code = host->resource_open(host, name, &data, &size);
    if (code != SONDE_OK) return code;
    const int points = read_curve(data, size, hertz, gain);
    if (points == 0) {
        host->log(host, SONDE_LOG_ERROR, "the weighting curve isn't made of lines of frequency and gain");
        return SONDE_FAILED;
    }
    for (int b = 0; b < BINS; b++)
        e->gain[b] = (float)pow(10.0, curve_at(hertz, gain, points, (double)b * RATE / WINDOW) / 10.0);
    return SONDE_OK;
}

static int32_t open_instance(void *state, const sonde_host_t *host, const sonde_param_value_t *values) {
    struct exceedance *e = state;
    e->threshold = pow(10.0, values[THRESHOLD].number / 10.0);
    e->hold = values[HOLD].number;
    e->times = strcmp(values[REPORT].text, "times") == 0;
    return open_curve(e, host, values[WEIGHTING].text);
}

/* -------------------------------------------------------------------------------------------------------- the region */

static int32_t begin(void *state, const sonde_region_t *region, const sonde_inputs_t *others) {
    struct exceedance *e = state;
    (void)others;
    e->duration = region->duration;
    e->frames = 0;
    e->room = (uint64_t)(region->duration * RATE / HOP) + 16;
    e->loud = calloc(e->room, 1);
    return e->loud ? SONDE_OK : SONDE_NO_MEMORY;
}

/* A full-scale sine has a weighted power of about 1: the window spreads its peak over neighbours worth half as much again. */
static int32_t process(void *state, const sonde_block_t *block) {
    struct exceedance *e = state;
    for (uint32_t f = 0; f < block->frames && e->frames < e->room; f++) {
        const float *power = block->spectra + (size_t)f * block->stride;
        double sum = 0;
        for (uint32_t b = 0; b < BINS; b++) sum += (double)(power[b] * e->gain[b]);
        e->loud[e->frames++] = sum / 1.5 > e->threshold;
    }
    return SONDE_OK;
}

static int32_t finish(void *state, const sonde_inputs_t *others, const sonde_writer_t *out) {
    const struct exceedance *e = state;
    (void)others;
    const double step = (double)HOP / RATE;
    double total = 0, start = -1, last = -1;
    if (e->times) out->begin_array(out, "exceedances");
    for (uint64_t i = 0; i <= e->frames; i++) {
        const double time = (double)i * step;
        const int loud = i < e->frames && e->loud[i];
        if (start >= 0 && !loud && (i == e->frames || time - last > e->hold)) {
            const double end = fmin(last + step, e->duration);
            if (e->times) sonde_write_span(out, start, end);
            if (e->times) out->end_object(out);
            total += end - start;
            start = -1;
        }
        if (loud && start < 0) start = fmin(time, e->duration);
        if (loud) last = time;
    }
    if (e->times) out->end_array(out);
    out->number(out, "exceeded", total);
    return out->status(out);
}

static void clear(void *state) {
    struct exceedance *e = state;
    free(e->loud);
    e->loud = NULL;
}

/* ----------------------------------------------------------------------------------------------------- the description */

static const char *const reports[] = {"total", "times", NULL};
static const sonde_param_t params[] = {
    {.struct_size = sizeof *params,
     .kind = SONDE_PARAM_NUMBER,
     .id = "threshold",
     .name = "Threshold",
     .description = "What is louder counts.",
     .unit = "dBFS",
     .min = -120,
     .max = 0,
     .default_number = -40},
    {.struct_size = sizeof *params,
     .kind = SONDE_PARAM_NUMBER,
     .id = "hold",
     .name = "Hold",
     .description = "Shorter pauses don't end an exceedance.",
     .unit = "s",
     .min = 0,
     .max = 60,
     .default_number = 0.2},
    {.struct_size = sizeof *params,
     .kind = SONDE_PARAM_FILE,
     .id = "weighting",
     .name = "Weighting curve",
     .description = "A file in the resource folder: lines of frequency in Hz and gain in dB.",
     .unit = "",
     .default_text = "a_weighting.txt"},
    {.struct_size = sizeof *params,
     .kind = SONDE_PARAM_CHOICE,
     .id = "report",
     .name = "Report",
     .description = "The total alone, or the times too.",
     .unit = "",
     .default_text = "times",
     .choices = reports}};

static const sonde_interface_t provides[] = {{sizeof *provides, 1, "org.example.exceedance"}};
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
    .id = "org.example.exceedance",
    .name = "Exceedance",
    .vendor = "sonde examples",
    .version = "1.0.0",
    .licence = "MIT",
    .description = "How long, and when, the weighted sound is louder than a threshold.",
    .schema = "{\"type\":\"object\",\"required\":[\"exceeded\"],\"properties\":{"
              "\"exceeded\":{\"type\":\"number\",\"minimum\":0,\"x-unit\":\"s\","
              "\"x-summary\":{\"as\":\"exceeded\",\"rule\":\"sum\"}},"
              "\"exceedances\":{\"type\":\"array\",\"items\":{\"type\":\"object\",\"required\":[\"start\",\"end\"],"
              "\"properties\":{\"start\":{\"type\":\"number\",\"x-unit\":\"s@region\"},"
              "\"end\":{\"type\":\"number\",\"x-unit\":\"s@region\"}}}}}}",
    .provides = provides,
    .provides_count = 1,
    .inputs = inputs,
    .inputs_count = 1,
    .params = params,
    .params_count = 4,
};

static const sonde_frame_t plugins[] = {{.descriptor = &descriptor,
                                         .size = sizeof(struct exceedance),
                                         .open = open_instance,
                                         .begin = begin,
                                         .process = process,
                                         .finish = finish,
                                         .clear = clear}};
SONDE_LIBRARY(plugins)
