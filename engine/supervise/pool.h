/* Workers of one kind, kept ready: started when wanted, replaced when they die, recycled when they are old or fat.
 *
 * A worker at work sits in a seat. Whoever takes a seat owns it until pool_release or until `died`, whichever comes first.
 * Failed starts back off (restart.h); deaths at work don't, for whoever gives the work sees to those. A worker that says "do not respawn", or five in a row that die before they are ready, close
 * the pool for good (`closed`). Loop thread only. */
#ifndef SONDE_SUPERVISE_POOL_H
#define SONDE_SUPERVISE_POOL_H

#include "engine/supervise/blame.h"
#include "engine/supervise/worker.h"

struct pool;

struct seat {
    struct pool *pool;
    struct worker *worker;
    void *job;          /* the taker's own */
    uint64_t jobs_done; /* before this one, in this worker's life */
    bool taken;
    unsigned strays; /* the taker's own: counts from 0 whenever it is taken */
    unsigned told;   /* messages before it was ready */
    struct seat *next;
};

struct pool_events {
    void (*available)(void *context, struct pool *pool); /* pool_take may succeed now */
    void (*message)(void *context, struct seat *seat, const char *type, cJSON *message);
    /* A worker that isn't ready yet tells of what it loads; may kill it. May be NULL. */
    void (*loading)(void *context, struct seat *seat, const char *type, const cJSON *message);
    /* The worker of a taken seat died; the seat is gone after the call. */
    void (*died)(void *context, struct seat *seat, const struct worker_death *death, const struct blame *blame);
    /* A worker died outside of any job. */
    void (*died_idle)(void *context, struct pool *pool, const struct worker_death *death, const struct blame *blame);
    void (*closed)(void *context, struct pool *pool,
                   const char *sentence);                           /* no worker will ever come; nothing is taken */
    void (*started)(void *context, struct pool *pool, int64_t pid); /* may be NULL */
    void (*often)(void *context, struct pool *pool, unsigned deaths, double seconds); /* more deaths than is normal */
};

struct pool_spec {
    uv_loop_t *loop;
    const char *name; /* for people: "decoder", "bundled plugins", "org.example.loudness" */
    const char *binary, *role, *folder;
    cJSON *settings;  /* the pool's own from pool_new on, also when that fails */
    unsigned workers; /* at most so many at once */
    double hello_deadline, load_deadline;
    uint64_t memory_limit;
    uint64_t jobs_per_worker; /* then it is replaced */
    uint64_t *numbers;        /* counts workers over all pools */
    const struct pool_events *events;
    void *context;
    void *owner; /* the taker's own: which group this is */
};

struct pool *pool_new(const struct pool_spec *spec, struct error *error);

const char *pool_name(const struct pool *pool);
void *pool_owner(const struct pool *pool);
bool pool_is_closed(const struct pool *pool);
/* Why it is closed. */
const char *pool_closed_reason(const struct pool *pool);

/* A ready worker for a job, or NULL: then one is started if there is room, and `available` tells when to ask again.
 * `fresh`: one that has done no job yet. */
struct seat *pool_take(struct pool *pool, bool fresh);

/* The job is over and the worker is well. `last`: it has served its time (after a job that ran alone). */
void pool_release(struct seat *seat, bool last);

/* Gives a seat back that was not used after all. */
void pool_untake(struct seat *seat);

/* Ends all workers, politely where they are idle. `freed` is called when the last one is gone, and the pool with it. */
void pool_free(struct pool *pool, void (*freed)(void *context), void *context);

#endif
