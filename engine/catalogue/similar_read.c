/* The part of similar.h that needs no database. */
#include "engine/base/json.h"
#include "engine/catalogue/similar.h"

#include <math.h>
#include <stdio.h>

bool similar_read(const cJSON *embedding, struct similar *similar) {
    const cJSON *vector = embedding ? json_member(embedding, "catalogue") : NULL, *value = NULL;
    size_t n = 0;
    double square = 0;
    if (!cJSON_IsArray(vector)) return false;
    cJSON_ArrayForEach(value, vector) {
        if (n == SIMILAR_MAX_DIMENSIONS || !cJSON_IsNumber(value) || !isfinite(value->valuedouble)) return false;
        similar->vector[n++] = (float)value->valuedouble;
        square += value->valuedouble * value->valuedouble;
    }
    if (!(square > 1e-12) || !isfinite(square)) return false;
    for (size_t i = 0; i < n; i++) similar->vector[i] = (float)(similar->vector[i] / sqrt(square));
    similar->dimensions = n;
    snprintf(similar->model, sizeof similar->model, "%.60s %lld %.40s", json_string(embedding, "model", ""),
             (long long)json_integer(embedding, "version", 0), json_string(embedding, "hash", ""));
    return true;
}

double similar_cosine(const struct similar *a, const struct similar *b) {
    double sum = 0;
    for (size_t i = 0; i < a->dimensions; i++) sum += (double)a->vector[i] * (double)b->vector[i];
    return fmin(fmax(sum, -1), 1);
}
