/* SPDX-License-Identifier: MIT
 *
 * All that tempo_meter says of clips given as bands, for scoring weights that never heard them: reads the lines of measure.c
 * and prints one JSON object a line, in the form of tools/evaluate --against.
 *
 *     hear NETWORK_WEIGHTS TEMPOGRAM_WEIGHTS < list */
#include "plugins/tempo_meter/bands.h"
#include "plugins/tempo_meter/rhythm.h"
#include "tools/train_tempo/whole_file.h"

#include <stdio.h>
#include <stdlib.h>
#include <string.h>

static void print_times(const char *name, const struct rhythm *r, const uint8_t *wanted) {
    printf(",\"%s\":[", name);
    const char *separator = "";
    for (int i = 0; i < r->beats.count; i++)
        if (!wanted || wanted[i]) {
            printf("%s%.4f", separator, r->beats.time[i]);
            separator = ",";
        }
    printf("]");
}

static void print_rhythm(const char *name, const struct rhythm *r) {
    printf("{\"file\":\"%s\",\"tempo_bpm\":%.4f,\"tempo_confidence\":%.4f", name, r->bpm,
           r->bpm > 0 ? r->bpm_confidence : 0);
    print_times("beats", r, NULL);
    if (r->bars.is_downbeat) print_times("downbeats", r, r->bars.is_downbeat);
    if (r->meter_beats > 0) {
        printf(",\"beats_per_bar\":%d,\"beat_unit\":%d,\"bar_shares\":[", r->meter_beats, r->meter_unit);
        for (int m = 2; m <= BARS_LONGEST; m++) printf("%s%.4f", m > 2 ? "," : "", r->bars.share[m]);
        printf("]");
    }
    printf("}\n");
}

int main(int argc, char **argv) {
    size_t network_size = 0, tempogram_size = 0;
    void *network_data = argc == 3 ? whole_file(argv[1], &network_size) : NULL;
    void *tempogram_data = argc == 3 ? whole_file(argv[2], &tempogram_size) : NULL;
    struct network *network = network_data ? network_new(network_data, network_size) : NULL;
    struct tempogram *tempogram = tempogram_data ? tempogram_new(tempogram_data, tempogram_size) : NULL;
    const struct rhythm_models models = {network, tempogram};
    bool ok = network && tempogram;
    if (!ok) fprintf(stderr, "usage: hear NETWORK_WEIGHTS TEMPOGRAM_WEIGHTS < list\n");
    char line[8192];
    while (ok && fgets(line, sizeof line, stdin)) {
        const char *path = strtok(line, "\t"), *name = strtok(NULL, "\t"), *length = strtok(NULL, "\t\n");
        const double seconds = length ? strtod(length, NULL) : 0;
        size_t size = 0;
        float *frames = path && seconds > 0 ? whole_file(path, &size) : NULL;
        const int64_t count = (int64_t)(size / sizeof(float) / BANDS_COUNT);
        if (!frames || count < 1) {
            fprintf(stderr, "hear: %s: not a file of bands\n", path ? path : "an empty line");
            free(frames);
            continue;
        }
        const struct rhythm_facts facts = {.duration = seconds, .loop_seconds = seconds};
        struct rhythm rhythm;
        ok = rhythm_analyse(&models, frames, count, &facts, &rhythm);
        if (ok) print_rhythm(name, &rhythm);
        rhythm_free(&rhythm);
        free(frames);
    }
    network_free(network);
    tempogram_free(tempogram);
    free(network_data);
    free(tempogram_data);
    return ok ? 0 : 1;
}
