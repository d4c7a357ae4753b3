/* What the engine writes into the catalogue and reads back while it works: files, queue, contents, results, plugins.
 *
 * All functions run on the thread that owns the connection (writer.h), inside a transaction that the writer opened;
 * they may run again after a rollback with the same argument, so outputs are plain overwrites. False means a database
 * error, with a sentence and a code (catalogue_failed).
 *
 * Texts and arrays in structs that a function fills in belong to the caller, who calls the matching ..._free. Texts
 * given to a function are only read. Times are seconds since 1970 (UTC); frames are of the native rate. */
#ifndef SONDE_CATALOGUE_STORE_H
#define SONDE_CATALOGUE_STORE_H

#include "engine/base/error.h"
#include "engine/base/hash.h"
#include "engine/catalogue/catalogue.h"

#include <stddef.h>
#include <stdint.h>

/* ------------------------------------------------------------------------------------------------------------- runs */

struct store_run {
    const char *version; /* of sonde */
    const char *host;    /* host name */
    const char *command; /* what was asked for, for people */
    const char *sandbox; /* JSON object: the layers in place and those missing */
};

/* Starts the record of one run of the engine; *run is its id. */
bool store_run_begin(struct catalogue *catalogue, const struct store_run *about, int64_t *run, struct error *error);
bool store_run_end(struct catalogue *catalogue, int64_t run, const char *outcome, struct error *error);

/* ------------------------------------------------------------------------------------------------------------ files */

enum file_status { FILE_QUEUED, FILE_WORKING, FILE_DONE, FILE_EMPTY, FILE_FAILED, FILE_MISSING };

/* "queued", "working" ... as in schema/outcomes.md. */
const char *file_status_name(enum file_status status);

struct store_stat {
    int64_t size;     /* bytes */
    int64_t mtime_ns; /* ns since 1970 */
    uint64_t device, inode;
    int64_t ctime_ns; /* when its inode last changed (a rename counts), ns since 1970; 0: not known */
};

struct store_file {
    int64_t file;            /* id */
    enum file_status status; /* before this sighting; FILE_QUEUED for a new row */
    bool created;            /* the row is new */
    bool unchanged;  /* size and mtime are those that the last finished analysis saw, and no other file has taken
                                its place since: one of another inode whose ctime is later than that analysis */
    int64_t content; /* id of its content as last analysed, or 0 */
    int64_t audio;   /* id of its audio, or 0 */
    char profile[HASH_TEXT]; /* as given to the last store_file_finish; "" when there was none */
};

/* A path was seen on disk. `path` is `length` bytes of anything but zero bytes, and the key. Makes its row where
 * missing. A `missing` file that is back unchanged gets the status it had before it went missing. `stat` NULL: the name was
 * seen, but not what is behind it: size, time and place stay as they are known, and the file doesn't count as unchanged. */
bool store_file_seen(struct catalogue *catalogue, const char *path, size_t length, const struct store_stat *stat,
                     struct store_file *file, struct error *error);

/* Its path is gone: `missing`, and out of the queue. */
bool store_file_missing(struct catalogue *catalogue, int64_t file, struct error *error);

/* The file at `from`, or all files below that folder, have another path now (`to` in place of `from`). Rows keep their ids,
 * and with them results, tags and history; a row that was at the new path is replaced. */
bool store_path_moved(struct catalogue *catalogue, const char *from, const char *to, bool folder, struct error *error);

/* The file at `path`, or all files below that folder, are `missing`. */
bool store_path_gone(struct catalogue *catalogue, const char *path, bool folder, struct error *error);

/* Whether the row's path (still) is `path`. */
bool store_file_is_at(struct catalogue *catalogue, int64_t file, const char *path, bool *is, struct error *error);

/* Analysis came to an end: sets the status (done, empty or failed; `reason` says why when failed, else NULL), remembers
 * `stat` as what was analysed, takes the file out of the queue, computes the summary of its audio (summary.h) and its
 * search texts. `profile` is a hash of all that decides which results the file should have (plugins, versions,
 * parameters, segmenter ...): when it is equal later and the file unchanged, there is nothing to do. A file that has become
 * `missing` meanwhile stays so; `status` is then the one that it gets when it is back unchanged. `stat` NULL: it could not be looked at,
 * so that its content, its size and what was analysed stay as they are. */
bool store_file_finish(struct catalogue *catalogue, int64_t file, enum file_status status, const char *reason,
                       const struct store_stat *stat, const char *profile, struct error *error);

/* Ties a file to a content that is in the catalogue (store_scan does it too). */
bool store_file_content(struct catalogue *catalogue, int64_t file, int64_t content, struct error *error);

/* ------------------------------------------------------------------------------------------------------------ queue */

enum queue_order { QUEUE_OLDEST, QUEUE_NEWEST, QUEUE_SMALLEST, QUEUE_ARRIVAL };

struct store_job {
    int64_t file;
    char *path; /* zero-terminated; `length` bytes without the zero */
    size_t length;
    int64_t priority;
    int64_t interrupted; /* how often the engine died while this was under way */
    int64_t attempts;    /* how often it was taken and put back for another reason */
    char *options;       /* as given to store_queue_add, or NULL */
    struct store_stat stat;
};

/* Puts a file into the queue (status `queued`), or raises the priority of its entry; options that are given replace
 * those of the entry. A file that is being worked on is marked to wait again when it finishes, if it has changed since it was
 * queued or options are given. `options`: JSON object, the engine's own, or NULL: none, or those that the entry has. */
bool store_queue_add(struct catalogue *catalogue, int64_t file, int64_t priority, const char *options,
                     struct error *error);

/* s: nobody is put off for longer. What is due later than in so long is due now, for the clock was set back since: by hours, where
 * a machine's own clock runs on local time. */
#define STORE_PUT_OFF_MAX 3600.0

/* Takes up to `max` entries that are due: highest priority first, then by `order`. They are `working` until finished or
 * put back. *n may be 0. Free each with store_job_free. */
bool store_queue_take(struct catalogue *catalogue, enum queue_order order, struct store_job *jobs, size_t max,
                      size_t *n, struct error *error);
void store_job_free(struct store_job *job);

/* Puts up to `max` files into the queue that have a current result of `plugin` with outcome `skipped` and exactly this
 * `reason`. *n: how many. */
bool store_queue_skipped(struct catalogue *catalogue, const char *plugin, const char *reason, int64_t max, int64_t *n,
                         struct error *error);

/* Puts a taken entry back, due after `delay` seconds (at most STORE_PUT_OFF_MAX); counts as an attempt. Nothing happens where
 * there is no entry any more, because the file is `missing` by now. */
bool store_queue_return(struct catalogue *catalogue, int64_t file, double delay, struct error *error);

/* At start: whatever was under way when the last engine died is due again, and counted as interrupted. */
bool store_queue_recover(struct catalogue *catalogue, int64_t *recovered, struct error *error);

struct queue_counts {
    int64_t waiting, working;
    int64_t bytes; /* of the files waiting */
};
bool store_queue_count(struct catalogue *catalogue, struct queue_counts *counts, struct error *error);

/* ------------------------------------------------------------------------------------- contents, audio and regions */

struct store_region {
    int64_t region;                 /* id (output) */
    int64_t start, end;             /* frames, padded, end exclusive */
    int64_t sound_start, sound_end; /* frames, where the sound itself is */
    int32_t part, parts;            /* 0-based part of so many of one long stretch */
};

struct store_waveform {
    const char *kind; /* "overview" or "zoom" */
    int32_t channels; /* 1 or 2 */
    int32_t points;
    const int16_t *peaks; /* points * channels triples min, max, RMS */
};

/* What a decoder found out about a file. */
struct store_scan {
    const char *bytes_hash, *audio_hash;
    int64_t size;           /* bytes */
    int64_t rate, channels; /* Hz; native */
    int64_t frames;
    const char *facts; /* JSON object: `facts` of the protocol */
    const char *decoder, *decoder_version;
    const char *segmenter; /* identity text: segmenter and its parameters */
    int64_t nonfinite;     /* samples that were NaN or infinite */
    const char *warnings;  /* JSON array of texts, or NULL */
    struct store_region *regions;
    size_t regions_count;
    const struct store_waveform *waveforms;
    size_t waveforms_count;
};

/* Stores a scan for `file` and ties them together. Known bytes or known audio keep their ids; regions that are there
 * already (same segmenter, decoder version and frames) keep theirs, and with them results, tags and edits; regions of
 * an older segmentation become history. Known bytes that are another audio now take the users' words along (words.h). Fills
 * in the ids in scan->regions, content and audio. `known` is true when the audio was there already with exactly these
 * regions. */
bool store_scan(struct catalogue *catalogue, int64_t file, struct store_scan *scan, int64_t *content, int64_t *audio,
                bool *known, struct error *error);

/* ---------------------------------------------------------------------------------------------------------- results */

struct store_array {
    const char *name, *dtype, *unit; /* dtype: "f32", "f64", "i32", "u8" */
    uint32_t dimensions;             /* 1 to 4 */
    uint64_t shape[4];
    double hop, start; /* s; start counts from the start of the file */
    const void *data;
    size_t bytes;
};

struct store_result {
    int64_t region;
    const char *plugin, *version; /* id and version */
    const char *identity;
    const char *outcome;    /* schema/outcomes.md */
    const char *reason;     /* or NULL */
    const char *json;       /* the result, instants already from the start of the file; NULL unless ok */
    const char *interfaces; /* JSON array of "id/major" that it provides, or NULL */
    const char *inputs;     /* JSON object: interface -> {plugin, identity} that it read, or NULL */
    const char *sandbox;    /* JSON, or NULL when as the run says */
    int64_t run;
    int64_t cpu_us, wall_us, peak_bytes; /* -1: not measured */
    const struct store_array *arrays;
    size_t arrays_count;
};

/* Stores an outcome. It becomes the current one of its plugin on this region; one of another identity stays as history.
 */
bool store_result(struct catalogue *catalogue, const struct store_result *result, int64_t *analysis,
                  struct error *error);

/* The current outcome of `plugin` on `region`, if any, becomes history: another plugin speaks in its place. */
bool store_result_retire(struct catalogue *catalogue, int64_t region, const char *plugin, struct error *error);

/* A current outcome read back. */
struct store_known {
    int64_t analysis; /* id */
    int64_t region;
    char *plugin, *version, *identity, *outcome;
    char *reason, *json; /* or NULL */
};
struct store_known_list {
    struct store_known *items;
    size_t n;
};
void store_known_free(struct store_known_list *list);

/* All current outcomes of a region; with `json` false the JSON stays where it is (NULL). */
bool store_known_region(struct catalogue *catalogue, int64_t region, bool json, struct store_known_list *list,
                        struct error *error);
/* The same for all current regions of an audio. */
bool store_known_audio(struct catalogue *catalogue, int64_t audio, bool json, struct store_known_list *list,
                       struct error *error);

/* The arrays of a stored result. */
struct store_array_list {
    struct store_array *items; /* with texts and data of their own */
    size_t n;
};
bool store_arrays_load(struct catalogue *catalogue, int64_t analysis, struct store_array_list *list,
                       struct error *error);
void store_arrays_free(struct store_array_list *list);

/* Whether nothing new is to be begun: said by `sonde pause`, and true until `sonde resume`, whatever engine runs. */
bool store_pause(struct catalogue *catalogue, bool pause, struct error *error);
bool store_paused(struct catalogue *catalogue, bool *paused, struct error *error);

/* What decides which results every file should have now: those that were done under another profile are stale. */
bool store_profile(struct catalogue *catalogue, const char *profile, struct error *error);

/* ---------------------------------------------------------------------------------------------------------- plugins */

struct store_plugin {
    const char *plugin; /* id */
    const char *version;
    const char *library;    /* path */
    const char *hash;       /* of the library */
    const char *descriptor; /* JSON object, as the protocol has it */
    const char *schema;     /* JSON object or NULL; its x-summary rules make the summaries */
    bool bundled;
    bool enabled;
    const char *state;  /* "ready", "standby", "refused", "open" (circuit), "disabled" */
    const char *reason; /* or NULL */
};

/* Registers a plugin, or brings its row up to date. */
bool store_plugin(struct catalogue *catalogue, const struct store_plugin *plugin, struct error *error);
/* Marks plugins that are not in the list as not enabled, and says why (their results stay). */
bool store_plugins_only(struct catalogue *catalogue, const char *const *plugins, size_t n, struct error *error);
bool store_plugin_state(struct catalogue *catalogue, const char *plugin, const char *state, const char *reason,
                        struct error *error);

/* --------------------------------------------------------------------------------------------- incidents and strikes
 */

struct store_incident {
    int64_t run;
    const char *kind;     /* "crashed", "timeout", "memory", "violation", "failed", or "killed" (from outside) */
    const char *plugin;   /* or NULL */
    int64_t file, region; /* or 0; one whose row is gone counts as 0 */
    const char *identity; /* or NULL */
    const char *reason;   /* a sentence */
    const char *detail;   /* JSON object (signal, phase, system call, the worker's last words ...), or NULL */
    bool strike;          /* counts against `identity` */
};
bool store_incident(struct catalogue *catalogue, const struct store_incident *incident, int64_t *id,
                    struct error *error);

/* Strikes against an identity so far; two mean quarantine. */
bool store_strikes(struct catalogue *catalogue, const char *identity, int64_t *strikes, struct error *error);

/* Forgets strikes, of one plugin or (NULL) of all. */
bool store_strikes_clear(struct catalogue *catalogue, const char *plugin, struct error *error);

/* For `sonde plugin reset`: forgets the plugin's strikes, and its circuit is open no more. Any other state is not for its dying,
 * and stays. */
bool store_plugin_reset(struct catalogue *catalogue, const char *plugin, struct error *error);

#endif
