/* SPDX-License-Identifier: MIT
 *
 * The plugin: feeds level, spectral and chroma from their inputs and writes what they found. Every quantity is defined in
 * schema/results/features.json. */
#include "chroma.h"
#include "envelope.h"
#include "features_schema.h"
#include "fingerprint.h"
#include "level.h"
#include "network.h"
#include "spectral.h"

#include "sonde/frame.h"
#include "sonde/kernels.h"

#include <math.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

#define RMS_EVERY 5 /* level frames of 10 ms in one value of the array: 50 ms */

struct features {
    struct spectral_design *design;
    struct level *level;
    struct spectral *spectral;
    struct chroma *chroma;
    struct network *network; /* NULL: see refusal; everything else goes on without it */
    char refusal[300];
    double duration;
    bool whole_file;
};

enum { INPUT_NATIVE, INPUT_SHORT, INPUT_LONG };

static const sonde_input_t inputs[] = {
    {.struct_size = sizeof(sonde_input_t), .kind = SONDE_INPUT_AUDIO, .channels = SONDE_CHANNELS_NATIVE},
    {.struct_size = sizeof(sonde_input_t),
     .kind = SONDE_INPUT_SPECTRUM,
     .channels = SONDE_CHANNELS_MID,
     .rate = SPECTRAL_RATE,
     .window = SPECTRAL_WINDOW,
     .hop = SPECTRAL_HOP,
     .form = SONDE_SPECTRUM_POWER},
    {.struct_size = sizeof(sonde_input_t),
     .kind = SONDE_INPUT_SPECTRUM,
     .channels = SONDE_CHANNELS_MID,
     .rate = CHROMA_RATE,
     .window = CHROMA_WINDOW,
     .hop = CHROMA_HOP,
     .form = SONDE_SPECTRUM_POWER},
};

static const sonde_array_info_t arrays[] = {
    {.struct_size = sizeof(sonde_array_info_t),
     .dtype = SONDE_F32,
     .name = "rms",
     .unit = "dBFS",
     .description = "RMS over all channels of each 50 ms; -200 for silence.",
     .dimensions = 1},
    {.struct_size = sizeof(sonde_array_info_t),
     .dtype = SONDE_F32,
     .name = "f0",
     .unit = "Hz",
     .description = "Pitch, one value each 46 ms; 0 where there is none.",
     .dimensions = 1},
    {.struct_size = sizeof(sonde_array_info_t),
     .dtype = SONDE_F32,
     .name = "chroma",
     .unit = "ratio",
     .description = "Constant-Q chroma: time by pitch class C to B, each frame's largest 1.",
     .dimensions = 2},
    {.struct_size = sizeof(sonde_array_info_t),
     .dtype = SONDE_F32,
     .name = "embedding",
     .unit = "1",
     .description =
         "Frame embeddings of the shared network named in `embedding`, of what sounds: time by 96 dimensions.",
     .dimensions = 2},
    {.struct_size = sizeof(sonde_array_info_t),
     .dtype = SONDE_U8,
     .name = "scene",
     .unit = "1",
     .description =
         "The same network's other embeddings, of what sounds at the same time: time by 96 dimensions, in steps of "
         "1/32; 255 stands for that and more.",
     .dimensions = 2},
    {.struct_size = sizeof(sonde_array_info_t),
     .dtype = SONDE_F32,
     .name = "embedding_level",
     .unit = "dBFS",
     .description = "Level of the loudest frame behind each embedding; a full-scale sine is 0.",
     .dimensions = 1},
    {.struct_size = sizeof(sonde_array_info_t),
     .dtype = SONDE_F32,
     .name = "timbre",
     .unit = "1",
     .description =
         "Of the frames behind each embedding, 20 cepstra: mean, spread, mean size of the change from frame to "
         "frame, and of its change.",
     .dimensions = 2},
};

_Static_assert(SPECTRAL_RATE == NETWORK_RATE && SPECTRAL_WINDOW == NETWORK_WINDOW && SPECTRAL_HOP == NETWORK_HOP,
               "one spectrum serves both");

static const sonde_interface_t provides[] = {{sizeof(sonde_interface_t), 1, "features"}};

static const sonde_descriptor_t descriptor = {
    .struct_size = sizeof(sonde_descriptor_t),
    .flags = SONDE_FLAG_DETERMINISTIC,
    .id = "features",
    .name = "Features",
    .vendor = "sonde",
    .version = "1.5.0",
    .licence = "MIT",
    .description = "Level, loudness, envelope, spectrum, pitch and stereo image of a region, and a fingerprint for "
                   "similarity search.",
    .schema = features_schema,
    .provides = provides,
    .provides_count = 1,
    .inputs = inputs,
    .inputs_count = sizeof inputs / sizeof *inputs,
    .arrays = arrays,
    .arrays_count = sizeof arrays / sizeof *arrays,
};

/* -------------------------------------------------------------------------------------------------------- writing */

static void put(const sonde_writer_t *w, const char *key, double value) {
    sonde_write_number_if(w, key, value, isfinite(value));
}

static void put_if(const sonde_writer_t *w, const char *key, double value, bool there) {
    put(w, key, there ? value : NAN);
}

static void write_level(const sonde_writer_t *w, const struct level_result *l) {
    w->number(w, "rms", l->rms);
    w->number(w, "peak", l->peak);
    put(w, "true_peak", l->true_peak);
    put(w, "lufs", l->lufs);
    put(w, "lufs_range", l->lufs_range);
    put(w, "lufs_momentary", l->lufs_momentary);
    w->number(w, "crest", fmax(0.0, l->crest));
    w->number(w, "headroom", isfinite(l->true_peak) ? -l->true_peak : -l->peak);
    w->number(w, "dc", l->dc);
    w->number(w, "clipped", l->clipped);
    w->number(w, "silence", l->silence);
    w->integer(w, "nonfinite", l->nonfinite);
    put(w, "width", l->width);
    put(w, "correlation", l->correlation);
    put(w, "balance", l->balance);
}

static void write_envelope(const sonde_writer_t *w, const struct envelope *e, const char *kind) {
    w->number(w, "attack", e->attack);
    w->number(w, "decay", e->decay);
    w->number(w, "sustain", e->sustain);
    w->number(w, "temporal_centroid", e->centroid);
    w->number(w, "steadiness", e->steadiness);
    w->string(w, "kind", kind);
}

static void write_spectral(const sonde_writer_t *w, const struct spectral_result *s, const double cqt_chroma[12]) {
    bool any = s->active > 0, voiced = s->f0_median > 0.0;
    put_if(w, "centroid", s->centroid, any);
    put_if(w, "centroid_spread", s->centroid_spread, any);
    put_if(w, "bandwidth", s->bandwidth, any);
    put_if(w, "rolloff", s->rolloff, any);
    put_if(w, "flatness", fmin(1.0, s->flatness), any);
    sonde_write_doubles(w, "contrast", s->contrast, SPECTRAL_CONTRAST);
    put_if(w, "flux", s->flux, any);
    sonde_write_doubles(w, "mfcc_mean", s->mfcc_mean, SPECTRAL_MFCC);
    sonde_write_doubles(w, "mfcc_spread", s->mfcc_spread, SPECTRAL_MFCC);
    sonde_write_doubles(w, "chroma", s->chroma, 12);
    sonde_write_doubles(w, "cqt_chroma", cqt_chroma, 12);
    w->integer(w, "onsets", s->onsets);
    w->number(w, "onset_rate", s->onset_rate);
    put_if(w, "harmonic", s->harmonic, any);
    put_if(w, "percussive", s->percussive, any);
    put_if(w, "f0_median", s->f0_median, voiced);
    put_if(w, "f0_low", s->f0_low, voiced);
    put_if(w, "f0_high", s->f0_high, voiced);
    w->number(w, "voiced", s->voiced);
    put_if(w, "f0_stability", s->f0_stability, voiced);
}

/* Means of RMS_EVERY level frames in dBFS. */
static bool write_rms(const sonde_writer_t *w, const float *squares, size_t count) {
    uint64_t n = (count + RMS_EVERY - 1) / RMS_EVERY;
    float *rms = malloc((n + 1) * sizeof *rms);
    if (!rms) return false;
    for (size_t i = 0; i < n; i++) {
        size_t to = (i + 1) * RMS_EVERY < count ? (i + 1) * RMS_EVERY : count;
        float sum = 0.0f;
        for (size_t k = i * RMS_EVERY; k < to; k++) sum += squares[k];
        sum /= (float)(to - i * RMS_EVERY);
        rms[i] = sum > 1e-20f ? 10.0f * log10f(sum) : (float)LEVEL_SILENT;
    }
    if (n > 0) w->array(w, "rms", rms, &n, 0.01 * RMS_EVERY, 0.0);
    free(rms);
    return true;
}

static void write_series(const sonde_writer_t *w, const struct features *f) {
    size_t count;
    const float *f0 = spectral_f0(f->spectral, &count);
    uint64_t shape[2] = {count, 12};
    if (count > 0) w->array(w, "f0", f0, shape, (double)SPECTRAL_HOP * SPECTRAL_PITCH_EVERY / SPECTRAL_RATE, 0.0);
    const float *frames = chroma_frames(f->chroma, &count);
    shape[0] = count;
    if (count > 0) w->array(w, "chroma", frames, shape, (double)CHROMA_HOP / CHROMA_RATE, 0.0);
}

/* The network's embeddings, and which network they come from; or why there are none. */
static bool write_embedding(const sonde_writer_t *w, const struct features *f) {
    struct network_result result;
    w->begin_object(w, "embedding");
    if (!f->network) {
        w->string(w, "reason", f->refusal);
        w->end_object(w);
        return true;
    }
    if (network_finish(f->network, &result) != 0) return false;
    uint64_t shape[2] = {result.count, NETWORK_DIMENSIONS};
    w->string(w, "model", network_model(f->network));
    w->integer(w, "version", network_version(f->network));
    w->string(w, "hash", network_hash(f->network));
    w->numbers(w, "catalogue", result.catalogue, NETWORK_DIMENSIONS);
    w->end_object(w);
    w->array(w, "embedding", result.embedding, shape, network_hop(), 0.0);
    w->array(w, "scene", result.scene, shape, network_hop(), 0.0);
    w->array(w, "embedding_level", result.level, shape, network_hop(), 0.0);
    shape[1] = TIMBRE_DIMENSIONS;
    w->array(w, "timbre", result.timbre, shape, network_hop(), 0.0);
    return true;
}

/* ----------------------------------------------------------------------------------------------------- the instance */

static void features_clear(void *state) {
    struct features *f = state;
    level_free(f->level);
    spectral_free(f->spectral);
    chroma_free(f->chroma);
    f->level = NULL;
    f->spectral = NULL;
    f->chroma = NULL;
}

static int32_t features_begin(void *state, const sonde_region_t *region, const sonde_inputs_t *others) {
    struct features *f = state;
    (void)others;
    const uint32_t both = SONDE_REGION_AT_FILE_START | SONDE_REGION_AT_FILE_END;
    size_t samples = (size_t)ceil(region->duration * SPECTRAL_RATE) + 16;
    f->duration = region->duration;
    f->whole_file = (region->flags & both) == both;
    f->level = level_new(region->rate, region->channels, region->frames);
    f->spectral = spectral_new(samples / SPECTRAL_HOP + 1, region->rate, f->design);
    f->chroma = chroma_new(samples / CHROMA_HOP + 1);
    if (f->network && network_begin(f->network, region->duration) != 0) return SONDE_NO_MEMORY;
    return f->level && f->spectral && f->chroma ? SONDE_OK : SONDE_NO_MEMORY;
}

static int32_t features_process(void *state, const sonde_block_t *block) {
    struct features *f = state;
    if (block->input == INPUT_NATIVE)
        level_add(f->level, block->planes, block->frames, block->nonfinite);
    else if (block->input == INPUT_SHORT) {
        spectral_add(f->spectral, block->spectra, block->stride, block->frames);
        if (f->network && network_push(f->network, block->spectra, block->frames, block->stride) != 0)
            return SONDE_NO_MEMORY;
    } else
        chroma_add(f->chroma, block->spectra, block->stride, block->frames);
    return SONDE_OK;
}

static int32_t features_write(struct features *f, const sonde_writer_t *w) {
    struct level_result level;
    struct spectral_result spectral;
    struct envelope envelope;
    double cqt_chroma[12], fingerprint[FINGERPRINT_SIZE];
    size_t count;
    level_finish(f->level, &level);
    const float *squares = level_frames(f->level, &count);
    if (!spectral_finish(f->spectral, &spectral) || !envelope_measure(squares, count, &envelope))
        return SONDE_NO_MEMORY;
    chroma_mean(f->chroma, cqt_chroma);
    fingerprint_make(&spectral, envelope.attack, fingerprint);
    struct envelope_context context = {f->duration,     f->whole_file,         spectral.onsets,  spectral.onset_rate,
                                       spectral.voiced, spectral.f0_stability, spectral.f0_jumps};
    write_level(w, &level);
    write_envelope(w, &envelope, envelope_kind(&envelope, &context));
    write_spectral(w, &spectral, cqt_chroma);
    sonde_write_doubles(w, "fingerprint", fingerprint, FINGERPRINT_SIZE);
    write_series(w, f);
    if (!write_embedding(w, f)) return SONDE_NO_MEMORY;
    return write_rms(w, squares, count) ? w->status(w) : SONDE_NO_MEMORY;
}

static int32_t features_finish(void *state, const sonde_inputs_t *others, const sonde_writer_t *out) {
    (void)others;
    return features_write(state, out);
}

static void open_network(struct features *f, const sonde_host_t *host) {
    const void *weights;
    uint64_t size;
    char error[250] = "the file is missing or can't be read";
    if (host->resource_open(host, NETWORK_FILE, &weights, &size) == SONDE_OK)
        f->network = network_open(weights, size, error, sizeof error);
    if (f->network) return;
    snprintf(f->refusal, sizeof f->refusal, NETWORK_FILE ": %s", error);
    host->log(host, SONDE_LOG_ERROR, f->refusal);
}

static int32_t features_open(void *state, const sonde_host_t *host, const sonde_param_value_t *values) {
    struct features *f = state;
    (void)values;
    const sonde_kernel_fft_many_t *fft = host->kernel(host, SONDE_KERNEL_FFT_MANY);
    if (!fft) {
        host->log(host, SONDE_LOG_ERROR,
                  "features needs the host's kernel " SONDE_KERNEL_FFT_MANY ", which this host lacks");
        return SONDE_FAILED;
    }
    f->design = spectral_design_new(fft);
    if (!f->design) return SONDE_NO_MEMORY;
    open_network(f, host);
    return SONDE_OK;
}

static void features_close(void *state) {
    struct features *f = state;
    spectral_design_free(f->design);
    network_close(f->network);
}

static const sonde_frame_t plugins[] = {{.descriptor = &descriptor,
                                         .size = sizeof(struct features),
                                         .open = features_open,
                                         .begin = features_begin,
                                         .process = features_process,
                                         .finish = features_finish,
                                         .clear = features_clear,
                                         .close = features_close}};
SONDE_LIBRARY(plugins)
