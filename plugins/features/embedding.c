#include "embedding.h"

#include <cjson/cJSON.h>
#include <stdio.h>
#include <string.h>

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
        result = 0;
    }
    cJSON_Delete(root);
    return result;
}

int embedding_read(struct embedding *embedding, const sonde_inputs_t *inputs, uint64_t parent, char *error, size_t n) {
    memset(embedding, 0, sizeof *embedding);
    if (check_network(embedding, inputs, parent, error, n) != 0) return -1;
    sonde_array_view_t values = {.struct_size = sizeof values}, level = {.struct_size = sizeof level};
    if (inputs->array(inputs, "features", "embedding", &values) != SONDE_OK ||
        inputs->array(inputs, "features", "embedding_level", &level) != SONDE_OK) {
        snprintf(error, n, "features/1 has no array \"embedding\" or \"embedding_level\"");
        return -1;
    }
    if (values.dtype != SONDE_F32 || values.dimensions != 2 || values.shape[1] != EMBEDDING_DIMENSIONS ||
        level.dtype != SONDE_F32 || level.dimensions != 1 || level.shape[0] != values.shape[0] ||
        values.shape[0] > 1u << 20 || !(values.hop > 0)) {
        snprintf(error, n,
                 "the arrays \"embedding\" and \"embedding_level\" of features/1 are not frames x %u and frames",
                 EMBEDDING_DIMENSIONS);
        return -1;
    }
    embedding->count = (uint32_t)values.shape[0];
    embedding->hop = values.hop;
    embedding->values = values.data;
    embedding->level = level.data;
    return 0;
}
