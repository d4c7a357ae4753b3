/* Times of the kernels hpss, yin and cqt for 1, 10 and 60 s of sound at 22,050 Hz, beside those of librosa on a machine on
 * which its STFT (2,048 / 512) takes 36 ms for 60 s. The transform's own time here tells how this machine compares. */
#include "kernels/kernels.h"

#include <math.h>
#include <stdio.h>
#include <stdlib.h>
#include <time.h>

#define RATE   22050
#define WINDOW 2048
#define HOP    512
#define BINS   (WINDOW / 2 + 1)

struct sound {
    float *samples, *spectrum, *magnitude, *harmonic, *percussive, *frames;
    uint32_t count, frames_count;
};

static double now_ms(void) {
    struct timespec t;
    clock_gettime(CLOCK_PROCESS_CPUTIME_ID, &t);
    return (double)t.tv_sec * 1e3 + (double)t.tv_nsec * 1e-6;
}

static void *need(size_t bytes) {
    void *memory = calloc(1, bytes);
    if (memory) return memory;
    fprintf(stderr, "out of memory\n");
    exit(1);
}

static struct sound make_sound(int seconds) {
    struct sound s = {.count = (uint32_t)seconds * RATE};
    s.frames_count = s.count / HOP + 1;
    s.samples = need((s.count + WINDOW) * sizeof(float));
    s.spectrum = need((size_t)s.frames_count * BINS * 2 * sizeof(float));
    s.magnitude = need((size_t)s.frames_count * BINS * sizeof(float));
    s.harmonic = need((size_t)s.frames_count * BINS * sizeof(float));
    s.percussive = need((size_t)s.frames_count * BINS * sizeof(float));
    s.frames = need((size_t)s.frames_count * 12 * sizeof(float));
    uint32_t x = 1;
    for (uint32_t i = 0; i < s.count; i++) {
        const double t = (double)i / RATE, f = 110 * exp2(floor(t * 4 - 12 * floor(t / 3)) / 12);
        x = x * 1664525u + 1013904223u;
        for (int h = 1; h < 6; h++) s.samples[i] += (float)(sin(2 * M_PI * f * h * t) / h / 4);
        s.samples[i] += (float)(x >> 8) / 16777216.0f * 0.2f * (float)exp(-fmod(t, 0.5) * 20);
    }
    return s;
}

static void free_sound(struct sound *s) {
    free(s->samples), free(s->spectrum), free(s->magnitude), free(s->harmonic), free(s->percussive), free(s->frames);
}

static void run_stft(const struct sound *s) {
    sonde_fft_t *fft = kernel_fft.create(WINDOW);
    float window[WINDOW], frame[WINDOW];
    for (int i = 0; i < WINDOW; i++) window[i] = (float)(0.5 - 0.5 * cos(2 * M_PI * i / WINDOW));
    for (uint32_t k = 0; k < s->frames_count; k++) {
        for (int i = 0; i < WINDOW; i++) {
            const int64_t at = (int64_t)k * HOP - WINDOW / 2 + i;
            frame[i] = at < 0 ? 0 : s->samples[at] * window[i];
        }
        float *out = s->spectrum + (size_t)k * BINS * 2;
        kernel_fft.forward(fft, frame, out);
        for (int b = 0; b < BINS; b++)
            s->magnitude[(size_t)k * BINS + b] = sqrtf(out[2 * b] * out[2 * b] + out[2 * b + 1] * out[2 * b + 1]);
    }
    kernel_fft.destroy(fft);
}

/* One part back to samples, with the phase of the whole. */
static void run_back(const struct sound *s, const float *part) {
    sonde_fft_t *fft = kernel_fft.create(WINDOW);
    float bins[2 * BINS], frame[WINDOW], *sum = need((s->count + 2 * WINDOW) * sizeof(float));
    for (uint32_t k = 0; k < s->frames_count; k++) {
        for (int b = 0; b < BINS; b++) {
            const size_t at = (size_t)k * BINS + b;
            const float gain = s->magnitude[at] > 0 ? part[at] / s->magnitude[at] : 0;
            bins[2 * b] = s->spectrum[2 * at] * gain;
            bins[2 * b + 1] = s->spectrum[2 * at + 1] * gain;
        }
        kernel_fft.inverse(fft, bins, frame);
        for (int i = 0; i < WINDOW; i++) sum[(size_t)k * HOP + i] += frame[i];
    }
    kernel_fft.destroy(fft);
    free(sum);
}

static void run_hpss(const struct sound *s) {
    sonde_hpss_t *h = kernel_hpss.create(BINS, 31, 31, 1, 1);
    kernel_hpss.separate(h, s->magnitude, s->frames_count, s->harmonic, s->percussive);
    kernel_hpss.destroy(h);
}

static void run_hpss_sound(const struct sound *s) {
    run_stft(s);
    run_hpss(s);
    run_back(s, s->harmonic);
    run_back(s, s->percussive);
}

static void run_yin(const struct sound *s) {
    sonde_yin_t *y = kernel_yin.create(RATE, 2048, 1024, 512, 65.406, 2093.0, 0.1);
    kernel_yin.process(y, s->samples, s->count, s->frames, NULL);
    kernel_yin.destroy(y);
}

static void run_cqt(const struct sound *s) {
    sonde_cqt_t *q = kernel_cqt.create(RATE, 512, 32.703, 7, 36);
    kernel_cqt.process(q, s->samples, s->count, NULL, s->frames);
    kernel_cqt.destroy(q);
}

int main(void) {
    static const int lengths[3] = {1, 10, 60};
    static const struct {
        const char *name;
        void (*run)(const struct sound *s);
        double librosa[3];
    } kernels[] = {
        {"STFT", run_stft, {0.86, 6.1, 36}},
        {"HPSS, spectrogram", run_hpss, {46.7, 451, 2965}},
        {"HPSS, sound to sounds", run_hpss_sound, {46.7, 451, 2965}},
        {"YIN", run_yin, {2.7, 48, 304}},
        {"constant-Q chroma", run_cqt, {65, 111, 387}},
    };
    printf("%-24s%30s%26s\n", "", "ms for 1 / 10 / 60 s", "times as fast as librosa");
    for (size_t k = 0; k < sizeof kernels / sizeof *kernels; k++) {
        double best[3];
        for (int i = 0; i < 3; i++) {
            struct sound s = make_sound(lengths[i]);
            best[i] = 1e9;
            run_stft(&s);
            for (int round = 0; round < (i == 2 ? 3 : 10); round++) {
                const double start = now_ms();
                kernels[k].run(&s);
                best[i] = fmin(best[i], now_ms() - start);
            }
            free_sound(&s);
        }
        printf("%-24s", kernels[k].name);
        for (int i = 0; i < 3; i++) printf("%10.2f", best[i]);
        for (int i = 0; i < 3; i++) printf("%*.1f", i ? 8 : 10, kernels[k].librosa[i] / best[i]);
        printf("\n");
    }
    return 0;
}
