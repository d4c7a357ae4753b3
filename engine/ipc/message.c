#include "engine/ipc/message.h"

#include "engine/base/json.h"

#include <string.h>

cJSON *message_new(const char *type) {
    cJSON *message = cJSON_CreateObject();
    if (message && cJSON_AddStringToObject(message, "type", type)) return message;
    cJSON_Delete(message);
    return NULL;
}

cJSON *message_new_job(const char *type, int64_t job, int64_t nonce) {
    cJSON *message = message_new(type);
    if (message && cJSON_AddNumberToObject(message, "job", (double)job) &&
        cJSON_AddNumberToObject(message, "nonce", (double)nonce))
        return message;
    cJSON_Delete(message);
    return NULL;
}

cJSON *message_parse(const void *bytes, size_t n, size_t max_bytes, struct error *error) {
    cJSON *message = json_parse(bytes, n, max_bytes, MESSAGE_DEPTH, error);
    if (!message) return NULL;
    if (json_string(message, "type", NULL)) return message;
    error_set(error, "a message without a type");
    cJSON_Delete(message);
    return NULL;
}

char *message_print(const cJSON *message, size_t max_bytes, size_t *n, struct error *error) {
    char *text = json_print(message);
    if (!text) {
        error_memory(error);
        return NULL;
    }
    *n = strlen(text);
    if (*n <= max_bytes) return text;
    error_set(error, "a %s message of %zu bytes is longer than the %zu allowed",
              json_string(message, "type", "nameless"), *n, max_bytes);
    cJSON_free(text);
    return NULL;
}
