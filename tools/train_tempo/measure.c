/* SPDX-License-Identifier: MIT
 *
 * What tempo_meter measures, for calibrate.py: reads lines "BANDS <tab> name <tab> seconds" from standard input, where BANDS
 * is a file of band amplitudes, as dataset.py --bands writes them (with <tab> bpm where no label gives it), and prints one JSON
 * object a line: {"file", "seconds", "bpm", "onsets", "pulses": {"none", "list": [{"bpm", "probability", "feature"}]}, "loops": the same}.
 *
 *     measure NETWORK_WEIGHTS TEMPOGRAM_WEIGHTS < list */
#include "plugins/tempo_meter/bands.h"
#include "plugins/tempo_meter/loop.h"
#include "plugins/tempo_meter/network.h"
#include "plugins/tempo_meter/onsets.h"
#include "plugins/tempo_meter/pulse.h"
#include "plugins/tempo_meter/tempogram.h"
#include "tools/train_tempo/whole_file.h"

#include <math.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

#define LOOP_FRAMES 1300

struct models {
    struct network *network;
    struct tempogram *tempogram;
};

struct hearing {
    struct network_output network;
    float tempogram[TEMPO_BINS];
    struct onsets onsets;
    struct pulse_view view;
};

static bool hear(const struct models *models, const float *frames, int64_t count, struct hearing *h) {
    h->network.beat = malloc((size_t)count * sizeof(float));
    h->network.downbeat = malloc((size_t)count * sizeof(float));
    h->view = (struct pulse_view){&h->network, h->tempogram, &h->onsets, count};
    return h->network.beat && h->network.downbeat && onsets_find(frames, count, &h->onsets) &&
           network_run(models->network, frames, count, &h->network) &&
           tempogram_run(models->tempogram, frames, count, h->tempogram);
}

static void hearing_free(struct hearing *h) {
    free(h->network.beat);
    free(h->network.downbeat);
    onsets_free(&h->onsets);
}

static void print_one(bool first, double bpm, double probability, const double *feature, int features) {
    printf("%s{\"bpm\":%.4f,\"probability\":%.5f,\"feature\":[", first ? "" : ",", bpm, probability);
    for (int k = 0; k < features; k++) printf("%s%.5f", k ? "," : "", feature[k]);
    printf("]}");
}

static bool print_pulses(const struct models *models, const float *frames, int64_t count) {
    struct hearing h = {0};
    struct pulse pulse[PULSES];
    int pulses = 0;
    const bool ok = hear(models, frames, count, &h) && pulses_find(&h.view, pulse, &pulses);
    printf(",\"onsets\":%d,\"pulses\":{\"none\":%.5f,\"list\":[", h.onsets.count, (double)h.network.tempo[TEMPO_BINS]);
    for (int i = 0; i < pulses; i++)
        print_one(i == 0, pulse[i].bpm, pulse[i].probability, pulse[i].feature, PULSE_FEATURES);
    printf("]}");
    pulses_free(pulse, pulses);
    hearing_free(&h);
    return ok;
}

static bool print_loops(const struct models *models, const float *frames, int64_t count, double seconds) {
    struct hearing h = {0};
    struct loop loop[LOOPS];
    float *repeated = calloc((size_t)LOOP_FRAMES * BANDS_COUNT, sizeof *repeated);
    for (int64_t t = 0; repeated && t < LOOP_FRAMES; t++) {
        const double at = fmod((double)t / BANDS_FPS, seconds) * BANDS_FPS;
        const int64_t i = (int64_t)at < count ? (int64_t)at : count - 1, next = i + 1 < count ? i + 1 : i;
        const float part = (float)(at - floor(at));
        for (int b = 0; b < BANDS_COUNT; b++)
            repeated[t * BANDS_COUNT + b] = frames[i * BANDS_COUNT + b] +
                                            part * (frames[next * BANDS_COUNT + b] - frames[i * BANDS_COUNT + b]);
    }
    const bool ok = repeated && hear(models, repeated, LOOP_FRAMES, &h);
    const int loops = ok ? loop_rank(&h.view, seconds, loop) : 0;
    printf(",\"loops\":{\"none\":%.5f,\"list\":[", (double)h.network.tempo[TEMPO_BINS]);
    for (int i = 0; i < loops; i++) print_one(i == 0, loop[i].bpm, loop[i].probability, loop[i].feature, LOOP_FEATURES);
    printf("]}");
    free(repeated);
    hearing_free(&h);
    return ok;
}

int main(int argc, char **argv) {
    size_t network_size = 0, tempogram_size = 0;
    void *network = argc == 3 ? whole_file(argv[1], &network_size) : NULL;
    void *tempogram = argc == 3 ? whole_file(argv[2], &tempogram_size) : NULL;
    struct models models = {network ? network_new(network, network_size) : NULL,
                            tempogram ? tempogram_new(tempogram, tempogram_size) : NULL};
    bool ok = models.network && models.tempogram;
    if (!ok) fprintf(stderr, "usage: measure NETWORK_WEIGHTS TEMPOGRAM_WEIGHTS < list\n");
    char line[8192];
    while (ok && fgets(line, sizeof line, stdin)) {
        const char *path = strtok(line, "\t"), *name = strtok(NULL, "\t"), *length = strtok(NULL, "\t\n"),
                   *bpm = strtok(NULL, "\n");
        const double seconds = length ? strtod(length, NULL) : 0;
        size_t size = 0;
        float *frames = path ? whole_file(path, &size) : NULL;
        const int64_t count = (int64_t)(size / sizeof(float) / BANDS_COUNT);
        if (!frames || count < 2 || !(seconds > 0)) {
            fprintf(stderr, "measure: %s: not a file of bands\n", path ? path : "an empty line");
            free(frames);
            continue;
        }
        ok = bands_compress(frames, count) >= 0;
        printf("{\"file\":\"%s\",\"seconds\":%.6f", name, seconds);
        if (bpm) printf(",\"bpm\":%.6f", strtod(bpm, NULL));
        ok = ok && print_pulses(&models, frames, count) && print_loops(&models, frames, count, seconds);
        printf("}\n");
        free(frames);
    }
    network_free(models.network);
    tempogram_free(models.tempogram);
    free(network);
    free(tempogram);
    return ok ? 0 : 1;
}
