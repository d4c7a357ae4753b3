/* SPDX-License-Identifier: MIT
 *
 * A second, simpler provider of the interface key/1, in a library of its own, for regions on which the first one fails:
 * plain chroma (magnitudes of the long spectrum in semitones from C2 to B6, A440) correlated with the profiles of Krumhansl
 * and Kessler (1982; Krumhansl 1990, Cognitive Foundations of Musical Pitch, chapter 4). No tuning, no changes of key, no
 * chords. It allocates nothing while it works. */
#include "key_schema.h"
#include "names.h"

#include "sonde/frame.h"

#include <math.h>
#include <stdbool.h>
#include <stdlib.h>
#include <string.h>

#define RATE         22050
#define WINDOW       8192
#define HOP          4096
#define FIRST_BIN    24  /* 64.6 Hz, where C2 begins */
#define LAST_BIN     754 /* 2 kHz, where B6 ends */
#define SHARPNESS    9.0
#define TONAL_BIAS   (-10.73)
#define TONAL_FIT    14.67
#define TONAL_UNEVEN 1.976

struct fallback {
    double chroma[12], frames, duration;
    uint8_t class_of[LAST_BIN + 1];
};

static const sonde_input_t inputs[] = {
    {.struct_size = sizeof(sonde_input_t),
     .kind = SONDE_INPUT_SPECTRUM,
     .channels = SONDE_CHANNELS_MID,
     .rate = RATE,
     .window = WINDOW,
     .hop = HOP,
     .form = SONDE_SPECTRUM_POWER},
};

static const sonde_interface_t provides[] = {{sizeof(sonde_interface_t), 1, "key"}};

static const sonde_descriptor_t descriptor = {
    .struct_size = sizeof(sonde_descriptor_t),
    .flags = SONDE_FLAG_DETERMINISTIC,
    .id = "key_fallback",
    .name = "Key, the simple way",
    .vendor = "sonde",
    .version = "1.0.1",
    .licence = "MIT",
    .description = "Key by chroma and the profiles of Krumhansl and Kessler, for when the plugin key fails.",
    .schema = key_schema,
    .provides = provides,
    .provides_count = 1,
    .inputs = inputs,
    .inputs_count = sizeof inputs / sizeof *inputs,
};

static const double profiles[2][12] = {
    {6.35, 2.23, 3.48, 2.33, 4.38, 4.09, 2.52, 5.19, 2.39, 3.66, 2.29, 2.88},
    {6.33, 2.68, 3.52, 5.38, 2.60, 3.53, 2.54, 4.75, 3.98, 2.69, 3.34, 3.17},
};

/* Pearson's correlation of the chroma with the profile of `key`. */
static double correlation(const double chroma[12], int key) {
    const double *p = profiles[key / 12];
    double mx = 0.0, my = 0.0, xy = 0.0, xx = 0.0, yy = 0.0;
    for (int c = 0; c < 12; c++) {
        mx += chroma[c] / 12.0;
        my += p[c] / 12.0;
    }
    for (int c = 0; c < 12; c++) {
        double x = chroma[(c + key) % 12] - mx, y = p[c] - my;
        xy += x * y;
        xx += x * x;
        yy += y * y;
    }
    return xx > 1e-12 ? xy / sqrt(xx * yy) : 0.0;
}

struct verdict {
    double score[KEYS]; /* probabilities */
    int key;
    double tonal, confidence;
};

/* The constants are fitted to labelled recordings: how peaked the probabilities are, and how large the correlation and the
 * unevenness of the chroma are where there is a key. */
static void judge(const struct fallback *f, struct verdict *v) {
    double sum = 0.0, best = -1.0, mean = 0.0, spread = 0.0;
    for (int c = 0; c < 12; c++) mean += f->chroma[c] / 12.0;
    for (int c = 0; c < 12; c++) spread += (f->chroma[c] - mean) * (f->chroma[c] - mean) / 12.0;
    double uneven = mean > 0.0 ? sqrt(spread) / mean : 0.0;
    for (int key = 0; key < KEYS; key++) {
        double r = correlation(f->chroma, key);
        if (r > best) {
            best = r;
            v->key = key;
        }
        v->score[key] = exp(SHARPNESS * r);
        sum += v->score[key];
    }
    for (int key = 0; key < KEYS; key++) v->score[key] /= sum;
    v->tonal = f->frames > 0.0 ? 1.0 / (1.0 + exp(-(TONAL_BIAS + TONAL_FIT * best + TONAL_UNEVEN * uneven))) : 0.0;
    v->confidence = v->tonal >= 0.5 ? v->tonal * v->score[v->key] : 1.0 - v->tonal;
}

static void write_list(const sonde_writer_t *w, const char *key) {
    w->begin_array(w, key);
    w->end_array(w);
}

static void write_verdict(const sonde_writer_t *w, const struct verdict *v, double duration) {
    bool tonal = v->tonal >= 0.5;
    sonde_write_text(w, "key", tonal ? names_key(v->key) : NULL);
    sonde_write_text(w, "tonic", tonal ? names_tonic(v->key) : NULL);
    w->string(w, "mode", !tonal ? "none" : v->key < 12 ? "major" : "minor");
    w->number(w, "key_confidence", v->confidence);
    w->number(w, "tonal", v->tonal);
    w->begin_array(w, "candidates");
    if (tonal) {
        w->begin_object(w, NULL);
        w->string(w, "key", names_key(v->key));
        w->number(w, "strength", v->tonal * v->score[v->key]);
        w->end_object(w);
    }
    w->end_array(w);
    sonde_write_doubles(w, "scores", v->score, KEYS);
    sonde_write_text(w, "camelot", tonal ? names_camelot(v->key) : NULL);
    sonde_write_text(w, "open_key", tonal ? names_open_key(v->key) : NULL);
    w->begin_array(w, "scale");
    for (int degree = 0; tonal && degree < 7; degree++) w->string(w, NULL, names_scale(v->key, degree));
    w->end_array(w);
    w->null(w, "tuning_cents");
    w->null(w, "tuning_hz");
    w->number(w, "tuning_clarity", 0.0);
    w->begin_array(w, "keys");
    if (tonal) {
        sonde_write_span(w, 0.0, duration);
        w->string(w, "key", names_key(v->key));
        w->number(w, "strength", v->score[v->key]);
        w->end_object(w);
    }
    w->end_array(w);
    w->integer(w, "key_changes", 0);
    write_list(w, "chords");
    w->null(w, "chord");
}

/* ----------------------------------------------------------------------------------------------------- the instance */

static int32_t fallback_begin(void *state, const sonde_region_t *region, const sonde_inputs_t *others) {
    struct fallback *f = state;
    (void)others;
    memset(f->chroma, 0, sizeof f->chroma);
    f->frames = 0.0;
    f->duration = region->duration;
    return SONDE_OK;
}

/* Each frame counts the same, however loud. */
static void frame_add(struct fallback *f, const float *power) {
    double chroma[12] = {0}, sum = 0.0;
    for (int k = FIRST_BIN; k <= LAST_BIN; k++) {
        double m = sqrt((double)(power[k] < 1e9f ? power[k] : 1e9f));
        chroma[f->class_of[k]] += m;
        sum += m;
    }
    if (sum < 1e-4) return;
    for (int c = 0; c < 12; c++) f->chroma[c] += chroma[c] / sum;
    f->frames += 1.0;
}

static int32_t fallback_process(void *state, const sonde_block_t *block) {
    for (uint32_t i = 0; i < block->frames; i++) frame_add(state, block->spectra + (size_t)i * block->stride);
    return SONDE_OK;
}

static int32_t fallback_finish(void *state, const sonde_inputs_t *others, const sonde_writer_t *out) {
    struct fallback *f = state;
    (void)others;
    struct verdict verdict = {0};
    judge(f, &verdict);
    write_verdict(out, &verdict, f->duration);
    return out->status(out);
}

static int32_t fallback_open(void *state, const sonde_host_t *host, const sonde_param_value_t *values) {
    struct fallback *f = state;
    (void)host;
    (void)values;
    for (int k = FIRST_BIN; k <= LAST_BIN; k++)
        f->class_of[k] = (uint8_t)(lround(69.0 + 12.0 * log2((double)k * RATE / WINDOW / 440.0)) % 12);
    return SONDE_OK;
}

static const sonde_frame_t plugins[] = {{.descriptor = &descriptor,
                                         .size = sizeof(struct fallback),
                                         .open = fallback_open,
                                         .begin = fallback_begin,
                                         .process = fallback_process,
                                         .finish = fallback_finish}};
SONDE_LIBRARY(plugins)
