/* Makes the material of tools/bench from audio files:
 *
 *     material OUT.wav RATE CHANNELS SECONDS IN...    the inputs one after the other, again and again, until SECONDS are
 *                                                     full; resampled by soxr; channel c delayed by c*7 ms, so that channels
 *                                                     differ */
#include <sndfile.h>
#include <soxr.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

/* All of one file as mono at `rate`; *frames long. Caller frees; NULL on failure. */
static float *read_mono(const char *path, double rate, size_t *frames) {
    SF_INFO info = {0};
    SNDFILE *file = sf_open(path, SFM_READ, &info);
    if (!file) return NULL;
    size_t n = (size_t)info.frames, room = (size_t)((double)n * rate / info.samplerate) + 16;
    float *in = malloc(n * (size_t)info.channels * sizeof *in), *out = malloc(room * sizeof *out);
    n = in && out ? (size_t)sf_readf_float(file, in, info.frames) : 0;
    for (size_t i = 0; i < n; i++) {
        float sum = 0;
        for (int c = 0; c < info.channels; c++) sum += in[i * (size_t)info.channels + (size_t)c];
        in[i] = sum / (float)info.channels;
    }
    *frames = 0;
    if (n == 0 || soxr_oneshot(info.samplerate, rate, 1, in, n, NULL, out, room, frames, NULL, NULL, NULL)) {
        free(out);
        out = NULL;
    }
    free(in);
    sf_close(file);
    return out;
}

/* Writes one input, at most `left` frames; returns how many. */
static size_t append(SNDFILE *out, const float *mono, size_t frames, size_t left, int channels, size_t delay) {
    size_t n = frames < left ? frames : left;
    float *block = malloc(n * (size_t)channels * sizeof *block);
    if (!block) return 0;
    for (size_t i = 0; i < n; i++)
        for (size_t c = 0; c < (size_t)channels; c++)
            block[i * (size_t)channels + c] = i >= c * delay ? mono[i - c * delay] : 0;
    sf_count_t written = sf_writef_float(out, block, (sf_count_t)n);
    free(block);
    return written < 0 ? 0 : (size_t)written;
}

int main(int argc, char **argv) {
    if (argc < 6) {
        fprintf(stderr, "usage: material OUT.wav RATE CHANNELS SECONDS IN...\n");
        return 2;
    }
    int rate = atoi(argv[2]), channels = atoi(argv[3]);
    size_t left = (size_t)(atof(argv[4]) * rate);
    /* W64 has no 4 GiB limit; both are 16-bit PCM. */
    int container = strstr(argv[1], ".w64") ? SF_FORMAT_W64 : SF_FORMAT_WAV;
    SF_INFO info = {.samplerate = rate, .channels = channels, .format = container | SF_FORMAT_PCM_16};
    SNDFILE *out = sf_open(argv[1], SFM_WRITE, &info);
    if (!out) {
        fprintf(stderr, "material: cannot write %s: %s\n", argv[1], sf_strerror(NULL));
        return 1;
    }
    size_t before;
    do {
        before = left;
        for (int i = 5; i < argc && left > 0; i++) {
            size_t frames;
            float *mono = read_mono(argv[i], rate, &frames);
            if (mono) left -= append(out, mono, frames, left, channels, (size_t)rate * 7 / 1000);
            free(mono);
        }
    } while (left > 0 && left < before);
    if (sf_close(out) != 0 || left > 0) {
        fprintf(stderr, "material: could not fill %s\n", argv[1]);
        return 1;
    }
    return 0;
}
