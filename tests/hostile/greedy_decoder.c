/* A decoder that a file has taken over: it asks for the memory that is on its way to it again and again, for ever. Stands in for
 * `sonde-worker decode URL SETTINGS`. */
#include "engine/base/json.h"
#include "engine/ipc/line.h"
#include "engine/ipc/message.h"

#include <string.h>

static bool say(struct line *line, cJSON *message) {
    bool said = message && line_send(line, message, NULL);
    cJSON_Delete(message);
    return said;
}

static cJSON *hello(void) {
    cJSON *message = message_new("hello");
    if (message) (void)cJSON_AddNumberToObject(message, "protocol", MESSAGE_PROTOCOL);
    return message;
}

/* Its first two answers are in order. */
static bool ask_for_ever(struct line *line, const cJSON *scan) {
    int64_t job = json_integer(scan, "job", 0), nonce = json_integer(scan, "nonce", 0);
    cJSON *identified = message_new_job("identified", job, nonce);
    if (identified) (void)cJSON_AddStringToObject(identified, "bytes_hash", "0123456789abcdef0123456789abcdef");
    bool well = say(line, identified);
    cJSON_Delete(line_receive(line, -1, NULL)); /* proceed */
    while (well) {
        cJSON *fill = message_new_job("fill", job, nonce);
        if (fill) (void)cJSON_AddNumberToObject(fill, "serial", 0);
        if (fill) (void)cJSON_AddNumberToObject(fill, "bytes", 1000);
        well = say(line, fill);
    }
    return well;
}

int main(int argc, char **argv) {
    struct line *line = argc == 4 ? line_dial(argv[2], NULL) : NULL;
    if (!line || !say(line, hello()) || !say(line, message_new("ready"))) return 1;
    for (cJSON *message; (message = line_receive(line, -1, NULL));) {
        bool scan = strcmp(json_string(message, "type", ""), "scan") == 0;
        if (scan) (void)ask_for_ever(line, message);
        cJSON_Delete(message);
        if (!scan) return 0; /* quit */
    }
    return 0;
}
