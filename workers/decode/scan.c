#include "workers/decode/scan.h"

#include "plugins/sdk/kernels/clones.h"

#include <stdlib.h>
#include <string.h>

/* The bits of 1e10f without sign; beyond are infinities and NaN, too. Plugins hear all of that as 0 (plugin.h): a region must not
 * be one for what nobody hears. */
#define MAGNITUDE 0x7fffffffu
#define HUGE_BITS 0x501502f9u

static uint32_t bits_of(float x) {
    uint32_t bits;
    memcpy(&bits, &x, sizeof bits);
    return bits;
}

SONDE_CLONES static size_t count_nonfinite(const float *x, size_t n) {
    uint32_t count = 0;
    for (size_t i = 0; i < n; i++) count += (bits_of(x[i]) & MAGNITUDE) > HUGE_BITS;
    return count;
}

/* The samples without NaN, infinities and what is beyond 1e10: `samples` itself when there are none. */
static const float *clean(struct scan *scan, const float *samples, size_t n) {
    size_t nonfinite = count_nonfinite(samples, n);
    if (nonfinite == 0) return samples;
    scan->nonfinite += (int64_t)nonfinite;
    for (size_t i = 0; i < n; i++) scan->clean[i] = (bits_of(samples[i]) & MAGNITUDE) > HUGE_BITS ? 0 : samples[i];
    return scan->clean;
}

static bool start(struct scan *scan, const struct facts *facts, struct error *error) {
    size_t floats = SCAN_FLOATS / (size_t)facts->channels * (size_t)facts->channels;
    if (!scan->block) {
        scan->block = malloc(SCAN_FLOATS * sizeof(float));
        scan->clean = malloc(SCAN_FLOATS * sizeof(float));
    }
    scan->block_floats = floats;
    scan->frames = scan->nonfinite = 0;
    segment_free(&scan->regions);
    if (!scan->block || !scan->clean || !levels_start(&scan->levels, facts->rate, facts->channels) ||
        !peaks_start(&scan->peaks, facts->channels))
        return error_memory(error);
    return true;
}

static struct hash *begin_hash(const struct facts *facts) {
    struct hash *hash = hash_new();
    uint32_t format[2] = {(uint32_t)facts->rate, (uint32_t)facts->channels};
    if (hash) hash_add(hash, format, sizeof format);
    return hash;
}

static bool read_all(struct scan *scan, struct source *source, struct hash *hash, scan_sink sink, void *context,
                     struct error *error) {
    const struct facts *facts = source_facts(source);
    size_t channels = (size_t)facts->channels;
    int64_t step = (int64_t)(scan->block_floats / channels), most = (int64_t)SCAN_DAYS_MAX * 24 * 3600 * facts->rate, n;
    while ((n = source_read(source, scan->block, step)) > 0) {
        size_t floats = (size_t)n * channels;
        hash_add(hash, scan->block, floats * sizeof(float));
        const float *samples = clean(scan, scan->block, floats);
        if (!levels_add(&scan->levels, samples, n)) return error_memory(error);
        peaks_add(&scan->peaks, samples, n);
        if (sink && !sink(context, scan->block, n, error)) return false;
        scan->frames += n;
        if (scan->frames > most) return error_set(error, "the file claims to be longer than %d days", SCAN_DAYS_MAX);
    }
    return levels_finish(&scan->levels) || error_memory(error);
}

bool scan_run(struct scan *scan, struct source *source, const struct segment_parameters *parameters, scan_sink sink,
              void *context, struct error *error) {
    if (!start(scan, source_facts(source), error)) return false;
    struct hash *hash = begin_hash(source_facts(source));
    if (!hash) return error_memory(error);
    bool ok = read_all(scan, source, hash, sink, context, error);
    hash_text(hash, scan->audio_hash);
    hash_free(hash);
    if (!ok) return false;
    int rate = source_facts(source)->rate;
    return segment_decide(parameters, &scan->levels, scan->frames, rate, &scan->regions) || error_memory(error);
}

void scan_free(struct scan *scan) {
    levels_free(&scan->levels);
    peaks_free(&scan->peaks);
    segment_free(&scan->regions);
    free(scan->block);
    free(scan->clean);
    *scan = (struct scan){0};
}
