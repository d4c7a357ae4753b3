/* The engine: takes paths, leaves results in a catalogue.
 *
 *     struct engine_options options;
 *     engine_options_init(&options);
 *     options.catalogue = ..., options.worker = ..., options.libraries = ...;
 *     struct engine *engine = engine_new(&options, &events, user, &error);    opens the catalogue, probes the plugins
 *     engine_add_path(engine, path, strlen(path));                           any number of files and folders
 *     engine_run(engine, &error);                                            returns when all of it is done
 *     engine_free(engine);
 *
 * It decodes nothing and loads no plugin: worker processes do (schema/protocol.md). What was queued but not finished stays
 * queued in the catalogue; a later engine_run takes it up again.
 *
 * All functions, and all events, belong to the one thread that called engine_new; engine_stop alone may be called from any
 * thread and from a signal handler. One engine per catalogue at a time (the catalogue's lock sees to that). */
#ifndef SONDE_SCHEDULE_ENGINE_H
#define SONDE_SCHEDULE_ENGINE_H

#include "engine/base/error.h"

#include <stdbool.h>
#include <stddef.h>
#include <stdint.h>

struct engine;
struct registry;
struct uv_loop_s;

/* One plugin library. */
struct engine_library {
    const char *path;      /* absolute, a .so */
    const char *resources; /* its resource folder, absolute; NULL: none */
    bool third_party;      /* never shares a process with bundled ones */
    const char *refused;   /* a sentence: it was found, but can't be used as it lies there; NULL: it can be looked at */
    const char *bridge;    /* absolute: the plugin library that loads `path`, which is of another kind; NULL: none */
};

/* Which providers of an interface come first, by the user's word: before bundled ones, and those before all others. */
struct engine_ranking {
    const char *interface; /* "key/1" */
    const char *const *plugins;
    size_t plugins_count;
};

/* What shares a process among third-party plugins. */
enum engine_isolation {
    ISOLATE_PLUGIN,  /* nothing: each plugin has its own */
    ISOLATE_LIBRARY, /* the plugins of one library */
    ISOLATE_VENDOR,  /* the plugins that name the same vendor */
    ISOLATE_SHARED,  /* all */
};

/* Seconds that a worker may take before it is killed. Those about audio grow with the audio's length. */
struct engine_deadlines {
    double open;     /* stat and open of a file, which may hang on a dead share; 10 */
    double hello;    /* from spawn to hello; 10 */
    double load;     /* from hello to ready; 60 */
    double identify; /* from scan to identified, plus 1 s for every 4 MiB of file; 20 */
    double decode;   /* between two signs of life of a decoder at work; ten times that, plus 1 s for every 2 MiB of
                                * file, from each piece of memory that it asks for to the next one, or to its end; 60 */
    double analyse;  /* a region, with all plugins of a run ... */
    double analyse_per_second; /* ... and for each second of its audio; 30 + 2/s */
};

/* Which of the waiting files come first, among those of equal priority. */
enum engine_order { ENGINE_ARRIVAL, ENGINE_NEWEST, ENGINE_OLDEST, ENGINE_SMALLEST };

/* Every pointer must stay valid until engine_new returns; it copies what it keeps. */
struct engine_options {
    const char *catalogue; /* path of the database; made when it isn't there */
    const char *worker;    /* path of sonde-worker */
    const struct engine_library *libraries;
    size_t libraries_count;
    const char *const *only; /* plugin ids to run (and what they need); NULL: all enabled */
    size_t only_count;
    const char *const *disabled; /* plugin ids never to run */
    size_t disabled_count;
    const struct engine_ranking *rankings;
    size_t rankings_count;
    enum engine_isolation isolation;
    const char *probe_cache;  /* folder that keeps what probes told (probe_cache.h); NULL: none */
    const char *params_json;  /* {plugin id: {parameter id: value}}; NULL: defaults */
    const char *segment_json; /* the segmenter's parameters, an object; NULL: defaults */
    bool force;               /* analyse again what has results already */
    bool retry;               /* forget strikes against the files named, and try failed ones again */
    unsigned jobs;            /* analysers at once per plugin group; 0: one a processor */
    uint64_t byte_budget;     /* bytes of PCM between the processes, at most; 96 MiB */
    uint64_t memory_limit;    /* private memory of one worker, bytes; 1 GiB */
    unsigned recycle_regions; /* a worker is replaced after so many jobs; 20,000 */
    struct engine_deadlines deadlines;
    double circuit_rest;     /* s that a plugin rests when it has died too often, before it may try again; 600 */
    const char *profile;     /* "full" or "none" (refused for third-party plugins) */
    int landlock_abi_max;    /* for tests; 0: the best there is */
    bool allow_weak_sandbox; /* run third-party plugins although a sandbox layer is missing */
    uint64_t cpu_limit;      /* s of processor time in a worker's life; 86400 */
    int64_t only_region;     /* position of the one region to analyse; -1: all */
    bool stay;               /* engine_run returns only after engine_stop or engine_drain: for watching */
    enum engine_order order;
    uint64_t min_free; /* bytes free on the catalogue's disk, below which nothing new is begun; 0: none */
    bool background;   /* workers run only when nobody else needs the processor or the disk */
    bool hidden;       /* below folders, names that begin with a dot count too */
    bool debugger;     /* analysers stop before they begin (worker_waits), and have no deadlines */
};

/* What happened to a file. `status` and `reason` as in schema/outcomes.md. */
struct engine_file {
    const char *path;     /* bytes as the system has them, zero-terminated */
    const char *display;  /* the same as UTF-8 on one line */
    const char *path_hex; /* its bytes in hexadecimal digits, where `display` doesn't tell them; else NULL */
    const char *status;   /* "done", "empty", "failed", "missing", "queued" (stopped before its end) */
    const char *reason;   /* a sentence, or NULL */
    double duration;      /* s; 0 when unknown */
    uint32_t regions;
    uint32_t results_failed; /* (region, plugin) pairs that did not end in ok, empty, unsupported or skipped */
    uint32_t results_unrun;  /* skipped because the workers of bundled plugins could not be started */
    bool known;              /* nothing was to be done: content and results were there */
};

/* Never goes backwards, except that totals may grow while folders are being walked. */
struct engine_progress {
    uint64_t files_total, files_done, files_failed, files_known;
    uint64_t files_under_way;       /* scanned: their audio is in audio_total */
    double audio_total, audio_done; /* s of audio known so far to need analysis, and analysed */
    uint64_t regions_done;
    uint64_t results_failed;
    uint64_t results_unrun; /* skipped because the workers of bundled plugins could not be started */
    uint64_t incidents;
    bool counting; /* folders are still being walked: totals will grow */
};

/* A worker died, or was killed. */
struct engine_incident {
    const char *plugin;   /* NULL: the decoder, or unattributed */
    const char *outcome;  /* crashed, timeout, memory, violation, failed */
    const char *phase;    /* load, init, create, begin, process, finish, abandon, destroy, decode ... */
    const char *reason;   /* one sentence */
    const char *path;     /* of the file, display form; NULL outside a job */
    const char *path_hex; /* as in engine_file */
    bool strike;          /* it counts against the plugin */
};

/* Any of them may be NULL; without `wanted` everything is. Strings are valid during the call. None may call engine_free. */
struct engine_events {
    /* Whether a file that was found or named is to be looked at. `mtime_ns`: when it was last written, ns since 1970; 0: it
     * is known to be whole. Not asked about what a task names. */
    bool (*wanted)(void *user, const char *path, int64_t mtime_ns);
    /* A sweep came into `folder`, whose .sondeignore is `text`: before `wanted` is asked about what lies in it. */
    void (*rules)(void *user, const char *folder, const char *text);
    void (*file_started)(void *user, const char *display);
    void (*file_finished)(void *user, const struct engine_file *file);
    void (*progress)(void *user, const struct engine_progress *progress); /* after each change, at most 10 a second */
    void (*incident)(void *user, const struct engine_incident *incident);
    void (*plugin_problem)(void *user, const char *plugin_or_library, const char *sentence);
    void (*warning)(void *user, const char *sentence);
    void (*holding)(void *user, const char *why); /* nothing new is begun, for this reason; NULL: it goes on */
    /* A known file below a folder is gone: it is missing now. */
    void (*vanished)(void *user, const char *display, const char *path_hex);
    void (*worker_waits)(void *user, const char *role,
                         int64_t pid); /* with options.debugger: until it gets a SIGCONT */
};

void engine_options_init(struct engine_options *options);

/* Opens the catalogue (taking its lock), starts a probe worker and learns what the libraries hold. A library that can't be
 * loaded is a plugin_problem, not an error; no usable plugin at all is an error. NULL with the reason otherwise. */
struct engine *engine_new(const struct engine_options *options, const struct engine_events *events, void *user,
                          struct error *error);

/* Adds a file, or all files below a folder; symbolic links to folders are not followed inside it, so loops end. Below a
 * folder, hidden names and those whose extension says that they are something else (pictures, text, archives ...) are
 * left out; whatever is named here is tried. Files that the catalogue knows below a folder and that are gone become missing, but
 * for those whose disk isn't there. `path` is `n` bytes without a zero; relative ones are made absolute. The work
 * is done inside engine_run; may also be called during it. False: out of memory. */
bool engine_add_path(struct engine *engine, const char *path, size_t n);

/* Looks at all that is below a folder (or at one file) and compares: what `wanted` lets in and is new or changed is queued,
 * what is known there and gone becomes missing. Files whose disk isn't there are left as they are, with a warning. */
bool engine_sweep(struct engine *engine, const char *path, size_t n);

/* A file, or a folder with all that is below it, has been moved, or is gone: the catalogue follows. Results, tags and history
 * stay. During engine_run only. False: out of memory. */
bool engine_path_moved(struct engine *engine, const char *from, const char *to, bool folder);
bool engine_path_gone(struct engine *engine, const char *path, bool folder);

/* Whether the file at `path`, which is without links, belongs to the engine's own catalogue: below a folder such files are left
 * out. */
bool engine_owns(const struct engine *engine, const char *path);

/* Runs until everything is done or engine_stop is called: everything finished is then stored, but for what a catalogue that can't
 * be written to has kept from it, whose files stay queued. False when it could not go on
 * (catalogue damaged, workers can't be started at all): the sentence says why. Files that fail are no error here. */
bool engine_run(struct engine *engine, struct error *error);

/* Nothing new is begun, but what was begun comes to the end of its jobs; paths are still taken into the queue. With
 * options.stay a pause outlasts the engine: the next one that stays begins paused. */
void engine_pause(struct engine *engine, bool pause);

/* Lets the files under way come to their end, begins no others, then ends engine_run. After `seconds` (0: never) it doesn't
 * wait longer. Loop thread. */
void engine_drain(struct engine *engine, double seconds);

/* Why nothing new is begun, in a sentence, or NULL. */
const char *engine_held(const struct engine *engine);
bool engine_is_paused(const struct engine *engine);
bool engine_is_draining(const struct engine *engine);

/* How fast it has been, over about the last minutes of work; zeros when it isn't known yet. */
struct engine_pace {
    double files, bytes, audio; /* a second: files, bytes of them, s of audio */
};
void engine_pace(const struct engine *engine, struct engine_pace *out);

/* How often it has asked the system about files: entries of folders and files looked at, files opened. */
struct engine_looks {
    uint64_t folders, files, opened;
};
void engine_looks(const struct engine *engine, struct engine_looks *out);

/* Ends engine_run soon, also when the catalogue can't be written to: jobs in flight are dropped, their files stay queued.
 * Async-signal-safe, any thread. */
void engine_stop(struct engine *engine);

/* The hash of all that decides which results a file should have now. */
const char *engine_profile(const struct engine *engine);

/* Runs `function` on the thread that writes the catalogue, in a transaction; `done` comes on the loop thread when that has
 * been committed, or with the reason why not. Until it does, `argument` belongs to the writer. False: out of memory. */
struct catalogue;
bool engine_write(struct engine *engine, bool (*function)(struct catalogue *, void *argument, struct error *),
                  void *argument, void (*done)(void *argument, const struct error *error));

/* Forgets what the engine knows of this plugin's crashes in this run. */
void engine_plugin_reset(struct engine *engine, const char *plugin);

/* The final counts, also during a run. */
void engine_progress(const struct engine *engine, struct engine_progress *out);

/* The loop that engine_run runs, for handles of the caller's own (unreferenced ones don't keep engine_run going). */
struct uv_loop_s *engine_loop(struct engine *engine);

/* Ends all workers, closes the catalogue. NULL is fine. */
void engine_free(struct engine *engine);

#endif
