/* CPU time of the shared network alone, per second of audio: bench_listening WEIGHTS [SECONDS]
 *
 * WEIGHTS is plugins/features/features.resources/sonde-embedding.weights; the audio is SECONDS (600) of noise, as power
 * spectra, so that the host's transform is not in the figure. What content timeline and classifier need is in what
 * `run_plugins --repeat 5 AUDIO features.so content_timeline.so classifier.so` prints. */
#include "features/network.h"

#include <stdio.h>
#include <stdlib.h>
#include <time.h>

static double cpu_seconds(void) {
    struct timespec now;
    clock_gettime(CLOCK_THREAD_CPUTIME_ID, &now);
    return (double)now.tv_sec + 1e-9 * (double)now.tv_nsec;
}

/* The whole file in memory that is aligned for weights_open, or NULL. */
static void *read_file(const char *path, uint64_t *size) {
    FILE *file = fopen(path, "rb");
    if (!file) return NULL;
    const size_t room = 16u << 20;
    void *data = aligned_alloc(64, room);
    *size = data ? fread(data, 1, room, file) : 0;
    fclose(file);
    return data;
}

static int measure(struct network *network, double seconds) {
    enum { BLOCK = 64 };
    const uint32_t frames = (uint32_t)(seconds * NETWORK_RATE / NETWORK_HOP);
    float *power = malloc(sizeof(float) * BLOCK * NETWORK_BINS);
    struct network_result result;
    if (!power) return -1;
    uint32_t seed = 1;
    for (uint32_t i = 0; i < BLOCK * NETWORK_BINS; i++) {
        seed = seed * 1664525u + 1013904223u;
        power[i] = 1e-9f * (float)(seed >> 8);
    }
    const double start = cpu_seconds();
    int failed = network_begin(network, seconds);
    for (uint32_t at = 0; at < frames && !failed; at += BLOCK)
        failed = network_push(network, power, frames - at < BLOCK ? frames - at : BLOCK, NETWORK_BINS);
    const double pushed = cpu_seconds();
    failed = failed || network_finish(network, &result);
    const double end = cpu_seconds();
    free(power);
    if (failed) return -1;
    printf("%.0f s of audio: %.3f ms of CPU a second (log-mel %.3f, network and timbre %.3f)\n", seconds,
           1e3 * (end - start) / seconds, 1e3 * (pushed - start) / seconds, 1e3 * (end - pushed) / seconds);
    return 0;
}

int main(int count, char **arguments) {
    uint64_t size = 0;
    char error[200] = "no memory, or no such file";
    const double seconds = count > 2 ? atof(arguments[2]) : 600;
    if (count < 2 || !(seconds >= 1 && seconds <= 3600)) {
        fputs("usage: bench_listening WEIGHTS [SECONDS, 1 to 3600]\n", stderr);
        return 2;
    }
    void *data = read_file(arguments[1], &size);
    struct network *network = data ? network_open(data, size, error, sizeof error) : NULL;
    const int failed = !network || measure(network, seconds) != 0;
    if (failed) fprintf(stderr, "%s: %s\n", arguments[1], network ? "no memory" : error);
    network_close(network);
    free(data);
    return failed;
}
