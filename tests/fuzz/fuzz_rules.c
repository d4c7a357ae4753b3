/* Fuzzes the summary: the first line is a schema with summary rules, each further one a region's result. */
#include "engine/base/json.h"
#include "engine/base/schema.h"
#include "engine/catalogue/rules.h"

#include <stdint.h>
#include <stdlib.h>
#include <string.h>

int LLVMFuzzerTestOneInput(const uint8_t *data, size_t n);

enum { REGIONS = 6 };

int LLVMFuzzerTestOneInput(const uint8_t *data, size_t n) {
    const uint8_t *split = n ? memchr(data, '\n', n) : NULL;
    if (!split) return 0;
    struct schema *schema = schema_compile((const char *)data, (size_t)(split - data), NULL);
    if (!schema) return 0;
    cJSON *results[REGIONS];
    size_t count = 0;
    for (const uint8_t *at = split + 1, *end = data + n; at < end && count < REGIONS;) {
        const uint8_t *stop = memchr(at, '\n', (size_t)(end - at));
        size_t length = (size_t)((stop ? stop : end) - at);
        cJSON *result = json_parse((const char *)at, length, RESULT_MAX_BYTES, RESULT_MAX_DEPTH, NULL);
        if (result && schema_check(schema, result, NULL)) { /* what the engine stores has passed this */
            results[count++] = result;
        } else {
            cJSON_Delete(result);
        }
        at = stop ? stop + 1 : end;
    }
    size_t room = RULES_MAX_BYTES;
    for (size_t i = 0; i < schema_summary_count(schema); i++) {
        struct error error = {0};
        double confidence = 0;
        struct rules_sum *sum = rules_begin(schema_summary_at(schema, i), &room);
        bool fine = sum != NULL;
        for (size_t k = 0; k < count && fine; k++) fine = rules_add(sum, 0.1 + (double)k, results[k]);
        if (fine) cJSON_Delete(rules_end(sum, &confidence, &error));
        rules_free(sum);
    }
    for (size_t i = 0; i < count; i++) cJSON_Delete(results[i]);
    schema_free(schema);
    return 0;
}
