#include "engine/cli/progress.h"

#include "engine/cli/cli.h"

#include <cjson/cJSON.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <time.h>

struct failure {
    char *display, *reason;
};

struct progress {
    enum progress_style style;
    bool (*wanted)(void *context, const char *path); /* NULL: all are */
    void *wanted_context;
    int width;
    bool colour;
    double started, last_drawn; /* s, monotonic */
    bool line_shown;            /* a moving line stands on the terminal */
    double shown_fraction;      /* never goes backwards */
    struct failure *failures;
    size_t failures_count, failures_room, failures_unnamed;
    uint64_t gone;
};

static double now(void) {
    struct timespec t;
    clock_gettime(CLOCK_MONOTONIC, &t);
    return (double)t.tv_sec + 1e-9 * (double)t.tv_nsec;
}

struct progress *progress_new(enum progress_style style, int width, bool colour) {
    struct progress *p = calloc(1, sizeof *p);
    if (!p) return NULL;
    p->style = style;
    p->width = width;
    p->colour = colour;
    p->started = now();
    return p;
}

static void clear_line(struct progress *p) {
    if (p->line_shown) fputs("\r\033[K", stderr);
    p->line_shown = false;
}

/* One line of JSON on standard output; takes the object. */
static void print_json(cJSON *object) {
    char *text = object ? cJSON_PrintUnformatted(object) : NULL;
    if (text) {
        puts(text);
        fflush(stdout);
    }
    cJSON_free(text);
    cJSON_Delete(object);
}

static cJSON *event(const char *name) {
    cJSON *object = cJSON_CreateObject();
    if (object) cJSON_AddStringToObject(object, "event", name);
    return object;
}

static void add_path(cJSON *object, const char *display, const char *path_hex) {
    cJSON_AddStringToObject(object, "path", display);
    if (path_hex) cJSON_AddStringToObject(object, "path_hex", path_hex);
}

static void remember_failure(struct progress *p, const struct engine_file *file) {
    if (p->failures_count == p->failures_room) {
        size_t room = p->failures_room ? 2 * p->failures_room : 16;
        struct failure *grown = realloc(p->failures, room * sizeof *grown);
        if (!grown) {
            p->failures_unnamed++;
            return;
        }
        p->failures = grown;
        p->failures_room = room;
    }
    struct failure f = {strdup(file->display), strdup(file->reason ? file->reason : "no reason was given")};
    if (!f.display || !f.reason) {
        free(f.display);
        free(f.reason);
        p->failures_unnamed++;
        return;
    }
    p->failures[p->failures_count++] = f;
}

static void on_file_finished(void *user, const struct engine_file *file) {
    struct progress *p = user;
    bool failed = strcmp(file->status, "failed") == 0 || strcmp(file->status, "missing") == 0;
    if (failed) remember_failure(p, file);
    if (p->style == PROGRESS_JSON) {
        cJSON *o = event("file");
        if (!o) return;
        add_path(o, file->display, file->path_hex);
        cJSON_AddStringToObject(o, "status", file->status);
        if (file->reason) cJSON_AddStringToObject(o, "reason", file->reason);
        cJSON_AddNumberToObject(o, "duration", file->duration);
        cJSON_AddNumberToObject(o, "regions", file->regions);
        cJSON_AddNumberToObject(o, "results_failed", file->results_failed);
        cJSON_AddBoolToObject(o, "known", file->known);
        print_json(o);
    } else if (failed && p->style != PROGRESS_QUIET) {
        clear_line(p);
        fprintf(stderr, "failed: %s: %s\n", file->display, file->reason ? file->reason : "no reason was given");
    }
}

/* The share of the work that is done, by audio seconds where they are known and by files where they aren't. */
static double fraction_done(const struct engine_progress *g) {
    if (g->files_total == 0) return 0;
    double by_files = (double)g->files_done / (double)g->files_total;
    if (!(g->audio_total > 0)) return by_files;
    /* Audio of files that haven't been opened yet isn't known: it is taken to be like that of those which have. */
    double opened = (double)(g->files_done + g->files_under_way);
    double unopened = (double)g->files_total - opened;
    double all = g->audio_total + (opened > 0 && unopened > 0 ? unopened * g->audio_total / opened : 0);
    return all > 0 ? g->audio_done / all : by_files;
}

/* The sentence of where the run stands. */
static void describe(struct progress *p, const struct engine_progress *g, char *out, size_t size) {
    double elapsed = now() - p->started;
    double fraction = fraction_done(g);
    if (fraction > p->shown_fraction) p->shown_fraction = fraction;
    char audio[32], left[32];
    cli_duration(g->audio_done, audio, sizeof audio);
    bool sure = !g->counting && p->shown_fraction > 0.02 && elapsed > 2;
    cli_duration(sure ? elapsed * (1 - p->shown_fraction) / p->shown_fraction : 0, left, sizeof left);
    snprintf(out, size, "%llu/%llu%s files, %s of audio, %.0fx real time, %llu failed",
             (unsigned long long)g->files_done, (unsigned long long)g->files_total, g->counting ? "+" : "", audio,
             elapsed > 0 ? g->audio_done / elapsed : 0, (unsigned long long)g->files_failed);
    if (sure) {
        size_t used = strlen(out);
        snprintf(out + used, size - used, ", about %s left", left);
    }
}

static void on_progress(void *user, const struct engine_progress *g) {
    struct progress *p = user;
    double t = now();
    double interval = p->style == PROGRESS_BAR ? 0.1 : p->style == PROGRESS_JSON ? 0.5 : 10;
    if (p->style == PROGRESS_QUIET || t - p->last_drawn < interval) return;
    if (p->style == PROGRESS_LINES && p->last_drawn == 0) {
        p->last_drawn = t; /* a short run needs no lines */
        return;
    }
    p->last_drawn = t;
    char text[300];
    describe(p, g, text, sizeof text);
    if (p->style == PROGRESS_JSON) {
        cJSON *o = event("progress");
        if (!o) return;
        cJSON_AddNumberToObject(o, "files_done", (double)g->files_done);
        cJSON_AddNumberToObject(o, "files_total", (double)g->files_total);
        cJSON_AddNumberToObject(o, "files_failed", (double)g->files_failed);
        cJSON_AddNumberToObject(o, "files_known", (double)g->files_known);
        cJSON_AddNumberToObject(o, "audio_done", g->audio_done);
        cJSON_AddNumberToObject(o, "audio_total", g->audio_total);
        cJSON_AddNumberToObject(o, "fraction", p->shown_fraction);
        cJSON_AddBoolToObject(o, "counting", g->counting);
        cJSON_AddNumberToObject(o, "elapsed", t - p->started);
        print_json(o);
    } else if (p->style == PROGRESS_BAR) {
        fprintf(stderr, "\r\033[K%.*s", p->width - 1, text);
        fflush(stderr);
        p->line_shown = true;
    } else {
        fprintf(stderr, "%s\n", text);
    }
}

/* path_hex: of a path in `about`. */
static void say(struct progress *p, const char *kind, const char *about, const char *path_hex, const char *sentence) {
    if (p->style == PROGRESS_JSON) {
        cJSON *o = event(kind);
        if (!o) return;
        if (about) cJSON_AddStringToObject(o, "about", about);
        if (path_hex) cJSON_AddStringToObject(o, "path_hex", path_hex);
        cJSON_AddStringToObject(o, "text", sentence);
        print_json(o);
        return;
    }
    clear_line(p);
    fprintf(stderr, "%s: %s%s%s\n", kind, about ? about : "", about ? ": " : "", sentence);
}

static void on_incident(void *user, const struct engine_incident *incident) {
    char about[600];
    snprintf(about, sizeof about, "%s%s%s", incident->plugin ? incident->plugin : "worker",
             incident->path ? " on " : "", incident->path ? incident->path : "");
    say(user, "incident", about, incident->path_hex, incident->reason);
}

static void on_plugin_problem(void *user, const char *plugin, const char *sentence) {
    say(user, "plugin", plugin, NULL, sentence);
}

static void on_warning(void *user, const char *sentence) {
    say(user, "warning", NULL, NULL, sentence);
}

static void on_holding(void *user, const char *why) {
    say(user, "warning", NULL, NULL, why ? why : "it goes on");
}

static void on_vanished(void *user, const char *display, const char *path_hex) {
    struct progress *p = user;
    p->gone++;
    if (p->style != PROGRESS_JSON) return;
    cJSON *o = event("gone");
    if (o) add_path(o, display, path_hex);
    print_json(o);
}

static bool on_wanted(void *user, const char *path, int64_t mtime_ns) {
    (void)mtime_ns;
    const struct progress *p = user;
    return !p->wanted || p->wanted(p->wanted_context, path);
}

void progress_only(struct progress *progress, bool (*wanted)(void *context, const char *path), void *context) {
    progress->wanted = wanted;
    progress->wanted_context = context;
}

const struct engine_events *progress_events(void) {
    static const struct engine_events events = {
        .wanted = on_wanted,
        .file_finished = on_file_finished,
        .progress = on_progress,
        .incident = on_incident,
        .plugin_problem = on_plugin_problem,
        .warning = on_warning,
        .holding = on_holding,
        .vanished = on_vanished,
    };
    return &events;
}

static void print_failures(const struct progress *p) {
    size_t total = p->failures_count + p->failures_unnamed;
    if (total == 0) return;
    fprintf(stderr, "\n%zu file%s failed:\n", total, total == 1 ? "" : "s");
    for (size_t i = 0; i < p->failures_count; i++)
        fprintf(stderr, "  %s: %s\n", p->failures[i].display, p->failures[i].reason);
    if (p->failures_unnamed)
        fprintf(stderr, "  and %zu more (sonde status --problems lists them)\n", p->failures_unnamed);
}

uint64_t progress_finish(struct progress *p, const struct engine_progress *g, bool stopped) {
    clear_line(p);
    double elapsed = now() - p->started;
    if (p->style == PROGRESS_JSON) {
        cJSON *o = event("end");
        if (o) {
            cJSON_AddBoolToObject(o, "stopped", stopped);
            cJSON_AddNumberToObject(o, "files_done", (double)g->files_done);
            cJSON_AddNumberToObject(o, "files_failed", (double)g->files_failed);
            cJSON_AddNumberToObject(o, "files_known", (double)g->files_known);
            cJSON_AddNumberToObject(o, "results_failed", (double)g->results_failed);
            cJSON_AddNumberToObject(o, "results_unrun", (double)g->results_unrun);
            cJSON_AddNumberToObject(o, "regions", (double)g->regions_done);
            cJSON_AddNumberToObject(o, "audio", g->audio_done);
            cJSON_AddNumberToObject(o, "files_gone", (double)p->gone);
            cJSON_AddNumberToObject(o, "elapsed", elapsed);
        }
        print_json(o);
        return g->files_failed + g->results_unrun;
    }
    if (p->style == PROGRESS_QUIET) return g->files_failed + g->results_unrun;
    print_failures(p);
    char audio[32], took[32];
    cli_duration(g->audio_done, audio, sizeof audio);
    cli_duration(elapsed, took, sizeof took);
    fprintf(stderr,
            "%s%llu of %llu files in %s: %llu analysed, %llu already known, %llu failed; %llu region%s, %s of audio",
            stopped ? "stopped after " : "", (unsigned long long)g->files_done, (unsigned long long)g->files_total,
            took, (unsigned long long)(g->files_done - g->files_known - g->files_failed),
            (unsigned long long)g->files_known, (unsigned long long)g->files_failed,
            (unsigned long long)g->regions_done, g->regions_done == 1 ? "" : "s", audio);
    if (g->results_failed)
        fprintf(stderr, "; %llu result%s failed", (unsigned long long)g->results_failed,
                g->results_failed == 1 ? "" : "s");
    if (g->results_unrun)
        fprintf(stderr, "; %llu result%s missing, for workers could not be started: the next run tries again",
                (unsigned long long)g->results_unrun, g->results_unrun == 1 ? " is" : "s are");
    if (p->gone)
        fprintf(stderr, "; %llu known before %s gone, and missing now", (unsigned long long)p->gone,
                p->gone == 1 ? "is" : "are");
    fprintf(stderr, "%s\n", stopped ? "; the next run goes on from here" : "");
    return g->files_failed + g->results_unrun;
}

void progress_free(struct progress *p) {
    if (!p) return;
    for (size_t i = 0; i < p->failures_count; i++) {
        free(p->failures[i].display);
        free(p->failures[i].reason);
    }
    free(p->failures);
    free(p);
}
