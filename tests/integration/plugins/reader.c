/* A plugin for tests of what crosses from one process to another: it reads key/1's JSON and an array of it, and passes on half
 * of each value in an array of its own, which second.c reads. Built in several versions:
 *
 *     VERSION     a number; part of each result
 *     ROUNDS      how long finish works, in thousands of steps
 *     WRITES      writes to the array that it may only read */
#include "sonde/frame.h"

#define TEXT2(x) #x
#define TEXT(x)  TEXT2(x)

#ifndef ROUNDS
#define ROUNDS 0
#endif

static int32_t finish(void *state, const sonde_inputs_t *others, const sonde_writer_t *out) {
    sonde_array_view_t view = {.struct_size = sizeof view};
    uint64_t length = 0;
    volatile double work = 1;
    (void)state;
    for (long i = 0; i < ROUNDS * 1000L; i++) work = work * 0.999 + 0.001;
    const char *json = others->json(others, "key", &length);
    if (!json || json[0] != '{' || json[length] != '\0') {
        out->fail(out, "no JSON came");
        return SONDE_FAILED;
    }
    out->integer(out, "version", VERSION);
    out->integer(out, "json_bytes", (int64_t)length);
    if (others->array(others, "key", "chroma", &view) != SONDE_OK) return out->status(out);
    size_t n = (size_t)(view.shape[0] * view.shape[1]);
    const float *values = view.data;
#ifdef WRITES
    ((float *)(uintptr_t)values)[n / 2] = 1;
#endif
    double sum = 0;
    float *halves = malloc((n + 1) * sizeof *halves);
    if (!halves) return SONDE_NO_MEMORY;
    for (size_t i = 0; i < n; i++) {
        sum += values[i];
        halves[i] = values[i] / 2;
    }
    out->number(out, "sum", sum);
    out->array(out, "halves", halves, view.shape, view.hop, view.start);
    free(halves);
    return out->status(out);
}

static const sonde_interface_t provides[] = {{sizeof(sonde_interface_t), 1, "test.halves"}};
static const sonde_need_t needs[] = {{.struct_size = sizeof(sonde_need_t),
                                      .major = 1,
                                      .id = "key",
                                      .necessity = SONDE_NEED_REQUIRED,
                                      .when = SONDE_NEED_AT_FINISH}};
static const sonde_array_info_t arrays[] = {{.struct_size = sizeof(sonde_array_info_t),
                                             .dtype = SONDE_F32,
                                             .name = "halves",
                                             .unit = "1",
                                             .description = "Time by pitch class: half of key's chroma.",
                                             .dimensions = 2}};

static const sonde_descriptor_t descriptor = {
    .struct_size = sizeof descriptor,
    .flags = SONDE_FLAG_DETERMINISTIC,
    .id = "test.reader",
    .name = "Reader",
    .vendor = "sonde's tests",
    .version = TEXT(VERSION) ".0",
    .licence = "MIT",
    .description = "Reads key and halves its chroma.",
    .schema =
        "{\"type\":\"object\",\"required\":[\"version\",\"json_bytes\"],\"properties\":{"
        "\"version\":{\"type\":\"integer\",\"x-unit\":\"1\"},\"json_bytes\":{\"type\":\"integer\",\"x-unit\":\"count\"},"
        "\"sum\":{\"type\":\"number\",\"x-unit\":\"1\"}}}",
    .provides = provides,
    .provides_count = 1,
    .needs = needs,
    .needs_count = 1,
    .arrays = arrays,
    .arrays_count = 1,
};

static const sonde_frame_t plugins[] = {{.descriptor = &descriptor, .size = 1, .finish = finish}};
SONDE_LIBRARY(plugins)
