/* Inside the host: one plugin on one region. host.c keeps the list, run.c makes the calls. */
#ifndef SONDE_HOST_RUN_H
#define SONDE_HOST_RUN_H

#include "workers/host/host.h"
#include "workers/host/spectrum.h"

/* The host as its parts see it. */
struct host {
    struct host_hooks hooks;
    struct environment environment;
    struct library **libraries;
    size_t libraries_count;
    struct host_plugin **plugins;
    size_t plugins_count;
    struct spectrum_plans plans;
    bool twins;          /* host_use_twins */
    const char *current; /* id of the plugin that is being called, or "" */
    char last_line[500]; /* the last line it logged during this call or the ones before, on this region */
    /* The region: */
    const sonde_region_t *region;
    struct run *runs;
    size_t runs_count;
    size_t *sorted; /* indices of runs, in the order of finishing */
    struct feed *feed;
    const struct host_input *inputs;
    size_t inputs_count;
    int64_t region_cpu_ns; /* in host_region_..., plugins' calls included */
};

struct run {
    struct host *host;
    struct host_plugin *plugin;
    bool running; /* begun, and neither finished nor abandoned */
    bool early;   /* inside begin: only EARLY needs are readable */
    bool broken;  /* its instance must be made anew */
    bool twinned; /* its twin has begun too */
    struct host_result result;
    struct writer writer;
    sonde_inputs_t inputs;
    char last_line[500];
    int64_t held, held_before, rss_before; /* heap; the process's peak of resident memory; bytes */
    int64_t cpu_from, wall_from;
};

/* Where the result of a needed interface is, or why there is none. */
struct source {
    const char *provider; /* NULL: nobody offers the interface here */
    const char *outcome, *reason;
    const struct run *run;          /* made in this pass */
    const struct host_input *input; /* or in an earlier one */
};

/* Looks a need up; a source with neither run nor input has no result. */
struct source run_source(const struct run *run, const sonde_need_t *need);

/* Adds to a sentence what the library or plugin logged last, if anything. */
void host_add_last_line(const struct host *host, struct error *error);

/* Sets the run's outcome; the reason is made clean. */
void run_end(struct run *run, int outcome, const char *reason);

/* Skips the run when a required need isn't met; true when it is skipped. */
bool run_skip(struct run *run, bool at_finish);

/* The calls. Each takes care of accounting, hooks, environment, return values and their consequences. */
void run_begin(struct run *run);
bool run_process(struct run *run, const sonde_block_t *block); /* false: no more blocks */
void run_finish(struct run *run);
void run_abandon(struct run *run);

/* The same calls for the plugin's twin, if it has one (twin.c). */
void twin_begin(struct run *run);
void twin_process(struct run *run, const sonde_block_t *block);
void twin_finish(struct run *run);
void twin_abandon(struct run *run);

/* Around every call of a plugin. */
void run_enter(struct host *host, const char *plugin, enum host_phase phase);
void run_leave(struct run *run);

/* Makes the instance of a plugin, or records why not. And destroys it. */
void plugin_create(struct host *host, struct host_plugin *plugin);
void plugin_destroy(struct host *host, struct host_plugin *plugin);

#endif
