#include "embedding_rig.h"

#include "engine/base/schema.h"

#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdint.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <unistd.h>

#include <cmocka.h>

enum { RATE = 1000 };

void embedding_rig_open(struct embedding_rig *rig, const char *name, const struct embedding_rig_file *files,
                        size_t count, const char *settings) {
    *rig = (struct embedding_rig){0};
    struct error error = {0};
    char library[500];
    cJSON *values = settings ? cJSON_Parse(settings) : NULL;
    snprintf(rig->folder, sizeof rig->folder, "/tmp/sonde-rig-XXXXXX");
    assert_non_null(mkdtemp(rig->folder));
    assert_true(count <= 2);
    for (size_t i = 0; i < count; i++) {
        snprintf(rig->files[i], sizeof rig->files[i], "%s/%s", rig->folder, files[i].name);
        FILE *file = fopen(rig->files[i], "wb");
        assert_non_null(file);
        assert_int_equal(fwrite(files[i].bytes, 1, files[i].size, file), files[i].size);
        assert_int_equal(fclose(file), 0);
    }
    const struct host_hooks hooks = {0};
    rig->host = host_new(&hooks, &error);
    assert_non_null(rig->host);
    snprintf(library, sizeof library, "%s/%s/%s.so", getenv("SONDE_PLUGIN_DIR"), name, name);
    if (!host_load(rig->host, library, rig->folder, NULL, values, &error)) fail_msg("%s: %s", library, error.text);
    cJSON_Delete(values);
    host_create(rig->host);
    rig->plugin = host_plugin_find(rig->host, name);
    assert_non_null(rig->plugin);
    assert_non_null(rig->plugin->instance);
}

static void drop(struct embedding_rig *rig) {
    free(rig->values);
    free(rig->scene);
    free(rig->timbre);
    free(rig->level);
    rig->values = rig->timbre = rig->level = NULL;
    rig->scene = NULL;
}

/* `width` zeros a step, 64-byte aligned, as the array `name` of the rig's input. */
static void *array_of(struct host_input_array *array, const char *name, uint32_t dtype, uint32_t count,
                      uint32_t width) {
    const size_t size = dtype == SONDE_U8 ? 1 : sizeof(float), bytes = (size * (count + 1) * width + 63) / 64 * 64;
    void *values = aligned_alloc(64, bytes);
    assert_non_null(values);
    memset(values, 0, bytes);
    *array = (struct host_input_array){.name = name,
                                       .unit = "1",
                                       .dtype = dtype,
                                       .dimensions = width == 1 ? 1 : 2,
                                       .shape = {count, width},
                                       .hop = EMBEDDING_RIG_HOP,
                                       .data = values};
    return values;
}

void embedding_rig_close(struct embedding_rig *rig) {
    cJSON_Delete(rig->json);
    host_free(rig->host);
    drop(rig);
    unlink(rig->files[0]);
    unlink(rig->files[1]);
    rmdir(rig->folder);
}

void embedding_rig_fill(struct embedding_rig *rig, uint32_t count) {
    drop(rig);
    rig->values = array_of(&rig->arrays[0], "embedding", SONDE_F32, count, EMBEDDING_RIG_D);
    rig->scene = array_of(&rig->arrays[1], "scene", SONDE_U8, count, EMBEDDING_RIG_D);
    rig->timbre = array_of(&rig->arrays[2], "timbre", SONDE_F32, count, EMBEDDING_RIG_TIMBRE);
    rig->level = array_of(&rig->arrays[3], "embedding_level", SONDE_F32, count, 1);
    for (uint32_t i = 0; i < count; i++) rig->level[i] = -20;
    rig->features = (struct host_input){.interface = "features",
                                        .major = 1,
                                        .provider = "features",
                                        .outcome = "ok",
                                        .json = EMBEDDING_RIG_FEATURES,
                                        .json_length = strlen(EMBEDDING_RIG_FEATURES),
                                        .arrays = rig->arrays,
                                        .arrays_count = 4};
    const double duration = count > 0 ? count * EMBEDDING_RIG_HOP : 0.1;
    rig->region = (sonde_region_t){.struct_size = sizeof rig->region,
                                   .regions = 1,
                                   .parts = 1,
                                   .rate = RATE,
                                   .channels = 1,
                                   .frames = (int64_t)(duration * RATE + .5),
                                   .duration = duration,
                                   .sound_end = duration,
                                   .file_frames = (int64_t)(duration * RATE + .5),
                                   .file_duration = duration};
}

const struct host_result *embedding_rig_run(struct embedding_rig *rig, const struct host_input *inputs, size_t count) {
    static const float silence[4096];
    struct error error = {0};
    cJSON_Delete(rig->json);
    rig->json = NULL;
    host_region_end(rig->host);
    if (!host_region_begin(rig->host, &rig->region, &rig->plugin, 1, inputs, count, 0, &error))
        fail_msg("%s", error.text);
    for (int64_t left = rig->region.frames; left > 0; left -= 4096) {
        const float *plane = silence;
        host_region_feed(rig->host, &plane, left < 4096 ? (size_t)left : 4096);
    }
    host_region_finish(rig->host);
    const struct host_result *result = host_result(rig->host, 0);
    if (result->outcome == HOST_OK) {
        rig->json = cJSON_ParseWithLength(result->json, result->json_length);
        assert_non_null(rig->json);
        if (!schema_check(rig->plugin->schema, rig->json, &error) ||
            !schema_check_instants(rig->plugin->schema, rig->json, rig->region.duration, &error))
            fail_msg("%s: %s", error.text, result->json);
    }
    return result;
}
