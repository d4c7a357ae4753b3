#include "embedding.h"

#include "network.h"

#include <cjson/cJSON.h>
#include <stdio.h>
#include <string.h>

_Static_assert(EMBEDDING_DIMENSIONS == NETWORK_DIMENSIONS && EMBEDDING_STEPS == NETWORK_STEPS,
               "what `features` writes is what its readers expect");

#define OPPOSITE (-.98) /* correlation of two channels of which one is the other turned over */

static int check_network(struct embedding *embedding, const sonde_inputs_t *inputs, uint64_t parent, char *error,
                         size_t n) {
    uint64_t length = 0;
    const char *json = inputs->json(inputs, "features", &length);
    cJSON *root = json ? cJSON_ParseWithLength(json, length) : NULL;
    const cJSON *network = cJSON_GetObjectItemCaseSensitive(root, "embedding");
    const char *model = cJSON_GetStringValue(cJSON_GetObjectItemCaseSensitive(network, "model"));
    const char *hash = cJSON_GetStringValue(cJSON_GetObjectItemCaseSensitive(network, "hash"));
    const cJSON *version = cJSON_GetObjectItemCaseSensitive(network, "version");
    char expected[17];
    snprintf(expected, sizeof expected, "%016llx", (unsigned long long)parent);
    int result = -1;
    const char *reason = cJSON_GetStringValue(cJSON_GetObjectItemCaseSensitive(network, "reason"));
    if (reason != NULL)
        snprintf(error, n, "features/1 has no embedding: %.200s", reason);
    else if (model == NULL || hash == NULL || !cJSON_IsNumber(version))
        snprintf(error, n, "features/1 does not say which network its embedding comes from");
    else if (strcmp(hash, expected) != 0)
        snprintf(error, n,
                 "the embedding of features/1 comes from the network %.16s, the weights here were trained on %s", hash,
                 expected);
    else {
        snprintf(embedding->model, sizeof embedding->model, "%.40s/%d %.16s", model, version->valueint, hash);
        const cJSON *correlation = cJSON_GetObjectItemCaseSensitive(root, "correlation");
        embedding->cancels = cJSON_IsNumber(correlation) && correlation->valuedouble < OPPOSITE;
        result = 0;
    }
    cJSON_Delete(root);
    return result;
}

/* The array `name` of `width` values of `dtype` a step and `count` steps (0: any number). NULL with a sentence. */
static const void *read_array(const sonde_inputs_t *inputs, const char *name, uint32_t dtype, uint32_t width,
                              uint64_t count, sonde_array_view_t *view, char *error, size_t n) {
    *view = (sonde_array_view_t){.struct_size = sizeof *view};
    if (inputs->array(inputs, "features", name, view) != SONDE_OK) {
        snprintf(error, n, "features/1 has no array \"%s\"", name);
        return NULL;
    }
    const int shaped = view->dimensions == 1 ? width == 1 : view->dimensions == 2 && view->shape[1] == width;
    if (view->dtype == dtype && shaped && (count == 0 || view->shape[0] == count)) return view->data;
    snprintf(error, n, "the array \"%s\" of features/1 is not frames x %u, or has other frames than the embedding",
             name, width);
    return NULL;
}

int embedding_read(struct embedding *embedding, const sonde_inputs_t *inputs, uint64_t parent, char *error, size_t n) {
    memset(embedding, 0, sizeof *embedding);
    if (check_network(embedding, inputs, parent, error, n) != 0) return -1;
    sonde_array_view_t view, others;
    embedding->values = read_array(inputs, "embedding", SONDE_F32, EMBEDDING_DIMENSIONS, 0, &view, error, n);
    if (embedding->values == NULL) return -1;
    const uint64_t count = view.shape[0];
    if ((embedding->scene = read_array(inputs, "scene", SONDE_U8, EMBEDDING_DIMENSIONS, count, &others, error, n)) ==
            NULL ||
        (embedding->level = read_array(inputs, "embedding_level", SONDE_F32, 1, count, &others, error, n)) == NULL ||
        (embedding->timbre = read_array(inputs, "timbre", SONDE_F32, TIMBRE_DIMENSIONS, count, &others, error, n)) ==
            NULL)
        return -1;
    if (count > 1u << 20 || !(view.hop > 0)) {
        snprintf(error, n, "the array \"embedding\" of features/1 has too many frames, or no time between them");
        return -1;
    }
    embedding->count = (uint32_t)count;
    embedding->hop = view.hop;
    return 0;
}
