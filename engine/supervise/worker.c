#include "engine/supervise/worker.h"

#include "engine/base/json.h"
#include "engine/base/text.h"
#include "engine/ipc/channel.h"
#include "engine/ipc/memfd.h"
#include "engine/ipc/message.h"

#include <errno.h>
#include <fcntl.h>
#include <signal.h>
#include <stdarg.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/stat.h>
#include <sys/syscall.h>
#include <unistd.h>

#define TICK_MS            100
#define QUIT_SECONDS       2.0
#define CLOSED_SECONDS     2.0 /* a worker that has closed its connection and isn't dead after so long did so on purpose */
#define DRAIN_SECONDS      0.2 /* for what a dead worker had said before */
#define UNKILLABLE_SECONDS 10.0

enum state { STARTING, HELLO_SAID, READY, DYING, GONE };

struct worker {
    struct worker_spec spec;
    cJSON *settings;
    uint64_t number;
    enum state state;
    bool asked, exited, reported, said_hello, was_ready;
    bool connection_lost, stderr_ended;
    enum worker_kill kill;
    char kill_reason[256];

    uv_process_t process;
    uv_pipe_t stderr_pipe;
    uv_timer_t timer;
    unsigned handles; /* not closed yet */
    bool spawned;
    struct channel *channel;
    int pidfd, socket, out;
    struct note_reader note;

    uint64_t started, died_at, quit_at, lost_at; /* uv_hrtime; 0: not yet */
    uint64_t deadline, beat_time;                /* uv_hrtime; deadline 0: none */
    uint64_t beats;                              /* of the note, at beat_time */
    double deadline_seconds, stall_seconds;
    const char *deadline_what;

    int64_t exit_code;
    int signal;
    char words[WORKER_STDERR_BYTES];
    size_t words_length, flood;
    char read_buffer[4096];
};

static uint64_t nanoseconds(double seconds) {
    return (uint64_t)(seconds * 1e9);
}

static bool passed(uint64_t since, double seconds) {
    return since != 0 && uv_hrtime() - since >= nanoseconds(seconds);
}

/* ------------------------------------------------------------------------------------------------------------- the end */

static void free_when_done(struct worker *worker) {
    if (worker->handles > 0 || !worker->reported) return;
    cJSON_Delete(worker->settings);
    free(worker);
}

static void on_closed(uv_handle_t *handle) {
    struct worker *worker = handle->data;
    worker->handles--;
    free_when_done(worker);
}

static void close_handle(uv_handle_t *handle) {
    if (!uv_is_closing(handle)) uv_close(handle, on_closed);
}

static void close_descriptor(int *fd) {
    if (*fd >= 0) close(*fd);
    *fd = -1;
}

/* Gives everything back. Not before the process has ended: closing the channel of a living one can hang (channel.h). */
static void release(struct worker *worker) {
    channel_close(worker->channel);
    worker->channel = NULL;
    close_descriptor(&worker->socket);
    close_descriptor(&worker->out);
    close_descriptor(&worker->pidfd);
    if (worker->note.page) note_close(&worker->note);
    worker->note = (struct note_reader){.fd = -1};
    close_handle((uv_handle_t *)&worker->timer);
    close_handle((uv_handle_t *)&worker->stderr_pipe);
    if (worker->handles > 2) close_handle((uv_handle_t *)&worker->process);
}

/* As valid UTF-8 without control characters, except that lines stay lines. Caller frees. */
static char *clean_words(const char *words, size_t n) {
    char *out = malloc(n + 1);
    size_t length = 0;
    for (size_t i = 0; out && i < n;) {
        size_t size = text_character(words + i, n - i);
        bool shown = words[i] == '\n' || !text_is_control(words + i, size);
        if (size == 0) {
            size = 1;
            out[length++] = '?';
        } else if (shown) {
            memcpy(out + length, words + i, size);
            length += size;
        }
        i += size;
    }
    while (out && length > 0 && (out[length - 1] == '\n' || out[length - 1] == ' ')) length--;
    if (out) out[length] = '\0';
    return out;
}

static void report_death(struct worker *worker) {
    if (worker->reported) return;
    struct worker_death death = {
        .asked = worker->asked,
        .kill = worker->kill,
        .kill_reason = worker->kill_reason,
        .spawned = worker->spawned,
        .said_hello = worker->said_hello,
        .was_ready = worker->was_ready,
        .exit_code = worker->exit_code,
        .signal = worker->signal,
        .lived = (double)(uv_hrtime() - worker->started) / 1e9,
    };
    if (worker->note.page) note_read(&worker->note, &death.note);
    char *words = clean_words(worker->words, worker->words_length);
    death.last_words = words ? words : "";
    worker->state = GONE;
    worker->spec.events->died(worker, &death);
    free(words);
    worker->reported = true;
    if (worker->exited) {
        release(worker);
        return;
    }
    /* Stuck in the kernel: the rest goes when the kernel lets go. The loop doesn't wait for that. */
    (void)uv_timer_stop(&worker->timer);
    uv_unref((uv_handle_t *)&worker->process);
    uv_unref((uv_handle_t *)&worker->stderr_pipe);
}

/* Dead, and all that it had said before has come. */
static void report_when_drained(struct worker *worker) {
    if (worker->exited && worker->connection_lost && worker->stderr_ended) report_death(worker);
}

static void on_process_exit(uv_process_t *process, int64_t exit_code, int signal) {
    struct worker *worker = process->data;
    worker->exited = true;
    worker->exit_code = exit_code;
    worker->signal = signal;
    worker->died_at = uv_hrtime();
    if (worker->reported) { /* it had been given up as unkillable */
        release(worker);
        return;
    }
    worker->state = DYING;
    if (!worker->said_hello) worker->connection_lost = true;
    report_when_drained(worker);
}

static void send_kill(struct worker *worker) {
    if (!worker->spawned || worker->exited) return;
    if (worker->pidfd >= 0 && syscall(SYS_pidfd_send_signal, worker->pidfd, SIGKILL, NULL, 0) == 0) return;
    (void)uv_process_kill(&worker->process,
                          SIGKILL); /* before Linux 5.3; libuv hasn't reaped it, so the pid is its own */
}

void worker_kill(struct worker *worker, enum worker_kill why, const char *sentence) {
    if (worker->kill != WORKER_NOT_KILLED || worker->state >= DYING) return;
    worker->kill = why;
    char *clean = text_display(sentence, strlen(sentence)); /* it may quote what a worker said, or the name of a file */
    (void)snprintf(worker->kill_reason, sizeof worker->kill_reason, "%s", clean ? clean : "out of memory");
    free(clean);
    text_cut(worker->kill_reason, sizeof worker->kill_reason - 1);
    worker->lost_at = uv_hrtime();
    channel_ignore(worker->channel); /* whatever it says now comes too late, and reading it may take long */
    send_kill(worker);
}

static void kill_format(struct worker *worker, enum worker_kill why, const char *format, ...)
    __attribute__((format(printf, 3, 4)));
static void kill_format(struct worker *worker, enum worker_kill why, const char *format, ...) {
    char sentence[256];
    va_list arguments;
    va_start(arguments, format);
    (void)vsnprintf(sentence, sizeof sentence, format, arguments);
    va_end(arguments);
    worker_kill(worker, why, sentence);
}

void worker_break_protocol(struct worker *worker, const char *sentence) {
    kill_format(worker, WORKER_KILL_PROTOCOL, "broken protocol: %.220s", sentence);
}

void worker_quit(struct worker *worker) {
    if (worker->asked || worker->kill != WORKER_NOT_KILLED || worker->state >= DYING) return;
    worker->asked = true;
    worker->quit_at = uv_hrtime();
    cJSON *message = cJSON_CreateObject();
    bool sent = message && cJSON_AddStringToObject(message, "type", "quit") &&
                channel_send(worker->channel, message, NULL);
    cJSON_Delete(message);
    if (!sent || !worker->said_hello) worker_kill(worker, WORKER_KILL_UNWANTED, "not needed any more");
}

/* ----------------------------------------------------------------------------------------------------------- deadlines */

void worker_set_deadline(struct worker *worker, double seconds, double stall, const char *what) {
    worker->deadline = uv_hrtime() + nanoseconds(seconds);
    worker->deadline_seconds = seconds;
    worker->deadline_what = what;
    worker->stall_seconds = stall;
    worker->beat_time = uv_hrtime();
}

void worker_clear_deadline(struct worker *worker) {
    worker->deadline = 0;
}

/* A stopped or spinning worker cannot be trusted to watch the clock itself. */
static void check_job(struct worker *worker) {
    if (worker->deadline == 0) return;
    if (uv_hrtime() >= worker->deadline) {
        kill_format(worker, WORKER_KILL_DEADLINE, "did not %s within %.3g s", worker->deadline_what,
                    worker->deadline_seconds);
        return;
    }
    if (worker->stall_seconds <= 0) return;
    struct note_copy note;
    note_read(&worker->note, &note);
    if (note.beats != worker->beats) {
        worker->beats = note.beats;
        worker->beat_time = uv_hrtime();
    } else if (passed(worker->beat_time, worker->stall_seconds)) {
        kill_format(worker, WORKER_KILL_DEADLINE, "did not %s: no sign of progress for %.3g s", worker->deadline_what,
                    worker->stall_seconds);
    }
}

static void check_handshake(struct worker *worker) {
    const struct worker_spec *spec = &worker->spec;
    if (worker->state == HELLO_SAID) {
        if (passed(worker->started, spec->hello_deadline + spec->load_deadline))
            kill_format(worker, WORKER_KILL_DEADLINE, "did not get ready within %.3g s", spec->load_deadline);
        return;
    }
    if (passed(worker->started, spec->hello_deadline))
        kill_format(worker, WORKER_KILL_SILENT, "did not say hello within %.3g s", spec->hello_deadline);
}

static void on_timer(uv_timer_t *timer) {
    struct worker *worker = timer->data;
    if (worker->exited) {
        if (passed(worker->died_at, DRAIN_SECONDS)) report_death(worker);
    } else if (worker->kill != WORKER_NOT_KILLED) {
        if (passed(worker->lost_at, UNKILLABLE_SECONDS)) report_death(worker);
    } else if (!worker->spawned) {
        report_death(worker);
    } else if (worker->connection_lost) {
        if (passed(worker->lost_at, CLOSED_SECONDS)) worker_kill(worker, WORKER_KILL_PROTOCOL, "closed its connection");
    } else if (passed(worker->quit_at, QUIT_SECONDS)) {
        worker_kill(worker, WORKER_KILL_UNWANTED, "did not quit when told to");
    } else if (worker->state < READY) {
        check_handshake(worker);
    } else {
        check_job(worker);
    }
}

/* ------------------------------------------------------------------------------------------------------------ messages */

static void take_hello(struct worker *worker, cJSON *message) {
    if (worker->state != STARTING || json_integer(message, "protocol", 0) != MESSAGE_PROTOCOL) {
        cJSON_Delete(message);
        worker_break_protocol(worker, "a hello that makes no sense");
        return;
    }
    worker->state = HELLO_SAID;
    worker->said_hello = true;
    if (worker->spec.events->hello) worker->spec.events->hello(worker, message);
    cJSON_Delete(message);
}

static void take_message(struct worker *worker, cJSON *message) {
    const char *type = json_string(message, "type", "");
    if (strcmp(type, "hello") == 0) {
        take_hello(worker, message);
        return;
    }
    if (strcmp(type, "ready") == 0) {
        if (worker->state == HELLO_SAID) {
            worker->state = READY;
            worker->was_ready = true;
            if (worker->spec.events->ready) worker->spec.events->ready(worker, message);
        } else {
            worker_break_protocol(worker, "ready at the wrong time");
        }
    } else if (!worker->said_hello) {
        kill_format(worker, WORKER_KILL_PROTOCOL, "broken protocol: %.100s before hello", type);
    } else if (worker->spec.events->message) {
        worker->spec.events->message(worker, type, message);
    }
    cJSON_Delete(message);
}

static void on_channel(void *context, cJSON *message, const struct error *problem) {
    struct worker *worker = context;
    if (message) {
        if (!worker->reported)
            take_message(worker, message);
        else
            cJSON_Delete(message); /* it has been given up, and its job with it */
    } else if (problem->code == EPIPE) {
        worker->connection_lost = true;
        if (worker->lost_at == 0) worker->lost_at = uv_hrtime();
        if (!worker->reported) report_when_drained(worker);
    } else {
        worker_break_protocol(worker, problem->text);
    }
}

/* Errors of a system without memory, buffers or descriptors, whoever sends. */
static bool is_starvation(int code) {
    return code == ENOMEM || code == ENOBUFS || code == ENFILE || code == EMFILE || code == ETOOMANYREFS;
}

/* What to make of a failure to send. A worker that is dying has closed its ends already, and its exit callback tells the
 * truth about it soon; only one that lives on without taking anything breaks the rules, unless it was the system that had no room. */
static bool sending_failed(struct worker *worker, const struct error *error, const char *what) {
    if (error->code == EPIPE || error->code == ECONNRESET || error->code == ENOTCONN) {
        worker->connection_lost = true;
        if (worker->lost_at == 0) worker->lost_at = uv_hrtime();
    } else if (is_starvation(error->code)) {
        kill_format(worker, WORKER_KILL_STARVED, "could not be given %s: %.200s", what, error->text);
    } else {
        kill_format(worker, WORKER_KILL_PROTOCOL, "does not take %s: %.200s", what, error->text);
    }
    return false;
}

bool worker_send(struct worker *worker, const cJSON *message) {
    struct error error;
    if (!worker_is_usable(worker)) return false;
    if (channel_send(worker->channel, message, &error)) return true;
    return sending_failed(worker, &error, "messages");
}

bool worker_send_descriptor(struct worker *worker, const struct descriptor_packet *packet, int fd) {
    struct error error;
    if (!worker_is_usable(worker)) return false;
    if (descriptors_send(worker->socket, packet, fd, &error)) return true;
    return sending_failed(worker, &error, "descriptors");
}

/* --------------------------------------------------------------------------------------------------------- its stderr */

static void keep_words(struct worker *worker, const char *text, size_t n) {
    if (n >= sizeof worker->words) {
        text += n - sizeof worker->words;
        n = sizeof worker->words;
    }
    if (worker->words_length + n > sizeof worker->words) {
        size_t surplus = worker->words_length + n - sizeof worker->words;
        memmove(worker->words, worker->words + surplus, worker->words_length - surplus);
        worker->words_length -= surplus;
    }
    memcpy(worker->words + worker->words_length, text, n);
    worker->words_length += n;
}

static void on_allocate(uv_handle_t *handle, size_t suggested, uv_buf_t *buffer) {
    (void)suggested;
    struct worker *worker = handle->data;
    *buffer = uv_buf_init(worker->read_buffer, sizeof worker->read_buffer);
}

static void on_stderr(uv_stream_t *stream, ssize_t n, const uv_buf_t *buffer) {
    struct worker *worker = stream->data;
    if (n < 0) {
        worker->stderr_ended = true;
        (void)uv_read_stop(stream);
        if (!worker->reported) report_when_drained(worker);
        return;
    }
    keep_words(worker, buffer->base, (size_t)n);
    worker->flood += (size_t)n;
    /* Whoever prints that much is left to block on its pipe, where its deadline finds it. */
    if (worker->flood > WORKER_STDERR_FLOOD) (void)uv_read_stop(stream);
}

/* ------------------------------------------------------------------------------------------------------------ the start */

/* argv[3] of the worker: the settings with its number and our process id. Caller frees with cJSON_free. */
static char *print_settings(struct worker *worker) {
    bool ok = cJSON_AddNumberToObject(worker->settings, "worker", (double)worker->number) &&
              cJSON_AddNumberToObject(worker->settings, "engine_pid", (double)getpid());
    return ok ? cJSON_PrintUnformatted(worker->settings) : NULL;
}

/* Plugins see no environment but this. The strings are whoever's they were. */
static void make_environment(char **environment, size_t max) {
    static char *const own[] = {
        "LC_ALL=C", "TZ=UTC0", "PATH=/usr/bin:/bin",
        /* Large arrays come in large pages where the system has them: one trap for 2 MiB instead of one for each 4 KiB. */
        "GLIBC_TUNABLES=glibc.malloc.hugetlb=1"};
    static const char *const passed_on[] = {"ASAN_OPTIONS=", "UBSAN_OPTIONS=", "TSAN_OPTIONS=", "LSAN_OPTIONS="};
    size_t n = sizeof own / sizeof *own;
    memcpy(environment, own, sizeof own);
    for (char **entry = environ; *entry; entry++)
        for (size_t i = 0; i < sizeof passed_on / sizeof *passed_on && n + 1 < max; i++)
            if (strncmp(*entry, passed_on[i], strlen(passed_on[i])) == 0) environment[n++] = *entry;
    environment[n] = NULL;
}

static int spawn(struct worker *worker, int socket, char *settings) {
    const struct worker_spec *spec = &worker->spec;
    char url[128];
    (void)snprintf(url, sizeof url, "%s", channel_url(worker->channel));
    char *arguments[] = {(char *)(uintptr_t)spec->binary, (char *)(uintptr_t)spec->role, url, settings, NULL};
    char *environment[16];
    make_environment(environment, sizeof environment / sizeof *environment);
    uv_stdio_container_t stdio[6] = {
        {.flags = UV_IGNORE},
        {.flags = UV_IGNORE},
        {.flags = UV_CREATE_PIPE | UV_WRITABLE_PIPE, .data.stream = (uv_stream_t *)&worker->stderr_pipe},
        {.flags = UV_INHERIT_FD, .data.fd = socket},
        {.flags = UV_INHERIT_FD, .data.fd = worker->note.fd},
        {.flags = UV_INHERIT_FD, .data.fd = worker->out},
    };
    uv_process_options_t options = {
        .exit_cb = on_process_exit,
        .file = spec->binary,
        .args = arguments,
        .env = environment,
        .cwd = "/",
        .flags =
            UV_PROCESS_DETACHED, /* a session of its own: Ctrl-C is for the engine, which ends its workers itself */
        .stdio_count = 6,
        .stdio = stdio,
    };
    return uv_spawn(spec->loop, &worker->process, &options);
}

/* What must be there before the process is; false leaves it to release() to clean up. */
static bool prepare(struct worker *worker, int *theirs, struct error *error) {
    char name[32];
    (void)snprintf(name, sizeof name, "w%llu", (unsigned long long)worker->number);
    int pair[2];
    if (!note_open(&worker->note, error)) return false;
    worker->out = memfd_new_fixed("sonde-out", OUT_BYTES, error);
    if (worker->out < 0 || !descriptors_pair(pair, error)) return false;
    worker->socket = pair[0];
    *theirs = pair[1];
    worker->channel = channel_open(worker->spec.loop, worker->spec.folder, name, on_channel, worker, error);
    return worker->channel != NULL;
}

static void after_spawn(struct worker *worker, int status) {
    if (status != 0) { /* libuv has no process then; the timer reports the death */
        char sentence[128];
        int n = snprintf(sentence, sizeof sentence, "cannot start %.60s: %s", worker->spec.binary, uv_strerror(status));
        if (n > 0) keep_words(worker, sentence, strlen(sentence));
        worker->exited = true;
        worker->died_at = worker->started;
        worker->connection_lost = worker->stderr_ended = true;
        return;
    }
    worker->spawned = true;
    worker->pidfd = (int)syscall(SYS_pidfd_open, worker->process.pid, 0);
    channel_expect(worker->channel, worker->process.pid);
    (void)uv_read_start((uv_stream_t *)&worker->stderr_pipe, on_allocate, on_stderr);
}

struct worker *worker_start(const struct worker_spec *spec, uint64_t number, struct error *error) {
    struct worker *worker = calloc(1, sizeof *worker);
    if (!worker) {
        error_memory(error);
        return NULL;
    }
    worker->spec = *spec;
    worker->number = number;
    worker->pidfd = worker->socket = worker->out = -1;
    worker->note.fd = -1;
    worker->started = uv_hrtime();
    worker->settings = cJSON_Duplicate(spec->settings, true);
    char *settings = worker->settings ? print_settings(worker) : NULL;
    int theirs = -1;
    bool ok = settings ? prepare(worker, &theirs, error) : error_memory(error);
    (void)uv_timer_init(spec->loop, &worker->timer);
    (void)uv_pipe_init(spec->loop, &worker->stderr_pipe, 0);
    worker->timer.data = worker->stderr_pipe.data = worker->process.data = worker;
    worker->handles = 2;
    if (!ok) {
        worker->reported = true;
        release(worker);
    } else {
        (void)uv_timer_start(&worker->timer, on_timer, TICK_MS, TICK_MS);
        worker->handles = 3; /* uv_spawn initialises the process handle even when it fails */
        after_spawn(worker, spawn(worker, theirs, settings));
    }
    if (theirs >= 0) close(theirs);
    cJSON_free(settings);
    return ok ? worker : NULL;
}

/* ------------------------------------------------------------------------------------------------------------- looking */

void *worker_context(const struct worker *worker) {
    return worker->spec.context;
}

uint64_t worker_number(const struct worker *worker) {
    return worker->number;
}

pid_t worker_pid(const struct worker *worker) {
    return worker->spawned ? worker->process.pid : 0;
}

bool worker_is_ready(const struct worker *worker) {
    return worker->state == READY && worker_is_usable(worker);
}

bool worker_is_usable(const struct worker *worker) {
    return worker->spawned && worker->state < DYING && worker->kill == WORKER_NOT_KILLED && !worker->asked &&
           !worker->connection_lost;
}

void *worker_read_out(const struct worker *worker, uint64_t offset, uint64_t bytes) {
    if (worker->out < 0 || offset > OUT_BYTES || bytes > OUT_BYTES - offset) return NULL;
    void *data = malloc(bytes > 0 ? (size_t)bytes : 1);
    if (data && memfd_read(worker->out, data, (size_t)bytes, offset, NULL)) return data;
    free(data);
    return NULL;
}

void worker_clear_out(struct worker *worker) {
    struct stat st;
    worker->flood = 0;
    if (worker->stderr_ended || worker->state != READY) return;
    if (!uv_is_active((uv_handle_t *)&worker->stderr_pipe))
        (void)uv_read_start((uv_stream_t *)&worker->stderr_pipe, on_allocate, on_stderr);
    if (fstat(worker->out, &st) == 0 && st.st_blocks > 0) (void)memfd_punch(worker->out, 0, OUT_BYTES, NULL);
}

uint64_t worker_memory(const struct worker *worker) {
    if (!worker->spawned || worker->exited) return 0;
    char path[64], text[512];
    (void)snprintf(path, sizeof path, "/proc/%d/statm", worker->process.pid);
    int fd = open(path, O_RDONLY | O_CLOEXEC);
    if (fd < 0) return 0;
    ssize_t n = read(fd, text, sizeof text - 1);
    close(fd);
    if (n <= 0) return 0;
    text[n] = '\0';
    unsigned long long size = 0, resident = 0, shared = 0;
    if (sscanf(text, "%llu %llu %llu", &size, &resident, &shared) != 3 || shared > resident) return 0;
    return (resident - shared) * (uint64_t)sysconf(_SC_PAGESIZE);
}
