/* What the parts of the scheduler share: the engine, the files under way, their regions, and the jobs of workers.
 *
 * A file goes: taken from the queue -> opened (file.c) -> scanned by a decoder (scan.c) -> stored -> its regions analysed
 * (analysis.c plans jobs, job.c has them done, result.c checks) -> looked at once more -> finished. All state belongs to the
 * loop thread; what the writer's thread needs travels in records (records.c). Private to engine/schedule. */
#ifndef SONDE_SCHEDULE_STATE_H
#define SONDE_SCHEDULE_STATE_H

#include "engine/catalogue/store.h"
#include "engine/catalogue/writer.h"
#include "engine/errands/errands.h"
#include "engine/ipc/run_folder.h"
#include "engine/schedule/chunks.h"
#include "engine/schedule/discovery.h"
#include "engine/schedule/engine.h"
#include "engine/schedule/ids.h"
#include "engine/schedule/opener.h"
#include "engine/schedule/probe.h"
#include "engine/schedule/registry.h"
#include "engine/schedule/task.h"
#include "engine/supervise/breaker.h"
#include "engine/supervise/pool.h"

#define WINDOW       2  /* chunks under way to one analyser */
#define FILES_AHEAD  8  /* files opened beyond those that keep the workers busy */
#define GUESTS_MAX   96 /* and so many that slow or hanging plugins of others have still to hear */
#define TAKE_MAX     32 /* queue entries held beyond that */
#define ATTEMPTS_MAX 5  /* so often a file that keeps changing is begun again */
#define STARVATIONS_MAX                                                                                                \
    8 /* so often the system may have no room for what is sent about a file; then the file waits ... */
#define STARVED_SECONDS       2.0  /* ... so long, or for the next run */
#define OUTSIDE_KILLS_MAX     3    /* then a job runs alone, and what happens there counts ... */
#define OUTSIDE_KILLS_GIVE_UP 8    /* ... but for decoders, whose file is given up after so many, until the next run */
#define STRIKES_MAX           2    /* then a result is quarantined */
#define STRAYS_MAX            8    /* answers to anything but its job, while that lasts; then the worker is ended */
#define AWAY_MAX              10   /* so often a file whose disk isn't there, or doesn't answer, is waited for ... */
#define AWAY_SECONDS          60.0 /* ... so long, before it counts as missing, or failed */

/* Of entries of the queue. */
#define PRIORITY_ASKED 100 /* somebody waits for it */
#define PRIORITY_NEW   0
#define PRIORITY_AGAIN -100 /* it has results, of other plugins than there are now */

/* ------------------------------------------------------------------------------------------------------------ results */

enum result_state {
    RESULT_PENDING,
    RESULT_RUNNING,
    RESULT_OVER,
};

/* One array of a result, copied out of the worker's memory. */
struct array {
    char *name;
    char dtype[4], *unit;
    uint32_t dimensions;
    uint64_t shape[4];
    double hop, start; /* start: s from the start of the region */
    void *data;
    uint64_t bytes;
    int sealed; /* its sealed memory file, which plugins in other processes map, plus 1; 0: nobody has needed it yet */
};

/* What became of one plugin on one region. */
struct result {
    enum result_state state;
    bool known;         /* it was in the catalogue already */
    bool passing;       /* its outcome is no lasting one: the file is to be looked at again in another run */
    bool next_provider; /* it was skipped for want of an input that another provider may still give */
    char identity[HASH_TEXT];
    char outcome[16];
    char *reason;
    char *inputs; /* JSON: interface -> {plugin, identity}; NULL: it read nothing */
    cJSON *json;  /* relative to the region, kept as long as somebody of the region may read it; NULL: none */
    struct array *arrays;
    size_t arrays_count;
    bool loaded; /* json and arrays are here (or there are none) */
    int64_t cpu_us, wall_us, peak_bytes;

    /* From the catalogue, when the region was set up. */
    bool had; /* there was a current outcome ... */
    int64_t had_analysis;
    char had_identity[HASH_TEXT];
    char had_outcome[16];
    int64_t strikes; /* ... and so many strikes against its identity */
};

struct region {
    struct store_region frames;
    uint32_t index;
    char identity[HASH_TEXT];
    struct result *results; /* one a plugin of the registry; NULL before the region is begun and after it is over */
    size_t open;            /* results not over */
    bool heard;             /* none of these is of a bundled plugin */
    unsigned jobs;          /* under way */
    unsigned loading;       /* results being read from the catalogue */
    unsigned outside_kills;
    bool read_failed; /* its audio could not be read a second time, once */
    bool *alone;      /* a flag a group: its members run one by one */
    bool done;
};

/* -------------------------------------------------------------------------------------------------------------- files */

enum file_stage {
    STAGE_TAKEN, /* waiting to be opened */
    STAGE_OPENING,
    STAGE_OPENED, /* waiting for a decoder */
    STAGE_SCANNING,
    STAGE_WAITING, /* for another file with the same bytes */
    STAGE_STORING, /* the scan is on its way into the catalogue */
    STAGE_ANALYSING,
    STAGE_LEAVING,   /* back to the queue, as soon as its jobs are over */
    STAGE_LOOKING,   /* whether it has changed meanwhile */
    STAGE_FINISHING, /* on its way into the catalogue for good */
};

struct job;

struct file {
    struct engine *engine;
    struct file *next; /* in order of arrival, but for those that let others first */
    enum file_stage stage;
    struct store_job entry; /* of the queue */
    char *display, *name;   /* of the path, and of its last part */
    char *path_hex;         /* as in engine_file */
    bool force;
    bool alone;     /* nothing else may run meanwhile, and workers are fresh: engines or decoders have died on it */
    bool fell_back; /* a decoder died on it: now it gets a fresh one */
    bool by_ffmpeg; /* it gets a decoder that has loaded FFmpeg's libraries, which take a while to load */
    int fd;
    struct store_stat stat;
    unsigned outside_kills;
    unsigned starvations;
    bool incomplete; /* some results are passing ones, or it failed for a passing reason */
    bool gone;       /* while it was analysed */

    /* The scan. */
    struct seat *decoder;
    struct job *scan;
    char bytes_hash[HASH_TEXT];
    struct chunk **chunks; /* the whole file when kept, sealed once it was scanned */
    size_t chunks_count;
    bool kept;
    cJSON *facts;
    char *decoder_name, *decoder_version, *segmenter;
    char audio_hash[HASH_TEXT];
    uint32_t rate, channels;
    int64_t frames;
    int64_t content;

    struct region *regions;
    size_t regions_count, regions_done, first_open;
    size_t regions_heard;             /* by all bundled plugins, those that are done included */
    double duration, work, work_done; /* s: of the file; of its regions; of those that are done */
    unsigned jobs;
    uint32_t results_failed, results_unrun;
};

/* --------------------------------------------------------------------------------------------------------------- jobs */

enum job_kind { JOB_SCAN, JOB_ANALYSE };

/* One conversation about one file or region. Answers that carry another job or nonce are dropped, STRAYS_MAX of them. */
struct job {
    enum job_kind kind;
    struct engine *engine;
    struct file *file;
    int64_t id, nonce;

    /* Scan, and the reading half of an analysis whose audio isn't kept. */
    struct seat *reader;
    struct chunk *filling; /* with the decoder */
    int64_t filling_serial;
    int64_t wanted_serial; /* a fill that waits for the budget; -1: none */
    uint64_t wanted_bytes;
    bool gave_up_keeping;
    bool unasked; /* `filling` was given before it was asked for, and hasn't been asked for yet */
    bool identified;
    int64_t read_position; /* next frame to come */

    /* Analysis. */
    struct region *region;
    size_t group;
    bool alone;    /* one plugin, in a fresh worker */
    bool *members; /* one flag a plugin */
    size_t members_count;
    struct seat *seat;
    struct chunk *queue[WINDOW]; /* read and not sent */
    size_t queued;
    struct chunk *sent[WINDOW];
    size_t next_kept;       /* of file->chunks */
    int64_t position;       /* next frame to send */
    struct result *results; /* of the members, one a plugin: taken over only when the job ends well */
    bool analysed;
    bool *trials; /* one flag a plugin: its circuit is half-open, and this job tells whether it works again */
    struct job *next;
};

/* ------------------------------------------------------------------------------------------------------------- engine */

struct group {
    struct engine *engine;
    size_t index;
    struct pool *pool;
};

/* What belongs to a plugin during a run. */
struct plugin_run {
    struct breaker breaker;
    bool isolated; /* a bundled plugin whose circuit opened runs in a process of its own */
};

struct walk;
struct sweep;

/* What is to be done with a path that was named. */
struct intent {
    struct engine_task *task; /* or NULL */
    bool force, retry;
    bool
        sweep; /* `wanted` is asked, rules are read, and what is gone is looked for also where the path itself is gone */
    int64_t priority;
};

/* How fast it has been: sums over the time in which there was work, halved now and then. */
struct pace {
    double busy, files, bytes, audio, last; /* s, number, bytes, s; loop time of the last look */
};

struct engine {
    struct engine_options options; /* only the plain values are valid after engine_new */
    struct engine_events events;
    void *user;
    uv_loop_t loop;
    uv_async_t stop_async;
    uv_timer_t progress_timer, drain_timer, disk_timer;
    uv_prepare_t prepare;
    unsigned handles;
    bool loop_ready, stopping, running, failed, dirty;
    bool paused, draining;
    char full[300];                          /* why nothing new is begun for want of disk space; "": there is enough */
    char *catalogue_folder, *catalogue_path; /* both without links */
    struct error failure;

    char *worker_binary, *cache_folder;
    cJSON *settings, *params, *segment;
    struct run_folder folder;
    bool folder_open;
    char build[128], dsp[32];                           /* version of the workers, and of what they give to plugins */
    char profile[HASH_TEXT], failed_profile[HASH_TEXT]; /* of files that are done or empty; of those that failed */
    uint64_t worker_numbers;
    int64_t job_numbers, nonces;
    int64_t run;

    struct registry *registry;
    struct plugin_run *plugins; /* one a plugin */
    struct group *groups;       /* one a group */
    struct pool *decoders[2];   /* without FFmpeg's libraries, and with them */
    struct chunks chunks;
    struct errands *errands;
    struct opener *opener;
    struct writer *writer;
    bool unwritable; /* the writer waits until the catalogue can be written to again */

    struct walk *walk;
    struct sweep *sweeping; /* those that compare; so many */
    size_t sweeps;
    struct engine_task *tasks;
    struct file *files, **files_end; /* under way, oldest first */
    size_t files_count;
    struct job *jobs; /* analyses under way, oldest first */
    bool taking, queue_empty;
    uv_timer_t due_timer;     /* files put back are due then */
    bool due;                 /* it runs */
    uv_timer_t circuit_timer; /* a plugin has rested long enough then */
    unsigned closing;         /* pools and others that are still going away */

    struct engine_progress progress;
    struct pace pace;
    struct engine_looks looks;
    bool progress_changed;
};

/* engine.c */
void engine_wake(struct engine *engine); /* something has changed: plan again before the loop sleeps */
void engine_fail(struct engine *engine, const struct error *error);
void engine_fail_memory(struct engine *engine); /* for want of it */
void engine_warn(struct engine *engine, const char *format, ...) __attribute__((format(printf, 2, 3)));
void engine_changed(struct engine *engine); /* the progress has */
void engine_report_incident(struct engine *engine, const char *plugin, const struct blame *blame,
                            const struct file *file, bool strike);

/* run.c: starts the writer (which takes the catalogue over in any case) and the record of this run, and takes up what earlier
 * ones left behind; runs the loop until that is done */
bool run_open(struct engine *engine, struct catalogue *catalogue, const char *sandbox, struct error *error);

/* hold.c: when nothing new is begun: paused, draining, disk full; and how fast it goes */
bool hold_open(struct engine *engine, const struct catalogue *catalogue, struct error *error);
void hold_begin(struct engine *engine);
void hold_end(struct engine *engine);
void hold_note_file(struct engine *engine, const struct file *file);
void hold_tick(struct engine *engine); /* ten times a second */

/* take.c: out of the queue */
void take_pump(struct engine *engine);

/* sweep.c: what is known below a folder and isn't there any more */
struct sweep *sweep_new(struct engine *engine, struct engine_task *task); /* NULL: out of memory */
void sweep_add_folder(struct sweep *sweep, const char *folder);
void sweep_leave_out(struct sweep *sweep, const char *folder); /* what is below it isn't compared */
void sweep_saw(struct sweep *sweep, int64_t file);
void sweep_compare(struct sweep *sweep); /* its walk is over: from here on it looks after itself */
void sweep_free(struct sweep *sweep);    /* NULL is fine */

/* task.c */
void task_ref(struct engine_task *task);
void task_unref(struct engine_task *task);
void task_file_known(struct engine_task *task, const struct engine_file *file); /* nothing is to be done */
void task_file_queued(struct engine_task *task, int64_t file);
void task_file_over(struct engine *engine, int64_t file, const struct engine_file *event);

/* intake.c: paths into the queue */
bool intake_add(struct engine *engine, const char *path, size_t n, const struct intent *intent);
bool intake_tell(struct engine *engine, const char *from, const char *to, bool folder); /* moved, or (`to` NULL) gone */
void intake_tell_vanished(const struct engine *engine, const char *path);               /* to whoever listens */
void intake_pump(struct engine *engine);
bool intake_is_over(const struct engine *engine);
void intake_free(struct engine *engine);

/* file.c: a file's way, but for the conversations */
void file_pump(struct engine *engine);
struct file *file_new(struct engine *engine, struct store_job *entry); /* takes the entry */
void file_scan_failed(struct file *file, const char *reason);          /* for good */
void file_let_others_first(struct file *file);                         /* at the end of those in hand */
void file_again(struct file *file);                                    /* from its opening on */
void file_known(struct file *file, bool has_regions);                  /* nothing to do but to link it */
bool file_is_twin(
    const struct file *file);         /* another one with the same bytes came first: one analysis will do for both */
void file_scanned(struct file *file); /* its facts and regions are filled in */
bool file_is_under_way(const struct file *file); /* it was scanned: its work is in the audio_total of progress */
/* How many files only plugins of others still have to hear, GUESTS_MAX at most: they hold up nobody behind them. */
size_t file_count_guests(const struct engine *engine);
void file_region_done(struct file *file, struct region *region);
void file_put_back(struct file *file, double delay);
void file_starved(struct file *file,
                  const char *reason); /* its worker was (blame.h); after the job has been taken back */
void file_free(struct file *file);

/* scan.c: the conversation with a decoder about a file */
bool scan_start(struct file *file, struct seat *seat);
void scan_message(struct job *job, const char *type, cJSON *message);
void scan_died(struct job *job, const struct worker_death *death, const struct blame *blame);

/* reading.c: the budget's side of both conversations with decoders */
struct chunk *reading_give(struct job *job, int64_t serial, uint64_t bytes, struct error *error);
bool reading_take(struct job *job, const cJSON *message, struct chunk **chunk, int64_t *start, uint64_t *frames);
bool reading_start(struct job *job, struct seat *seat);
void reading_message(struct job *job, const char *type, cJSON *message);
void reading_died(struct job *job, const struct worker_death *death, const struct blame *blame);
void reading_pump(struct engine *engine);

/* analysis.c: which plugins run next on which region */
void analysis_pump(struct engine *engine);
void analysis_over(struct file *file, struct region *region, size_t plugin); /* a result is over: store, and go on */

/* job.c: the conversation with an analyser */
bool job_start(struct file *file, struct region *region, size_t group, bool alone, const bool *members,
               struct seat *seat, struct seat *reader);
void job_message(struct job *job, const char *type, cJSON *message);
void job_died(struct job *job, const struct worker_death *death, const struct blame *blame);
void job_send_chunks(struct job *job);
void job_drop(struct job *job, const char *why);            /* its file is given up; workers are killed */
void job_fail_reading(struct job *job, const char *reason); /* NULL: for no reason of its own */
void job_end_when_done(struct job *job);                    /* its reading is over */

/* result.c */
bool result_check(struct engine *engine, struct job *job, const cJSON *message, struct error *error);
void result_set(struct result *result, const char *outcome, const char *reason);
void result_clear(struct result *result);
bool result_is_usable(const struct result *result); /* ok: others can read it */
bool result_is_lasting(const char *outcome);        /* not to be tried again for this identity */
bool result_is_failure(const char *outcome);

/* circuit.c: plugins that died too often rest, and try again */
void circuit_died(struct engine *engine, size_t plugin, const struct file *file);
void circuit_survived(struct engine *engine, size_t plugin, const struct file *file);
bool circuit_allows(struct engine *engine, size_t plugin);
#define CIRCUIT_OPEN "its circuit is open, for it has died too often (sonde status)"

/* records.c: what is posted to the writer */
bool record_results(struct file *file, struct region *region, const size_t *plugins, size_t count);
bool record_retired(struct engine *engine, const struct region *region, size_t plugin); /* what it said is history */
void record_incident(struct engine *engine, const struct worker_death *death, const struct blame *blame,
                     const char *plugin, const struct file *file, const struct region *region, const char *identity,
                     bool strike);

#endif
