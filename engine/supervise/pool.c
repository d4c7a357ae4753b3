#include "engine/supervise/pool.h"

#include "engine/base/json.h"
#include "engine/supervise/restart.h"

#include <stdio.h>
#include <stdlib.h>
#include <string.h>

#define STARTS_MAX        5    /* failed starts in a row, then the pool closes */
#define OFTEN_DEATHS      10   /* within ... */
#define OFTEN_SECONDS     60.0 /* ... this: worth saying */
#define MEMORY_CHECK_JOBS 64   /* how often a worker's memory is looked at */

struct pool {
    struct pool_spec spec;
    char *name, *binary, *folder;
    struct seat *seats; /* one for each worker alive */
    unsigned alive;
    unsigned libraries; /* that each of them loads */
    bool wanted;        /* somebody asked and got nothing */
    struct backoff backoff;
    struct intensity intensity;
    unsigned failed_starts;
    bool is_closed, freeing, timer_closed;
    char reason[512];
    uv_timer_t timer;
    uint64_t random;
    void (*freed)(void *context);
    void *freed_context;
};

static double now(void) {
    return (double)uv_hrtime() / 1e9;
}

/* xorshift64*, only ever used to spread restarts. */
static double random_unit(struct pool *pool) {
    pool->random ^= pool->random >> 12;
    pool->random ^= pool->random << 25;
    pool->random ^= pool->random >> 27;
    return (double)((pool->random * 0x2545f4914f6cdd1dULL) >> 11) / 9007199254740992.0;
}

static void free_when_done(struct pool *pool) {
    if (!pool->freeing || pool->alive > 0 || !pool->timer_closed) return;
    void (*freed)(void *) = pool->freed;
    void *context = pool->freed_context;
    cJSON_Delete(pool->spec.settings);
    free(pool->name);
    free(pool->binary);
    free(pool->folder);
    free(pool);
    if (freed) freed(context);
}

static void on_timer_closed(uv_handle_t *handle) {
    struct pool *pool = handle->data;
    pool->timer_closed = true;
    free_when_done(pool);
}

static void close_pool(struct pool *pool, const char *sentence) {
    if (pool->is_closed) return;
    pool->is_closed = true;
    (void)snprintf(pool->reason, sizeof pool->reason, "%s", sentence);
    pool->spec.events->closed(pool->spec.context, pool, pool->reason);
}

/* ------------------------------------------------------------------------------------------------------ worker events */

static void start(struct pool *pool);

static void on_ready(struct worker *worker, const cJSON *message) {
    (void)message;
    struct seat *seat = worker_context(worker);
    struct pool *pool = seat->pool;
    pool->failed_starts = 0;
    backoff_succeeded(&pool->backoff);
    if (!pool->freeing) pool->spec.events->available(pool->spec.context, pool);
}

static void on_message(struct worker *worker, const char *type, cJSON *message) {
    struct seat *seat = worker_context(worker);
    struct pool *pool = seat->pool;
    if (seat->taken)
        pool->spec.events->message(pool->spec.context, seat, type, message);
    else if (worker_is_ready(worker))
        worker_break_protocol(worker, "spoke without having been asked");
    else if (seat->told++ >= pool->libraries)
        worker_break_protocol(worker, "it tells of more than it was to load");
    else if (worker_is_usable(worker) && pool->spec.events->loading)
        pool->spec.events->loading(pool->spec.context, seat, type, message);
}

static void remove_seat(struct seat *seat) {
    struct pool *pool = seat->pool;
    for (struct seat **at = &pool->seats; *at; at = &(*at)->next) {
        if (*at != seat) continue;
        *at = seat->next;
        break;
    }
    pool->alive--;
    free(seat);
}

static void note_death(struct pool *pool, const struct worker_death *death, const struct blame *blame) {
    if (blame->asked || blame->starved) return;
    if (intensity_exceeded(&pool->intensity, now())) {
        pool->spec.events->often(pool->spec.context, pool, OFTEN_DEATHS, OFTEN_SECONDS);
        pool->intensity.count = 0;
    }
    if (death->was_ready) return;
    if (blame->from_outside) { /* that says nothing about the next one */
        pool->backoff.not_before = now() + BACKOFF_FIRST;
        return;
    }
    backoff_failed(&pool->backoff, now(), random_unit(pool));
    pool->failed_starts++;
    if (blame->refused) {
        close_pool(pool, blame->reason);
    } else if (pool->failed_starts >= STARTS_MAX) {
        char sentence[400];
        (void)snprintf(sentence, sizeof sentence, "%u workers in a row could not be started; the last one %.300s",
                       pool->failed_starts, blame->reason);
        close_pool(pool, sentence);
    }
}

static void on_died(struct worker *worker, const struct worker_death *death) {
    struct seat *seat = worker_context(worker);
    struct pool *pool = seat->pool;
    const struct pool_events *events = pool->spec.events;
    struct blame blame;
    blame_judge(death, pool->spec.memory_limit, &blame);
    if (!pool->freeing) note_death(pool, death, &blame);
    if (!pool->freeing && seat->taken)
        events->died(pool->spec.context, seat, death, &blame);
    else if (!pool->freeing && !blame.asked && !blame.starved)
        events->died_idle(pool->spec.context, pool, death, &blame);
    remove_seat(seat);
    if (!pool->freeing && pool->wanted) start(pool);
    free_when_done(pool);
}

static const struct worker_events worker_calls = {NULL, on_ready, on_message, on_died};

/* ------------------------------------------------------------------------------------------------------------- starting */

static void start_now(struct pool *pool) {
    struct seat *seat = calloc(1, sizeof *seat);
    struct error error = {0};
    if (!seat) return;
    seat->pool = pool;
    struct worker_spec spec = {
        .loop = pool->spec.loop,
        .binary = pool->binary,
        .role = pool->spec.role,
        .folder = pool->folder,
        .settings = pool->spec.settings,
        .hello_deadline = pool->spec.hello_deadline,
        .load_deadline = pool->spec.load_deadline,
        .events = &worker_calls,
        .context = seat,
    };
    seat->worker = worker_start(&spec, ++*pool->spec.numbers, &error);
    if (!seat->worker) {
        free(seat);
        backoff_failed(&pool->backoff, now(), random_unit(pool));
        if (++pool->failed_starts >= STARTS_MAX) close_pool(pool, error.text);
        return;
    }
    seat->next = pool->seats;
    pool->seats = seat;
    pool->alive++;
    if (pool->spec.events->started) pool->spec.events->started(pool->spec.context, pool, worker_pid(seat->worker));
}

static void on_timer(uv_timer_t *timer) {
    struct pool *pool = timer->data;
    if (pool->wanted && !pool->freeing) start(pool);
}

/* Starts a worker, or arranges for it when it must wait. */
static void start(struct pool *pool) {
    if (pool->is_closed || pool->alive >= pool->spec.workers) return;
    double wait = backoff_wait(&pool->backoff, now());
    if (wait <= 0) {
        unsigned before = pool->alive;
        pool->wanted = false;
        start_now(pool);
        if (pool->alive > before || pool->is_closed) return;
        wait = backoff_wait(&pool->backoff, now());
        pool->wanted = true; /* whoever asked still waits: nobody will ask again */
    }
    (void)uv_timer_start(&pool->timer, on_timer, (uint64_t)(wait * 1000) + 1, 0);
}

struct pool *pool_new(const struct pool_spec *spec, struct error *error) {
    struct pool *pool = calloc(1, sizeof *pool);
    char *name = strdup(spec->name), *binary = strdup(spec->binary), *folder = strdup(spec->folder);
    if (!pool || !name || !binary || !folder) {
        free(pool);
        free(name);
        free(binary);
        free(folder);
        cJSON_Delete(spec->settings);
        error_memory(error);
        return NULL;
    }
    pool->spec = *spec;
    pool->name = name;
    pool->binary = binary;
    pool->folder = folder;
    pool->libraries = (unsigned)cJSON_GetArraySize(json_member(spec->settings, "libraries"));
    pool->intensity = (struct intensity){.limit = OFTEN_DEATHS, .period = OFTEN_SECONDS};
    pool->random = uv_hrtime() | 1;
    (void)uv_timer_init(spec->loop, &pool->timer);
    pool->timer.data = pool;
    return pool;
}

/* -------------------------------------------------------------------------------------------------------------- seats */

static struct seat *find_idle(struct pool *pool, bool fresh) {
    for (struct seat *seat = pool->seats; seat; seat = seat->next)
        if (!seat->taken && worker_is_ready(seat->worker) && (!fresh || seat->jobs_done == 0)) return seat;
    return NULL;
}

/* Whether a worker is on its way: starting, or making room for one that will. */
static bool is_coming(const struct pool *pool) {
    for (const struct seat *seat = pool->seats; seat; seat = seat->next)
        if (!seat->taken && !worker_is_ready(seat->worker)) return true;
    return false;
}

struct seat *pool_take(struct pool *pool, bool fresh) {
    if (pool->is_closed || pool->freeing) return NULL;
    struct seat *seat = find_idle(pool, fresh);
    if (seat) {
        seat->taken = true;
        seat->strays = 0;
        return seat;
    }
    pool->wanted = true;
    if (is_coming(pool)) return NULL;
    seat = fresh && pool->alive >= pool->spec.workers ? find_idle(pool, false) : NULL;
    if (seat)
        worker_quit(seat->worker); /* its death makes room for a fresh one */
    else
        start(pool);
    return NULL;
}

void pool_untake(struct seat *seat) {
    seat->taken = false;
    seat->job = NULL;
}

void pool_release(struct seat *seat, bool last) {
    struct pool *pool = seat->pool;
    seat->taken = false;
    seat->job = NULL;
    seat->jobs_done++;
    worker_clear_deadline(seat->worker);
    worker_clear_out(seat->worker);
    bool fat = pool->spec.memory_limit > 0 && seat->jobs_done % MEMORY_CHECK_JOBS == 0 &&
               worker_memory(seat->worker) > pool->spec.memory_limit / 2;
    if (last || fat || seat->jobs_done >= pool->spec.jobs_per_worker) {
        pool->wanted = true;
        worker_quit(seat->worker);
    }
}

void pool_free(struct pool *pool, void (*freed)(void *context), void *context) {
    pool->freeing = true;
    pool->freed = freed;
    pool->freed_context = context;
    struct seat *next = NULL;
    for (struct seat *seat = pool->seats; seat; seat = next) {
        next = seat->next;
        if (seat->taken)
            worker_kill(seat->worker, WORKER_KILL_UNWANTED, "the engine ends");
        else
            worker_quit(seat->worker);
    }
    uv_close((uv_handle_t *)&pool->timer, on_timer_closed);
}

const char *pool_name(const struct pool *pool) {
    return pool->name;
}

void *pool_owner(const struct pool *pool) {
    return pool->spec.owner;
}

bool pool_is_closed(const struct pool *pool) {
    return pool->is_closed;
}

const char *pool_closed_reason(const struct pool *pool) {
    return pool->reason;
}
