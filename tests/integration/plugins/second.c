/* Reads what reader.c passes on: from a plugin of others to a plugin of others, each in its process. */
#include "sonde/frame.h"

static int32_t finish(void *state, const sonde_inputs_t *others, const sonde_writer_t *out) {
    sonde_array_view_t view = {.struct_size = sizeof view};
    double sum = 0;
    (void)state;
    if (others->array(others, "test.halves", "halves", &view) == SONDE_OK)
        for (uint64_t i = 0; i < view.shape[0] * view.shape[1]; i++) sum += ((const float *)view.data)[i];
    out->number(out, "doubled", 2 * sum);
    out->boolean(out, "aligned", view.data && (uintptr_t)view.data % 64 == 0);
    return out->status(out);
}

static const sonde_need_t needs[] = {{.struct_size = sizeof(sonde_need_t),
                                      .major = 1,
                                      .id = "test.halves",
                                      .necessity = SONDE_NEED_REQUIRED,
                                      .when = SONDE_NEED_AT_FINISH}};

static const sonde_descriptor_t descriptor = {
    .struct_size = sizeof descriptor,
    .flags = SONDE_FLAG_DETERMINISTIC,
    .id = "test.second",
    .name = "Second",
    .vendor = "sonde's tests",
    .version = "1.0",
    .licence = "MIT",
    .description = "Doubles the sum of the halves.",
    .schema = "{\"type\":\"object\",\"properties\":{\"doubled\":{\"type\":\"number\",\"x-unit\":\"1\"},"
              "\"aligned\":{\"type\":\"boolean\"}}}",
    .needs = needs,
    .needs_count = 1,
};

static const sonde_frame_t plugins[] = {{.descriptor = &descriptor, .size = 1, .finish = finish}};

#ifdef LARGE
#include <stdlib.h>

/* Refuses to be loaded where there are no 400 MiB. */
static int32_t init_large(const sonde_host_t *host, const char *plugin_dir) {
    void *volatile memory = malloc((size_t)400 << 20);
    if (!memory) host->log(host, SONDE_LOG_ERROR, "400 MiB are needed");
    free(memory);
    return memory ? sonde_frame_init(host, plugin_dir) : SONDE_NO_MEMORY;
}
#define sonde_frame_init init_large
#endif

SONDE_LIBRARY(plugins)
