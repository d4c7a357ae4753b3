/* Fuzzes schemas (as a plugin declares them), and results against them: the input is a schema, a line break, a result. */
#include "engine/base/json.h"
#include "engine/base/schema.h"

#include <math.h>
#include <stdint.h>
#include <stdlib.h>
#include <string.h>

int LLVMFuzzerTestOneInput(const uint8_t *data, size_t n);

int LLVMFuzzerTestOneInput(const uint8_t *data, size_t n) {
    const uint8_t *split = n ? memchr(data, '\n', n) : NULL;
    size_t schema_length = split ? (size_t)(split - data) : n;
    struct error error = {0};
    struct schema *schema = schema_compile((const char *)data, schema_length, &error);
    if (!schema) {
        if (error.text[0] == '\0') abort();
        return 0;
    }
    for (size_t i = 0; i < schema_summary_count(schema); i++)
        if (!schema_summary_at(schema, i)->as) abort();
    cJSON *result = split ? json_parse((const char *)split + 1, n - schema_length - 1, RESULT_MAX_BYTES,
                                       RESULT_MAX_DEPTH, &error)
                          : NULL;
    if (result && schema_check(schema, result, &error) && schema_check_instants(schema, result, 10.0, &error))
        schema_shift_instants(schema, result, 10.0, 100.0);
    cJSON_Delete(result);
    schema_free(schema);
    return 0;
}
