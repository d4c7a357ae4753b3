/* SPDX-License-Identifier: MIT
 *
 * The plugin: tones of the long spectrum -> tuning -> notes -> chroma -> chords and key. Every field is defined in
 * schema/results/key.json. */
#include "chords.h"
#include "key_schema.h"
#include "music.h"
#include "names.h"
#include "tonality.h"
#include "tones.h"

#include "sonde/frame.h"

#include <math.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

#define SPANS      300  /* most key changes that are told */
#define TUNED_FROM 0.06 /* clarity from which a tuning means something */

struct key {
    struct tones *tones;
    double duration;
};

/* What finish works on. */
struct sheet {
    struct music music;
    struct tonality tonality;
};

static const sonde_input_t inputs[] = {
    {.struct_size = sizeof(sonde_input_t),
     .kind = SONDE_INPUT_SPECTRUM,
     .channels = SONDE_CHANNELS_MID,
     .rate = TONES_RATE,
     .window = TONES_WINDOW,
     .hop = TONES_HOP,
     .form = SONDE_SPECTRUM_POWER},
};

static const sonde_array_info_t arrays[] = {
    {.struct_size = sizeof(sonde_array_info_t),
     .dtype = SONDE_F32,
     .name = "chroma",
     .unit = "ratio",
     .description = "Time by pitch class C to B: share of the notes above E2, harmonics and tuning accounted for.",
     .dimensions = 2},
    {.struct_size = sizeof(sonde_array_info_t),
     .dtype = SONDE_F32,
     .name = "bass_chroma",
     .unit = "ratio",
     .description = "Time by pitch class C to B: the same of the notes below C4.",
     .dimensions = 2},
};

static const sonde_interface_t provides[] = {{sizeof(sonde_interface_t), 1, "key"}};

static const sonde_descriptor_t descriptor = {
    .struct_size = sizeof(sonde_descriptor_t),
    .flags = SONDE_FLAG_DETERMINISTIC,
    .id = "key",
    .name = "Key and chords",
    .vendor = "sonde",
    .version = "1.0.3",
    .licence = "MIT",
    .description = "Key and its changes, tuning, and the sequence of chords.",
    .schema = key_schema,
    .provides = provides,
    .provides_count = 1,
    .inputs = inputs,
    .inputs_count = sizeof inputs / sizeof *inputs,
    .arrays = arrays,
    .arrays_count = sizeof arrays / sizeof *arrays,
};

/* --------------------------------------------------------------------------------------------------------- analysis */

/* false: no memory. */
static bool sheet_make(const struct tones *tones, struct sheet *s) {
    struct tonality_view view;
    if (!music_make(tones, &s->music)) return false;
    tonality_view_whole(&s->music, &view);
    tonality_judge(&s->music, &view, &s->tonality);
    return true;
}

/* ---------------------------------------------------------------------------------------------------------- writing */

static void write_candidates(const sonde_writer_t *w, const struct tonality *t, bool tonal) {
    bool told[KEYS] = {false};
    w->begin_array(w, "candidates");
    for (int rank = 0; tonal && rank < 5; rank++) {
        int best = -1;
        for (int key = 0; key < KEYS; key++)
            if (!told[key] && (best < 0 || t->score[key] > t->score[best])) best = key;
        told[best] = true;
        w->begin_object(w, NULL);
        w->string(w, "key", names_key(best));
        w->number(w, "strength", t->tonal * t->score[best]);
        w->end_object(w);
    }
    w->end_array(w);
    sonde_write_doubles(w, "scores", t->score, KEYS);
}

static void write_key(const sonde_writer_t *w, const struct tonality *t, bool tonal) {
    int key = t->key;
    sonde_write_text(w, "key", tonal ? names_key(key) : NULL);
    sonde_write_text(w, "tonic", tonal ? names_tonic(key) : NULL);
    w->string(w, "mode", !tonal ? "none" : key < 12 ? "major" : "minor");
    w->number(w, "key_confidence", t->confidence);
    w->number(w, "tonal", t->tonal);
    write_candidates(w, t, tonal);
    sonde_write_text(w, "camelot", tonal ? names_camelot(key) : NULL);
    sonde_write_text(w, "open_key", tonal ? names_open_key(key) : NULL);
    w->begin_array(w, "scale");
    for (int degree = 0; tonal && degree < 7; degree++) w->string(w, NULL, names_scale(key, degree));
    w->end_array(w);
}

static void write_tuning(const sonde_writer_t *w, const struct notes_tuning *t) {
    if (t->clarity >= TUNED_FROM) {
        w->number(w, "tuning_cents", t->cents);
        w->number(w, "tuning_hz", 440.0 * exp2(t->cents / 1200.0));
    } else {
        w->null(w, "tuning_cents");
        w->null(w, "tuning_hz");
    }
    w->number(w, "tuning_clarity", fmin(1.0, t->clarity));
}

static double frame_time(size_t frame, double duration) {
    return fmin(duration, (double)frame * MUSIC_FRAME_SECONDS);
}

/* Frames are centred on their time, so a change between two lies half a frame before the second. */
static double boundary_time(size_t frame, size_t frames, double duration) {
    if (frame == 0) return 0.0;
    return frame >= frames ? duration : fmin(duration, frame_time(frame, duration) - MUSIC_FRAME_SECONDS / 2.0);
}

static bool write_keys(const sonde_writer_t *w, const struct sheet *s, double duration, bool tonal) {
    struct key_span *spans = calloc(SPANS, sizeof *spans);
    if (!spans) return false;
    size_t n = 0;
    if (tonal) n = tonality_follow(&s->music, s->tonality.score, spans, SPANS);
    w->begin_array(w, "keys");
    for (size_t i = 0; i < n; i++) {
        sonde_write_span(w, boundary_time(spans[i].from, s->music.frames, duration),
                         boundary_time(spans[i].to, s->music.frames, duration));
        w->string(w, "key", names_key(spans[i].key));
        w->number(w, "strength", fmin(1.0, spans[i].strength));
        w->end_object(w);
    }
    w->end_array(w);
    w->integer(w, "key_changes", n > 0 ? (int64_t)n - 1 : 0);
    free(spans);
    return true;
}

static void chord_name(const struct chord *c, char *name, size_t size) {
    if (c->root == CHORD_NONE)
        snprintf(name, size, "N");
    else
        snprintf(name, size, "%s:%s", names_root(c->root), chords_quality(c->quality));
}

static void write_chords(const sonde_writer_t *w, const struct sheet *s, double duration, bool tonal) {
    char name[16];
    size_t length[12 * CHORD_QUALITIES] = {0};
    int longest = -1;
    w->begin_array(w, "chords");
    for (size_t i = 0; tonal && i < s->music.chords; i++) {
        const struct chord *c = &s->music.chord[i];
        bool none = c->root == CHORD_NONE;
        chord_name(c, name, sizeof name);
        sonde_write_span(w, boundary_time(c->from, s->music.frames, duration),
                         boundary_time(c->to, s->music.frames, duration));
        w->string(w, "chord", name);
        sonde_write_text(w, "root", none ? NULL : names_root(c->root));
        w->string(w, "quality", none ? "N" : chords_quality(c->quality));
        w->number(w, "fit", none ? 0.0 : (double)c->fit);
        w->end_object(w);
        if (none) continue;
        int id = c->quality * 12 + c->root;
        length[id] += c->to - c->from;
        if (longest < 0 || length[id] > length[longest]) longest = id;
    }
    w->end_array(w);
    struct chord most = {.root = longest % 12, .quality = longest / 12};
    if (longest >= 0) chord_name(&most, name, sizeof name);
    sonde_write_text(w, "chord", longest >= 0 ? name : NULL);
}

static int32_t key_write(const struct key *k, const sonde_writer_t *w) {
    struct sheet s = {0};
    int32_t outcome = SONDE_NO_MEMORY;
    if (sheet_make(k->tones, &s)) {
        bool tonal = s.tonality.tonal >= 0.5;
        write_key(w, &s.tonality, tonal);
        write_tuning(w, &s.music.tuning);
        bool told = write_keys(w, &s, k->duration, tonal);
        write_chords(w, &s, k->duration, tonal);
        uint64_t shape[2] = {s.music.frames, 12};
        if (s.music.frames > 0) {
            w->array(w, "chroma", s.music.treble, shape, MUSIC_FRAME_SECONDS, 0.0);
            w->array(w, "bass_chroma", s.music.bass, shape, MUSIC_FRAME_SECONDS, 0.0);
        }
        outcome = told ? w->status(w) : SONDE_NO_MEMORY;
    }
    music_free(&s.music);
    return outcome;
}

/* ----------------------------------------------------------------------------------------------------- the instance */

static int32_t key_begin(void *state, const sonde_region_t *region, const sonde_inputs_t *others) {
    struct key *k = state;
    (void)others;
    k->duration = region->duration;
    k->tones = tones_new((size_t)ceil(region->duration / MUSIC_FRAME_SECONDS) + 2);
    return k->tones ? SONDE_OK : SONDE_NO_MEMORY;
}

static int32_t key_process(void *state, const sonde_block_t *block) {
    struct key *k = state;
    tones_add(k->tones, block->spectra, block->stride, block->frames);
    return SONDE_OK;
}

static int32_t key_finish(void *state, const sonde_inputs_t *others, const sonde_writer_t *out) {
    (void)others;
    return key_write(state, out);
}

static void key_clear(void *state) {
    struct key *k = state;
    tones_free(k->tones);
    k->tones = NULL;
}

static const sonde_frame_t plugins[] = {{.descriptor = &descriptor,
                                         .size = sizeof(struct key),
                                         .begin = key_begin,
                                         .process = key_process,
                                         .finish = key_finish,
                                         .clear = key_clear}};
SONDE_LIBRARY(plugins)
