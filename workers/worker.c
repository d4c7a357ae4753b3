#include "workers/worker.h"

#include "engine/base/json.h"
#include "engine/ipc/line.h"
#include "engine/ipc/message.h"
#include "workers/sandbox/sandbox.h"

#include <errno.h>
#include <stdio.h>
#include <string.h>
#include <unistd.h>

#define DESCRIPTOR_WAIT_MS 10000

/* ------------------------------------------------------------------------------------------------- what roles use */

static cJSON *receive(struct worker *worker, int timeout_ms, bool *leave) {
    struct error error;
    cJSON *message = line_receive(worker->line, timeout_ms, &error);
    *leave = !message && error.code != ETIMEDOUT;
    if (message && strcmp(json_string(message, "type", ""), "quit") == 0) {
        cJSON_Delete(message);
        *leave = true;
        return NULL;
    }
    if (*leave && error.code != EPIPE) fprintf(stderr, "sonde-worker: %s\n", error.text);
    return message;
}

cJSON *worker_receive(struct worker *worker) {
    bool leave;
    return receive(worker, -1, &leave);
}

cJSON *worker_poll(struct worker *worker, bool *leave) {
    return receive(worker, 0, leave);
}

bool worker_send(struct worker *worker, cJSON *message, struct error *error) {
    if (!message) {
        error_memory(error);
        return false;
    }
    bool sent = line_send(worker->line, message, error);
    cJSON_Delete(message);
    return sent;
}

bool worker_receive_descriptor(struct worker *worker, struct descriptor *out, struct error *error) {
    return descriptors_receive(worker->descriptor_socket, DESCRIPTOR_WAIT_MS, out, error);
}

void worker_note_phase(struct worker *worker, uint64_t job, const char *plugin, enum note_phase phase) {
    note_set(worker->note, job, plugin, phase);
}

bool worker_lock_down(struct worker *worker, struct error *error) {
    note_set(worker->note, 0, NULL, NOTE_NONE);
    return sandbox_stage_two(worker->sandbox, error);
}

static bool send_with_sandbox(struct worker *worker, cJSON *message, struct error *error) {
    cJSON *sandbox = sandbox_describe(worker->sandbox);
    if (!message || !sandbox || !cJSON_AddItemToObject(message, "sandbox", sandbox)) {
        cJSON_Delete(sandbox);
        cJSON_Delete(message);
        return error_memory(error);
    }
    return worker_send(worker, message, error);
}

bool worker_send_ready(struct worker *worker, cJSON *decoders, struct error *error) {
    cJSON *ready = message_new("ready");
    if (decoders && !(ready && cJSON_AddItemToObject(ready, "decoders", decoders))) {
        cJSON_Delete(decoders);
        cJSON_Delete(ready);
        return error_memory(error);
    }
    return send_with_sandbox(worker, ready, error);
}

bool worker_send_hello(struct worker *worker, struct error *error) {
    static const char *const roles[] = {"decode", "analyse", "probe"};
    cJSON *hello = message_new("hello");
    if (hello && cJSON_AddNumberToObject(hello, "protocol", MESSAGE_PROTOCOL) &&
        cJSON_AddStringToObject(hello, "build", SONDE_VERSION) && cJSON_AddStringToObject(hello, "dsp", WORKER_DSP) &&
        cJSON_AddStringToObject(hello, "role", roles[worker->role]) &&
        cJSON_AddNumberToObject(hello, "pid", (double)getpid()))
        return send_with_sandbox(worker, hello, error);
    cJSON_Delete(hello);
    return error_memory(error);
}
