#include "tests/unit/worker_rig.h"

#include "engine/base/json.h"
#include "engine/base/sanitizer.h"
#include "engine/ipc/descriptors.h"
#include "engine/ipc/memfd.h"

#include <setjmp.h>
#include <signal.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <unistd.h>

#include <cmocka.h>

#define PATIENCE_MS 120000 /* for machines that are busy with other work */

static void on_event(void *context, cJSON *message, const struct error *problem) {
    struct rig *rig = context;
    if (!message) {
        rig->problem = *problem;
        return;
    }
    assert_true(rig->count < 64);
    rig->messages[(rig->first + rig->count++) % 64] = message;
}

static void on_exit_of(uv_process_t *process, int64_t code, int signal) {
    struct rig *rig = process->data;
    rig->exited = true;
    rig->exit_code = code;
    rig->signal = signal;
}

static void give_buffer(uv_handle_t *handle, size_t suggested, uv_buf_t *buffer) {
    (void)suggested;
    struct rig *rig = handle->data;
    *buffer = uv_buf_init(rig->text + rig->text_length, (unsigned)(sizeof rig->text - 1 - rig->text_length));
}

static void on_output(uv_stream_t *stream, ssize_t n, const uv_buf_t *buffer) {
    (void)buffer;
    struct rig *rig = stream->data;
    if (n > 0)
        rig->text_length += (size_t)n;
    else if (n < 0)
        uv_read_stop(stream);
    rig->text[rig->text_length] = '\0';
}

static void on_timer(uv_timer_t *timer) {
    ((struct rig *)timer->data)->timed_out = true;
}

void rig_start(struct rig *rig, const char *role, const char *settings, ...) {
    memset(rig, 0, sizeof *rig);
    const char *worker = getenv("SONDE_WORKER");
    assert_non_null(worker);
    struct error error;
    int pair[2];
    if (!run_folder_open(&rig->folder, &error) || !descriptors_pair(pair, &error) || !note_open(&rig->note, &error))
        fail_msg("%s", error.text);
    rig->descriptors = pair[0];
    rig->out_fd = memfd_new_fixed("sonde-out", OUT_BYTES, &error);
    assert_true(rig->out_fd >= 0);
    assert_int_equal(uv_loop_init(&rig->loop), 0);
    rig->channel = channel_open(&rig->loop, rig->folder.path, "1", on_event, rig, &error);
    if (!rig->channel) fail_msg("%s", error.text);
    uv_timer_init(&rig->loop, &rig->timer);
    uv_pipe_init(&rig->loop, &rig->output, 0);
    rig->timer.data = rig->output.data = rig->process.data = rig;

    char more[2048], json[4096];
    va_list list;
    va_start(list, settings);
    vsnprintf(more, sizeof more, settings, list);
    va_end(list);
    snprintf(json, sizeof json, "{\"worker\":1,\"engine_pid\":%d%s%s%s}", (int)getpid(),
             strstr(more, "\"profile\"") ? "" : ",\"profile\":\"full\"", more[0] ? "," : "", more);
    char *arguments[] = {(char *)worker, (char *)role, (char *)channel_url(rig->channel), json, NULL};
    uv_stdio_container_t stdio[6] = {
        {.flags = UV_IGNORE},
        {.flags = UV_IGNORE},
        {.flags = UV_CREATE_PIPE | UV_WRITABLE_PIPE, .data.stream = (uv_stream_t *)&rig->output},
        {.flags = UV_INHERIT_FD, .data.fd = pair[1]},
        {.flags = UV_INHERIT_FD, .data.fd = rig->note.fd},
        {.flags = UV_INHERIT_FD, .data.fd = rig->out_fd},
    };
    uv_process_options_t options = {
        .exit_cb = on_exit_of, .file = worker, .args = arguments, .stdio_count = 6, .stdio = stdio};
    assert_int_equal(uv_spawn(&rig->loop, &rig->process, &options), 0);
    channel_expect(rig->channel, rig->process.pid);
    close(pair[1]);
    uv_read_start((uv_stream_t *)&rig->output, give_buffer, on_output);
}

static void turn_until(struct rig *rig, bool (*done)(const struct rig *)) {
    uv_timer_start(&rig->timer, on_timer, PATIENCE_MS, 0);
    while (!done(rig) && !rig->timed_out) uv_run(&rig->loop, UV_RUN_ONCE);
    uv_timer_stop(&rig->timer);
    if (rig->timed_out) fail_msg("nothing happened in %d ms; the worker printed: %s", PATIENCE_MS, rig->text);
}

static bool has_message_or_end(const struct rig *rig) {
    return rig->count > 0 || (rig->exited && rig->problem.code != 0);
}

static bool has_exited(const struct rig *rig) {
    return rig->exited;
}

cJSON *rig_receive(struct rig *rig, const char *type) {
    /* A worker that ends before it connects gives no word on the channel. */
    if (rig->exited && rig->count == 0)
        uv_run(&rig->loop, UV_RUN_NOWAIT);
    else
        turn_until(rig, has_message_or_end);
    if (rig->count == 0) return NULL;
    cJSON *message = rig->messages[rig->first];
    rig->first = (rig->first + 1) % 64;
    rig->count--;
    if (type) assert_string_equal(json_string(message, "type", ""), type);
    return message;
}

void rig_send(struct rig *rig, const char *format, ...) {
    char text[2048];
    va_list list;
    va_start(list, format);
    vsnprintf(text, sizeof text, format, list);
    va_end(list);
    cJSON *message = cJSON_Parse(text);
    struct error error;
    assert_non_null(message);
    if (!channel_send(rig->channel, message, &error)) fail_msg("%s", error.text);
    cJSON_Delete(message);
}

long rig_data(const struct rig *rig) {
    char path[64];
    long size = 0, resident = 0, shared = 0;
    snprintf(path, sizeof path, "/proc/%d/statm", rig->process.pid);
    FILE *file = fopen(path, "r");
    assert_non_null(file);
    assert_int_equal(fscanf(file, "%ld %ld %ld", &size, &resident, &shared), 3);
    fclose(file);
    return (resident - shared) * sysconf(_SC_PAGESIZE);
}

void rig_expect_flat(const struct rig *rig, long before) {
    long grown = rig_data(rig) - before;
    if (!SANITIZED && grown > 4 << 20) fail_msg("the worker took %ld bytes and kept them", grown);
}

void rig_wait_exit(struct rig *rig) {
    turn_until(rig, has_exited);
    uv_run(&rig->loop, UV_RUN_NOWAIT); /* what it printed last */
}

void rig_stop(struct rig *rig) {
    if (!rig->exited) uv_process_kill(&rig->process, SIGKILL);
    turn_until(rig, has_exited);
    channel_close(rig->channel);
    uv_close((uv_handle_t *)&rig->process, NULL);
    uv_close((uv_handle_t *)&rig->output, NULL);
    uv_close((uv_handle_t *)&rig->timer, NULL);
    uv_run(&rig->loop, UV_RUN_DEFAULT);
    assert_int_equal(uv_loop_close(&rig->loop), 0);
    while (rig->count > 0) {
        cJSON_Delete(rig->messages[rig->first]);
        rig->first = (rig->first + 1) % 64;
        rig->count--;
    }
    note_close(&rig->note);
    close(rig->out_fd);
    close(rig->descriptors);
    run_folder_close(&rig->folder);
}
