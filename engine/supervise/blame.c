#include "engine/supervise/blame.h"

#include <signal.h>
#include <stdio.h>
#include <string.h>

const char *blame_signal_name(int signal) {
    static const struct {
        int signal;
        const char *name;
    } names[] = {{SIGSEGV, "SIGSEGV"}, {SIGABRT, "SIGABRT"}, {SIGFPE, "SIGFPE"},   {SIGILL, "SIGILL"},
                 {SIGBUS, "SIGBUS"},   {SIGKILL, "SIGKILL"}, {SIGSYS, "SIGSYS"},   {SIGTERM, "SIGTERM"},
                 {SIGINT, "SIGINT"},   {SIGHUP, "SIGHUP"},   {SIGQUIT, "SIGQUIT"}, {SIGXCPU, "SIGXCPU"},
                 {SIGXFSZ, "SIGXFSZ"}, {SIGPIPE, "SIGPIPE"}, {SIGTRAP, "SIGTRAP"}, {SIGALRM, "SIGALRM"},
                 {SIGUSR1, "SIGUSR1"}, {SIGUSR2, "SIGUSR2"}};
    for (size_t i = 0; i < sizeof names / sizeof *names; i++)
        if (names[i].signal == signal) return names[i].name;
    return "an unusual signal";
}

/* Signals that no program gets from its own mistakes. A sandboxed plugin can't send them to others, and to itself only
 * through raise(), which looks the same: so these are requeued, and looked at more closely when it keeps happening. */
static bool comes_from_outside(int signal) {
    return signal == SIGKILL || signal == SIGTERM || signal == SIGINT || signal == SIGHUP || signal == SIGQUIT;
}

static void judge_kill(const struct worker_death *death, struct blame *blame) {
    blame->asked = death->kill == WORKER_KILL_UNWANTED;
    blame->starved = blame->from_outside = death->kill == WORKER_KILL_STARVED;
    blame->outcome = death->kill == WORKER_KILL_DEADLINE || death->kill == WORKER_KILL_SILENT ? "timeout" : "failed";
    blame->counts = death->kill == WORKER_KILL_DEADLINE;
    (void)snprintf(blame->reason, sizeof blame->reason, "%s", death->kill_reason);
}

static void judge_signal(const struct worker_death *death, uint64_t memory_limit, struct blame *blame) {
    int signal = death->signal;
    blame->from_outside = comes_from_outside(signal) && death->note.died == 0;
    blame->counts = !blame->from_outside;
    blame->outcome = "crashed";
    if (blame->from_outside) {
        (void)snprintf(blame->reason, sizeof blame->reason, "was killed by %s, from outside",
                       blame_signal_name(signal));
    } else if (signal == SIGSYS) {
        blame->outcome = "violation"; /* on a thread that could not note which */
        (void)snprintf(blame->reason, sizeof blame->reason, "made a forbidden system call");
    } else if (signal == SIGXCPU) {
        blame->outcome = "timeout";
        (void)snprintf(blame->reason, sizeof blame->reason, "used up its processor time");
    } else if (memory_limit > 0 && death->note.data_bytes >= memory_limit - memory_limit / 8) {
        blame->outcome = "memory";
        (void)snprintf(blame->reason, sizeof blame->reason, "ran out of its %.0f MiB of memory (%s)",
                       (double)memory_limit / (1 << 20), blame_signal_name(signal));
    } else {
        (void)snprintf(blame->reason, sizeof blame->reason, "crashed with %s", blame_signal_name(signal));
    }
}

static void judge_exit(const struct worker_death *death, struct blame *blame) {
    blame->asked = death->asked && death->exit_code == 0;
    blame->outcome = "crashed";
    blame->counts = death->was_ready;
    bool in_plugin = death->was_ready || (death->note.valid && death->note.phase != NOTE_NONE);
    blame->refused = death->spawned && death->exit_code == WORKER_EXIT_NO_RESPAWN && !in_plugin;
    blame->from_outside = death->spawned && death->exit_code == WORKER_EXIT_HUNG_UP && death->said_hello;
    const char *line = strrchr(death->last_words, '\n');
    line = line ? line + 1 : death->last_words;
    if (blame->from_outside) {
        blame->counts = false;
        (void)snprintf(blame->reason, sizeof blame->reason, "lost its connection to the engine");
    } else if (!death->spawned || blame->refused) {
        blame->outcome = "failed";
        blame->counts = false;
        (void)snprintf(blame->reason, sizeof blame->reason, "%.300s", line[0] ? line : "the worker refused to start");
    } else {
        bool told = !in_plugin && line[0]; /* while it started; later these may be a plugin's words */
        (void)snprintf(blame->reason, sizeof blame->reason, "ended its process with exit code %lld%s%.300s",
                       (long long)death->exit_code, told ? ": " : "", told ? line : "");
    }
}

void blame_judge(const struct worker_death *death, uint64_t memory_limit, struct blame *blame) {
    *blame = (struct blame){.phase = note_phase_name(death->note.valid ? death->note.phase : NOTE_NONE)};
    if (death->note.valid) (void)snprintf(blame->plugin, sizeof blame->plugin, "%s", death->note.plugin);
    /* SIGSYS says so even where the handler couldn't (NOTE_UNRECORDED). */
    bool forbidden = death->signal == SIGSYS || (death->note.valid && death->note.forbidden >= 0);
    if (forbidden && death->kill == WORKER_NOT_KILLED) {
        char name[64];
        note_system_call_name(&death->note, name, sizeof name);
        blame->outcome = "violation";
        blame->counts = true;
        (void)snprintf(blame->reason, sizeof blame->reason, "made a forbidden system call: %s", name);
    } else if (death->kill != WORKER_NOT_KILLED &&
               (death->kill == WORKER_KILL_UNWANTED || death->signal == SIGKILL || death->signal == 0)) {
        judge_kill(death, blame); /* had it died of something else, it would have been dying before */
    } else if (death->signal != 0) {
        judge_signal(death, memory_limit, blame);
    } else {
        judge_exit(death, blame);
    }
    if (death->note.valid && death->note.phase != NOTE_NONE && !blame->asked) {
        size_t n = strlen(blame->reason);
        (void)snprintf(blame->reason + n, sizeof blame->reason - n, ", in %s", blame->phase);
    }
}

static bool add_frames(cJSON *detail, const struct note_copy *note) {
    if (note->frame_count == 0) return true;
    cJSON *frames = cJSON_AddArrayToObject(detail, "backtrace");
    for (uint32_t i = 0; frames && i < note->frame_count && i < NOTE_FRAMES; i++) {
        char text[NOTE_OBJECT + 32];
        (void)snprintf(text, sizeof text, "%s+0x%llx", note->frames[i].object,
                       (unsigned long long)note->frames[i].offset);
        if (!cJSON_AddItemToArray(frames, cJSON_CreateString(text))) return false;
    }
    return frames != NULL;
}

cJSON *blame_detail(const struct worker_death *death, const struct blame *blame) {
    cJSON *detail = cJSON_CreateObject();
    const struct note_copy *note = &death->note;
    bool ok = detail && cJSON_AddStringToObject(detail, "phase", blame->phase) &&
              cJSON_AddNumberToObject(detail, "lived_s", death->lived);
    if (ok && blame->plugin[0]) ok = cJSON_AddStringToObject(detail, "plugin_noted", blame->plugin);
    if (ok && death->signal != 0) ok = cJSON_AddStringToObject(detail, "signal", blame_signal_name(death->signal));
    if (ok && death->signal == 0) ok = cJSON_AddNumberToObject(detail, "exit_code", (double)death->exit_code);
    if (ok && death->kill != WORKER_NOT_KILLED)
        ok = cJSON_AddStringToObject(detail, "killed_because", death->kill_reason);
    if (ok && note->valid && note->forbidden >= 0) {
        char name[64];
        note_system_call_name(note, name, sizeof name);
        ok = cJSON_AddStringToObject(detail, "system_call", name);
    }
    if (ok && note->valid && note->died != 0) {
        char address[32];
        (void)snprintf(address, sizeof address, "0x%llx", (unsigned long long)note->fault_address);
        ok = cJSON_AddStringToObject(detail, "fault_address", address) &&
             cJSON_AddNumberToObject(detail, "data_bytes", (double)note->data_bytes) && add_frames(detail, note);
    }
    if (ok && death->last_words[0]) ok = cJSON_AddStringToObject(detail, "stderr", death->last_words);
    if (ok) return detail;
    cJSON_Delete(detail);
    return NULL;
}
