#include "engine/errands/errands.h"

#include <pthread.h>
#include <stdlib.h>

#define LOST_MAX 64
#define TICK_MS  100

enum task_state { WAITING, RUNNING, RETURNED, ABANDONED };

struct task {
    const struct errand_calls *calls;
    void *errand;
    double deadline;
    uint64_t started; /* uv_hrtime; 0 while waiting */
    enum task_state state;
    unsigned references; /* of the loop, and of the thread that runs it: the last one drops an abandoned errand */
    struct task *next;
};

struct queue {
    struct task *first, **end;
};

/* Shared with the threads, so it lives until the last of them is gone: one reference a thread, one of the loop. */
struct errands {
    pthread_mutex_t mutex;
    pthread_cond_t wake;
    struct queue waiting, running, returned; /* under the mutex, as the four below */
    unsigned threads, idle, lost, references;
    bool closing;

    unsigned threads_max; /* loop thread only, as all below */
    size_t pending;
    unsigned handles;
    uv_async_t async;
    uv_timer_t timer;
    void (*closed)(void *context);
    void *closed_context;
};

static void queue_init(struct queue *queue) {
    queue->first = NULL;
    queue->end = &queue->first;
}

static void queue_push(struct queue *queue, struct task *task) {
    task->next = NULL;
    *queue->end = task;
    queue->end = &task->next;
}

static struct task *queue_pop(struct queue *queue) {
    struct task *task = queue->first;
    if (!task) return NULL;
    queue->first = task->next;
    if (!queue->first) queue->end = &queue->first;
    return task;
}

static void queue_remove(struct queue *queue, struct task *task) {
    for (struct task **at = &queue->first; *at; at = &(*at)->next) {
        if (*at != task) continue;
        *at = task->next;
        if (!*at) queue->end = at;
        return;
    }
}

/* With the mutex held; gives it back. */
static void release(struct errands *errands) {
    bool last = --errands->references == 0;
    (void)pthread_mutex_unlock(&errands->mutex);
    if (!last) return;
    (void)pthread_cond_destroy(&errands->wake);
    (void)pthread_mutex_destroy(&errands->mutex);
    free(errands);
}

/* With the mutex held. */
static void drop_reference(struct task *task) {
    if (--task->references > 0) return;
    task->calls->drop(task->errand);
    free(task);
}

/* Runs one task with the mutex released. False: the thread was given up meanwhile and must end. */
static bool run_task(struct errands *errands, struct task *task) {
    task->state = RUNNING;
    task->references++;
    task->started = uv_hrtime();
    queue_push(&errands->running, task);
    (void)pthread_mutex_unlock(&errands->mutex);
    task->calls->work(task->errand);
    (void)pthread_mutex_lock(&errands->mutex);
    if (task->state == ABANDONED) {
        errands->lost--;
        drop_reference(task);
        return false;
    }
    task->state = RETURNED;
    task->references--;
    queue_remove(&errands->running, task);
    queue_push(&errands->returned, task);
    if (!errands->closing) (void)uv_async_send(&errands->async);
    return true;
}

static void *thread_main(void *argument) {
    struct errands *errands = argument;
    (void)pthread_mutex_lock(&errands->mutex);
    bool kept = true;
    while (kept && !errands->closing) {
        struct task *task = queue_pop(&errands->waiting);
        if (task) {
            kept = run_task(errands, task);
            continue;
        }
        errands->idle++;
        (void)pthread_cond_wait(&errands->wake, &errands->mutex);
        errands->idle--;
    }
    if (kept) errands->threads--;
    release(errands);
    return NULL;
}

/* With the mutex held: another thread when work waits and none is free. Without one (no memory) those there carry on. */
static void add_thread(struct errands *errands) {
    if (!errands->waiting.first || errands->idle > 0 || errands->threads >= errands->threads_max) return;
    pthread_attr_t attributes;
    pthread_t thread;
    if (pthread_attr_init(&attributes) != 0) return;
    (void)pthread_attr_setdetachstate(&attributes, PTHREAD_CREATE_DETACHED);
    (void)pthread_attr_setstacksize(&attributes, 256 * 1024);
    if (pthread_create(&thread, &attributes, thread_main, errands) == 0) {
        errands->threads++;
        errands->references++;
    }
    (void)pthread_attr_destroy(&attributes);
}

/* Takes the tasks whose time is up: those that run, and, when no thread can be had any more, those that wait too. */
static void take_late(struct errands *errands, struct queue *late) {
    uint64_t now = uv_hrtime();
    struct task *next = NULL;
    for (struct task *task = errands->running.first; task; task = next) {
        next = task->next;
        if ((double)(now - task->started) / 1e9 < task->deadline) continue;
        queue_remove(&errands->running, task);
        task->state = ABANDONED;
        errands->threads--;
        errands->lost++;
        queue_push(late, task);
    }
    if (errands->lost >= LOST_MAX)
        for (struct task *task = queue_pop(&errands->waiting); task; task = queue_pop(&errands->waiting))
            queue_push(late, task);
    add_thread(errands);
}

static void finish_late(struct errands *errands) {
    struct queue late;
    queue_init(&late);
    (void)pthread_mutex_lock(&errands->mutex);
    take_late(errands, &late);
    (void)pthread_mutex_unlock(&errands->mutex);
    for (struct task *task = queue_pop(&late); task; task = queue_pop(&late)) {
        errands->pending--;
        task->calls->done(task->errand, false);
        (void)pthread_mutex_lock(&errands->mutex);
        drop_reference(task);
        (void)pthread_mutex_unlock(&errands->mutex);
    }
}

static void finish_returned(struct errands *errands) {
    (void)pthread_mutex_lock(&errands->mutex);
    struct queue returned = errands->returned;
    if (!returned.first) returned.end = &returned.first;
    queue_init(&errands->returned);
    (void)pthread_mutex_unlock(&errands->mutex);
    for (struct task *task = queue_pop(&returned); task; task = queue_pop(&returned)) {
        errands->pending--;
        const struct errand_calls *calls = task->calls;
        void *errand = task->errand;
        free(task);
        calls->done(errand, true);
    }
}

static void on_async(uv_async_t *async) {
    finish_returned(async->data);
}

static void on_timer(uv_timer_t *timer) {
    struct errands *errands = timer->data;
    finish_late(errands);
    if (errands->pending == 0) (void)uv_timer_stop(timer);
}

static void on_closed(uv_handle_t *handle) {
    struct errands *errands = handle->data;
    if (--errands->handles > 0) return;
    void (*closed)(void *) = errands->closed;
    void *context = errands->closed_context;
    (void)pthread_mutex_lock(&errands->mutex);
    release(errands);
    if (closed) closed(context);
}

struct errands *errands_new(uv_loop_t *loop, unsigned threads, struct error *error) {
    struct errands *errands = calloc(1, sizeof *errands);
    if (!errands) {
        error_memory(error);
        return NULL;
    }
    errands->threads_max = threads < 1 ? 1 : threads > 16 ? 16 : threads;
    errands->references = 1;
    queue_init(&errands->waiting);
    queue_init(&errands->running);
    queue_init(&errands->returned);
    (void)pthread_mutex_init(&errands->mutex, NULL);
    (void)pthread_cond_init(&errands->wake, NULL);
    int status = uv_async_init(loop, &errands->async, on_async);
    if (status != 0) {
        error_set(error, "cannot watch for finished errands: %s", uv_strerror(status));
        (void)pthread_mutex_lock(&errands->mutex);
        release(errands);
        return NULL;
    }
    (void)uv_timer_init(loop, &errands->timer);
    errands->async.data = errands->timer.data = errands;
    errands->handles = 2;
    uv_unref((uv_handle_t *)&errands->async); /* the timer keeps the loop going while an errand is out */
    return errands;
}

bool errands_post(struct errands *errands, const struct errand_calls *calls, void *errand, double deadline) {
    struct task *task = malloc(sizeof *task);
    if (!task) return false;
    *task = (struct task){.calls = calls, .errand = errand, .deadline = deadline, .state = WAITING, .references = 1};
    (void)pthread_mutex_lock(&errands->mutex);
    queue_push(&errands->waiting, task);
    add_thread(errands);
    (void)pthread_cond_signal(&errands->wake);
    (void)pthread_mutex_unlock(&errands->mutex);
    if (errands->pending++ == 0) (void)uv_timer_start(&errands->timer, on_timer, TICK_MS, TICK_MS);
    return true;
}

size_t errands_pending(const struct errands *errands) {
    return errands->pending;
}

void errands_free(struct errands *errands, void (*closed)(void *context), void *context) {
    errands->closed = closed;
    errands->closed_context = context;
    (void)pthread_mutex_lock(&errands->mutex);
    errands->closing = true;
    struct task *next = NULL;
    for (struct task *task = errands->running.first; task; task = next) {
        next = task->next;
        task->state = ABANDONED;
        errands->threads--;
        errands->lost++;
        drop_reference(task);
    }
    queue_init(&errands->running);
    for (struct task *task = queue_pop(&errands->waiting); task; task = queue_pop(&errands->waiting))
        drop_reference(task);
    for (struct task *task = queue_pop(&errands->returned); task; task = queue_pop(&errands->returned))
        drop_reference(task);
    (void)pthread_cond_broadcast(&errands->wake);
    (void)pthread_mutex_unlock(&errands->mutex);
    uv_close((uv_handle_t *)&errands->async, on_closed);
    uv_close((uv_handle_t *)&errands->timer, on_closed);
}
