/* Fuzzes what the engine makes of a worker's message: parse, look at its members, print, parse again. */
#include "engine/base/json.h"
#include "engine/ipc/message.h"

#include <stdlib.h>
#include <string.h>

int LLVMFuzzerTestOneInput(const uint8_t *data, size_t n);

int LLVMFuzzerTestOneInput(const uint8_t *data, size_t n) {
    struct error error = {0};
    cJSON *message = message_parse(data, n, MESSAGE_FROM_WORKER, &error);
    if (!message) {
        if (error.text[0] == '\0') abort(); /* refused without a word */
        return 0;
    }
    static const char *const members[] = {"type", "job", "nonce", "plugin", "outcome", "serial", "frames", "json"};
    for (size_t i = 0; i < sizeof members / sizeof *members; i++) {
        (void)json_string(message, members[i], "");
        (void)json_integer(message, members[i], 0);
        (void)json_number(message, members[i], 0);
    }
    size_t length;
    char *text = message_print(message, MESSAGE_FROM_WORKER * 8, &length, &error);
    if (!text) abort();
    cJSON *again = message_parse(text, length, MESSAGE_FROM_WORKER * 8, &error);
    if (!again) abort(); /* what we write we must be able to read */
    cJSON_Delete(again);
    cJSON_free(text);
    cJSON_Delete(message);
    return 0;
}
