/* SPDX-License-Identifier: MIT
 *
 * What the plugin key judges by, for fitting: key_inputs AUDIO... prints one JSON object a line,
 * {"file", "seconds", "blocks": [6 x 12], "evidence": [11]} (plugins/key/tonality.h). Files that can't be read are named on
 * stderr and left out. */
#include "plugins/key/tonality.h"

#include "kernels/kernels.h"

#include <math.h>
#include <sndfile.h>
#include <soxr.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

/* The mean of the channels at TONES_RATE; NULL when it can't be had. */
static float *sound_read(const char *path, size_t *count) {
    SF_INFO info = {0};
    SNDFILE *file = sf_open(path, SFM_READ, &info);
    if (!file) return NULL;
    const size_t frames = (size_t)info.frames, channels = (size_t)info.channels;
    const size_t room = (size_t)((double)frames * TONES_RATE / info.samplerate) + 16;
    float *all = calloc(frames * channels + 1, sizeof *all), *mid = calloc(frames + 1, sizeof *mid);
    float *out = calloc(room, sizeof *out);
    if (all && mid && out) {
        const size_t got = (size_t)sf_readf_float(file, all, info.frames);
        for (size_t i = 0; i < got; i++)
            for (size_t c = 0; c < channels; c++) mid[i] += all[i * channels + c] / (float)channels;
        if (soxr_oneshot(info.samplerate, TONES_RATE, 1, mid, got, NULL, out, room, count, NULL, NULL, NULL))
            *count = 0;
    }
    sf_close(file);
    free(all);
    free(mid);
    return out;
}

static void frame_power(sonde_fft_t *fft, const float *x, size_t count, size_t k, float *power) {
    static float frame[TONES_WINDOW], bins[TONES_WINDOW + 2];
    const double scale = 2.0 / (TONES_WINDOW / 2.0);
    for (size_t i = 0; i < TONES_WINDOW; i++) {
        const size_t at = k * TONES_HOP + i;
        const float w = (float)((0.5 - 0.5 * cos(2 * M_PI * (double)i / TONES_WINDOW)) * scale);
        frame[i] = at >= TONES_WINDOW / 2 && at - TONES_WINDOW / 2 < count ? w * x[at - TONES_WINDOW / 2] : 0.0f;
    }
    kernel_fft.forward(fft, frame, bins);
    for (size_t b = 0; b <= TONES_WINDOW / 2; b++)
        power[b] = bins[2 * b] * bins[2 * b] + bins[2 * b + 1] * bins[2 * b + 1];
}

static void view_print(const char *path, size_t count, const struct music *music) {
    struct tonality_view view;
    double evidence[TONALITY_EVIDENCE];
    tonality_view_whole(music, &view);
    tonality_evidence(music, &view, evidence);
    printf("{\"file\": \"");
    for (const char *c = path; *c; c++) printf(*c == '"' || *c == '\\' ? "\\%c" : "%c", *c);
    printf("\", \"seconds\": %.3f, \"blocks\": [", (double)count / TONES_RATE);
    for (int b = 0; b < TONALITY_BLOCKS; b++)
        for (int c = 0; c < 12; c++) printf("%s%.6g", b || c ? ", " : "", view.block[b][c]);
    printf("], \"evidence\": [");
    for (int i = 0; i < TONALITY_EVIDENCE; i++) printf("%s%.6g", i ? ", " : "", evidence[i]);
    printf("]}\n");
}

static bool file_print(const char *path, sonde_fft_t *fft) {
    static float power[TONES_WINDOW / 2 + 1];
    struct music music = {0};
    size_t count = 0;
    float *x = sound_read(path, &count);
    const size_t frames = count ? (count - 1) / TONES_HOP + 1 : 0;
    struct tones *tones = x && frames ? tones_new(frames) : NULL;
    for (size_t k = 0; tones && k < frames; k++) {
        frame_power(fft, x, count, k, power);
        tones_add(tones, power, TONES_WINDOW / 2 + 1, 1);
    }
    const bool made = tones && music_make(tones, &music);
    if (made) view_print(path, count, &music);
    music_free(&music);
    tones_free(tones);
    free(x);
    return made;
}

int main(int count, char **paths) {
    sonde_fft_t *fft = kernel_fft.create(TONES_WINDOW);
    if (!fft) return 1;
    for (int i = 1; i < count; i++)
        if (!file_print(paths[i], fft)) fprintf(stderr, "%s: can't be read\n", paths[i]);
    kernel_fft.destroy(fft);
    return 0;
}
