#include "engine/watch/looks.h"

#include "engine/errands/errands.h"

#include <math.h>
#include <stdlib.h>

enum {
    AT_ONCE = 2000, /* looks in a batch */
    THREADS = 16,   /* as many groups may hang before the others wait */
};

struct group {
    bool busy;
    unsigned turn; /* batches of an earlier turn don't count */
};

struct looks {
    uv_loop_t *loop;
    struct settle *settle;
    struct errands *errands;
    struct group *groups;
    size_t groups_count;
    void (*settled)(void *context, const char *path);
    void *context;
    void (*closed)(void *context);
    void *closed_context;
};

/* A batch on its way through a thread. */
struct errand {
    struct looks *looks;
    size_t group;
    unsigned turn;
    struct settle_batch *batch;
};

static double now(const struct looks *looks) {
    return (double)uv_now(looks->loop) / 1000.0;
}

static void take(struct looks *looks, struct settle_batch *batch) {
    settle_take(looks->settle, batch, now(looks), looks->settled, looks->context);
}

static void work(void *argument) {
    struct errand *errand = argument;
    settle_batch_look(errand->batch);
}

static void drop(void *argument) {
    struct errand *errand = argument;
    settle_batch_free(errand->batch);
    free(errand);
}

static void done(void *argument, bool returned) {
    if (!returned) return; /* only with a deadline */
    struct errand *errand = argument;
    struct looks *looks = errand->looks;
    size_t group = errand->group;
    bool counts = errand->turn == looks->groups[group].turn, more = errand->batch->n == AT_ONCE;
    if (counts) {
        looks->groups[group].busy = false;
        take(looks, errand->batch);
        errand->batch = NULL;
    }
    drop(errand);
    if (counts && more) looks_send(looks, group);
}

/* The group of that number; NULL: out of memory. */
static struct group *group_at(struct looks *looks, size_t group) {
    if (group < looks->groups_count) return &looks->groups[group];
    struct group *grown = realloc(looks->groups, (group + 1) * sizeof *grown);
    if (!grown) return NULL;
    looks->groups = grown;
    while (looks->groups_count <= group) looks->groups[looks->groups_count++] = (struct group){0};
    return &looks->groups[group];
}

void looks_send(struct looks *looks, size_t group) {
    static const struct errand_calls calls = {work, done, drop};
    struct group *of = group_at(looks, group);
    struct errand *errand = of && !of->busy ? malloc(sizeof *errand) : NULL;
    if (!errand) return; /* they stay due */
    *errand = (struct errand){looks, group, of->turn, settle_due(looks->settle, group, now(looks), AT_ONCE)};
    of->busy = errand->batch && errands_post(looks->errands, &calls, errand, INFINITY);
    if (of->busy) return;
    if (errand->batch) take(looks, errand->batch); /* without a look */
    free(errand);
}

void looks_forget(struct looks *looks, size_t group) {
    if (group >= looks->groups_count) return;
    looks->groups[group].busy = false;
    looks->groups[group].turn++;
}

struct looks *looks_new(uv_loop_t *loop, struct settle *settle, void (*settled)(void *context, const char *path),
                        void *context, struct error *error) {
    struct looks *looks = malloc(sizeof *looks);
    if (!looks) return error_memory(error), NULL;
    *looks = (struct looks){.loop = loop, .settle = settle, .settled = settled, .context = context};
    looks->errands = errands_new(loop, THREADS, error);
    if (looks->errands) return looks;
    free(looks);
    return NULL;
}

static void on_closed(void *context) {
    struct looks *looks = context;
    looks->closed(looks->closed_context);
    free(looks->groups);
    free(looks);
}

void looks_free(struct looks *looks, void (*closed)(void *context), void *context) {
    looks->closed = closed;
    looks->closed_context = context;
    errands_free(looks->errands, on_closed, looks);
}
