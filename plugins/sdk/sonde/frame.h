/* SPDX-License-Identifier: MIT
 *
 * sonde/frame.h: what every plugin library in C has in common, so that a plugin is a description and a few functions. It is no
 * part of the ABI: it is compiled into the library, and nobody has to use it. One file of a library includes it.
 *
 *     struct meter { double sum; };                                       the state: zeroed when it is created
 *
 *     static int32_t begin(void *state, const sonde_region_t *region, const sonde_inputs_t *others) ...
 *     static int32_t process(void *state, const sonde_block_t *block) ...
 *     static int32_t finish(void *state, const sonde_inputs_t *others, const sonde_writer_t *out) ...
 *
 *     static const sonde_frame_t plugins[] = {
 *         {.descriptor = &descriptor, .size = sizeof(struct meter), .begin = begin, .process = process, .finish = finish},
 *     };
 *     SONDE_LIBRARY(plugins)
 *
 * In C++, sonde/frame.hpp makes such a table of a class.
 */
#ifndef SONDE_FRAME_H
#define SONDE_FRAME_H

#include "sonde/plugin.h"

#include <stddef.h>
#include <stdlib.h>
#include <string.h>

#ifdef __cplusplus
extern "C" {
#endif

/* One plugin of a library. Members that aren't needed are NULL. Threads, phases and what the returns mean: sonde/plugin.h. */
typedef struct sonde_frame {
    const sonde_descriptor_t *descriptor;
    size_t size; /* of the state, in bytes; aligned like malloc's memory */

    /* In create: read resources and parameters (`values`, in the descriptor's order, valid during the call) and allocate what
     * lasts for all regions. Anything but SONDE_OK: there is no instance; `close` is called. SONDE_UNSUPPORTED refuses `values`. */
    int32_t (*open)(void *state, const sonde_host_t *host, const sonde_param_value_t *values);

    int32_t (*begin)(void *state, const sonde_region_t *region, const sonde_inputs_t *others);
    int32_t (*process)(void *state, const sonde_block_t *block); /* needed when there are inputs */
    int32_t (*finish)(void *state, const sonde_inputs_t *others, const sonde_writer_t *out); /* needed */

    /* The region is over, finished or abandoned: free what it took. */
    void (*clear)(void *state);

    /* The instance is over, or `open` failed: free what `open` took. The state itself is freed by the frame. */
    void (*close)(void *state);
} sonde_frame_t;

/* ------------------------------------------------------------------------------------------------------ the instance */

struct sonde_frame_instance {
    sonde_plugin_t plugin; /* first: the host's pointer is one to the instance */
    const sonde_frame_t *frame;
};

static inline const sonde_frame_t *sonde_frame_of(const sonde_plugin_t *self) {
    return ((const struct sonde_frame_instance *)(const void *)self)->frame;
}

static inline int32_t sonde_frame_begin(sonde_plugin_t *self, const sonde_region_t *region,
                                        const sonde_inputs_t *others) {
    const sonde_frame_t *frame = sonde_frame_of(self);
    return frame->begin ? frame->begin(self->state, region, others) : SONDE_OK;
}

static inline int32_t sonde_frame_process(sonde_plugin_t *self, const sonde_block_t *block) {
    const sonde_frame_t *frame = sonde_frame_of(self);
    return frame->process ? frame->process(self->state, block) : SONDE_OK;
}

static inline void sonde_frame_abandon(sonde_plugin_t *self) {
    const sonde_frame_t *frame = sonde_frame_of(self);
    if (frame->clear) frame->clear(self->state);
}

static inline int32_t sonde_frame_finish(sonde_plugin_t *self, const sonde_inputs_t *others,
                                         const sonde_writer_t *out) {
    int32_t code = sonde_frame_of(self)->finish(self->state, others, out);
    sonde_frame_abandon(self);
    return code;
}

static inline void sonde_frame_destroy(sonde_plugin_t *self) {
    const sonde_frame_t *frame = sonde_frame_of(self);
    if (frame->close) frame->close(self->state);
    free(self);
}

static inline int32_t sonde_frame_create(const sonde_frame_t *frame, const sonde_host_t *host,
                                         const sonde_param_value_t *values, sonde_plugin_t **plugin) {
    const size_t head = (sizeof(struct sonde_frame_instance) + 15) / 16 * 16;
    struct sonde_frame_instance *instance = (struct sonde_frame_instance *)calloc(1, head + frame->size);
    if (!instance) return SONDE_NO_MEMORY;
    sonde_plugin_t *self = &instance->plugin;
    instance->frame = frame;
    self->struct_size = sizeof *self;
    self->state = (char *)instance + head;
    self->begin = sonde_frame_begin;
    self->process = sonde_frame_process;
    self->finish = sonde_frame_finish;
    self->abandon = sonde_frame_abandon;
    self->destroy = sonde_frame_destroy;
    int32_t code = frame->open ? frame->open(self->state, host, values) : SONDE_OK;
    if (code == SONDE_OK)
        *plugin = self;
    else
        sonde_frame_destroy(self);
    return code;
}

/* ------------------------------------------------------------------------------------------------------- the library */

static inline int32_t sonde_frame_init(const sonde_host_t *host, const char *plugin_dir) {
    (void)host;
    (void)plugin_dir;
    return SONDE_OK;
}

static inline void sonde_frame_deinit(void) {}

/* Defines the library's entry. `table`: an array of sonde_frame_t. Stands once in a library, without a semicolon. */
#define SONDE_LIBRARY(table)                                                                                           \
    static uint32_t sonde_frame_count(void) {                                                                          \
        return (uint32_t)(sizeof(table) / sizeof *(table));                                                            \
    }                                                                                                                  \
    static const sonde_descriptor_t *sonde_frame_at(uint32_t index) {                                                  \
        return index < sonde_frame_count() ? (table)[index].descriptor : NULL;                                         \
    }                                                                                                                  \
    static int32_t sonde_frame_create_by_id(const sonde_host_t *host, const char *id,                                  \
                                            const sonde_param_value_t *values, uint32_t count,                         \
                                            sonde_plugin_t **plugin) {                                                 \
        (void)count;                                                                                                   \
        for (uint32_t i = 0; i < sonde_frame_count(); i++)                                                             \
            if (strcmp((table)[i].descriptor->id, id) == 0)                                                            \
                return sonde_frame_create(&(table)[i], host, values, plugin);                                          \
        return SONDE_FAILED;                                                                                           \
    }                                                                                                                  \
    const sonde_entry_t sonde_entry = {sizeof(sonde_entry_t),   SONDE_ABI_MAJOR,    SONDE_ABI_MINOR,   0,              \
                                       sonde_frame_init,        sonde_frame_deinit, sonde_frame_count, sonde_frame_at, \
                                       sonde_frame_create_by_id};

/* ---------------------------------------------------------------------------------------------------------- writing */

/* Text, or null where there is none. */
static inline void sonde_write_text(const sonde_writer_t *w, const char *key, const char *text) {
    if (text)
        w->string(w, key, text);
    else
        w->null(w, key);
}

/* A number, or null where it means nothing. */
static inline void sonde_write_number_if(const sonde_writer_t *w, const char *key, double value, int there) {
    if (there)
        w->number(w, key, value);
    else
        w->null(w, key);
}

/* A JSON array of `count` numbers. (Of floats: w->numbers.) */
static inline void sonde_write_doubles(const sonde_writer_t *w, const char *key, const double *values, size_t count) {
    w->begin_array(w, key);
    for (size_t i = 0; i < count; i++) w->number(w, NULL, values[i]);
    w->end_array(w);
}

/* An object that tells where something begins and ends, in s from the start of the region; open until w->end_object(w), for
 * what else is to be said of it. */
static inline void sonde_write_span(const sonde_writer_t *w, double start, double end) {
    w->begin_object(w, NULL);
    w->number(w, "start", start);
    w->number(w, "end", end);
}

#ifdef __cplusplus
}
#endif
#endif
