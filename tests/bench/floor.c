/* The floor that sonde's speed is measured against: the least that any analysis of a file must do.
 *
 *     floor FILE      decodes with libsndfile, mixes to mono, resamples to 22.05 kHz with soxr (HQ), and takes one 2048/512
 *                     power spectrum with KissFFT. Prints the CPU seconds of each step as JSON. */
#include <kissfft/kiss_fftr.h>
#include <math.h>
#include <sndfile.h>
#include <soxr.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <time.h>

enum { BLOCK = 65536, WINDOW = 2048, HOP = 512 };

struct floor_run {
    SNDFILE *file;
    SF_INFO info;
    soxr_t resampler;
    kiss_fftr_cfg fft;
    float *in, *mono, *low; /* decoded, mixed, resampled */
    float *held;            /* samples waiting for a whole window */
    size_t held_count;
    double decode, resample, spectrum; /* CPU s */
    double checksum;
};

static double cpu_now(void) {
    struct timespec t;
    clock_gettime(CLOCK_PROCESS_CPUTIME_ID, &t);
    return (double)t.tv_sec + 1e-9 * (double)t.tv_nsec;
}

static void take_spectra(struct floor_run *run, const float *window, size_t count) {
    float frame[WINDOW];
    kiss_fft_cpx bins[WINDOW / 2 + 1];
    memcpy(run->held + run->held_count, run->low, count * sizeof *run->low);
    run->held_count += count;
    size_t at = 0;
    for (; at + WINDOW <= run->held_count; at += HOP) {
        for (int i = 0; i < WINDOW; i++) frame[i] = run->held[at + i] * window[i];
        kiss_fftr(run->fft, frame, bins);
        float sum = 0;
        for (int b = 0; b <= WINDOW / 2; b++) sum += bins[b].r * bins[b].r + bins[b].i * bins[b].i;
        run->checksum += sum;
    }
    memmove(run->held, run->held + at, (run->held_count - at) * sizeof *run->held);
    run->held_count -= at;
}

static int process(struct floor_run *run) {
    float window[WINDOW];
    for (int i = 0; i < WINDOW; i++) window[i] = 0.5f - 0.5f * cosf(2 * (float)M_PI * (float)i / WINDOW);
    int channels = run->info.channels;
    for (;;) {
        double t0 = cpu_now();
        sf_count_t frames = sf_readf_float(run->file, run->in, BLOCK);
        double t1 = cpu_now();
        for (sf_count_t i = 0; i < frames; i++) {
            float sum = 0;
            for (int c = 0; c < channels; c++) sum += run->in[i * channels + c];
            run->mono[i] = sum / (float)channels;
        }
        size_t done = 0;
        if (soxr_process(run->resampler, frames > 0 ? run->mono : NULL, (size_t)frames, NULL, run->low, 2 * BLOCK,
                         &done))
            return 1;
        double t2 = cpu_now();
        take_spectra(run, window, done);
        double t3 = cpu_now();
        run->decode += t1 - t0;
        run->resample += t2 - t1;
        run->spectrum += t3 - t2;
        if (frames <= 0) return 0;
    }
}

int main(int argc, char **argv) {
    if (argc != 2) {
        fprintf(stderr, "usage: floor FILE\n");
        return 2;
    }
    struct floor_run run = {0};
    run.file = sf_open(argv[1], SFM_READ, &run.info);
    if (!run.file) {
        fprintf(stderr, "floor: %s: %s\n", argv[1], sf_strerror(NULL));
        return 1;
    }
    soxr_quality_spec_t quality = soxr_quality_spec(SOXR_HQ, 0);
    run.resampler = soxr_create(run.info.samplerate, 22050, 1, NULL, NULL, &quality, NULL);
    run.fft = kiss_fftr_alloc(WINDOW, 0, NULL, NULL);
    run.in = malloc(BLOCK * (size_t)run.info.channels * sizeof(float));
    run.mono = malloc(BLOCK * sizeof(float));
    run.low = malloc(2 * BLOCK * sizeof(float));
    run.held = malloc((2 * BLOCK + WINDOW) * sizeof(float));
    int failed = !run.resampler || !run.fft || !run.in || !run.mono || !run.low || !run.held || process(&run);
    double seconds = (double)run.info.frames / run.info.samplerate;
    if (!failed)
        printf(
            "{\"audio_s\": %.3f, \"decode\": %.4f, \"resample\": %.4f, \"spectrum\": %.4f, \"total\": %.4f, \"checksum\": %.6g}\n",
            seconds, run.decode, run.resample, run.spectrum, run.decode + run.resample + run.spectrum, run.checksum);
    free(run.in);
    free(run.mono);
    free(run.low);
    free(run.held);
    free(run.fft);
    soxr_delete(run.resampler);
    sf_close(run.file);
    return failed;
}
