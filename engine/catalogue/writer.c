#include "engine/catalogue/writer.h"

#include <errno.h>
#include <stdlib.h>
#include <string.h>

#define BATCH_NS         200000000ull  /* a transaction takes no more work after this long */
#define CHECKPOINT_NS    1000000000ull /* the log is moved into the file at most this often ... */
#define CHECKPOINT_PAGES 1000          /* ... once it has this many pages */
#define OPTIMIZE_NS                                                                                                    \
    3600000000000ull          /* between two looks whether the statistics for the query planner are out of date */
#define LOG_PAGES_LARGE 16384 /* from here on (64 MiB) it is also started anew as soon as no reader is in it ... */
#define LOG_PAGES_HUGE  65536 /* ... and from here on (256 MiB), lest it fills the disk, readers are waited for ... */
#define HUGE_WAIT_MS    100   /* ... so long ... */
#define HUGE_NS         10000000000ull /* ... this often: a hundredth of the time */
#define RETRY_FIRST_NS  100000000ull   /* before the first attempt to write again; doubles ... */
#define RETRY_MOST_NS   1600000000ull  /* ... up to this */

struct work {
    writer_function function;
    writer_done done;
    void *argument;
    bool failed;
    struct error error;
    struct work *next;
};

struct list {
    struct work *first, *last;
};

struct writer {
    struct catalogue *catalogue; /* the thread's */
    int log_pages;               /* the thread's */
    uint64_t checkpointed;       /* ns; the thread's */
    uint64_t waited;             /* ns, when readers were last waited for; the thread's */
    uint64_t optimized;          /* ns; the thread's */
    bool paused;                 /* the thread's */
    struct error
        damage; /* the thread's: once the file is found damaged nothing more is written; what comes later may build on it */

    uv_mutex_t mutex; /* guards the following */
    uv_cond_t wake;
    struct list posted, finished;
    bool stopping, give_up, ended;
    bool news; /* sentence is to be told */
    char sentence[600];

    uv_thread_t thread; /* the loop's from here on */
    uv_async_t async;
    uv_loop_t *loop;
    size_t pending;
    writer_state state;
    void *context;
    bool stop_called;
    void (*stopped)(void *context);
    void *stopped_context;
};

static void list_add(struct list *list, struct work *work) {
    work->next = NULL;
    if (list->last)
        list->last->next = work;
    else
        list->first = work;
    list->last = work;
}

static struct work *list_pop(struct list *list) {
    struct work *work = list->first;
    if (!work) return NULL;
    list->first = work->next;
    if (!list->first) list->last = NULL;
    return work;
}

/* `front` before `list`; `front` is empty afterwards. */
static void list_prepend(struct list *list, struct list *front) {
    if (!front->first) return;
    front->last->next = list->first;
    if (!list->last) list->last = front->last;
    list->first = front->first;
    *front = (struct list){0};
}

/* ------------------------------------------------------------------------------------------------- the thread: batches
 */

/* Failures that pass by themselves or with a user's help: worth waiting for. */
static bool passing(const struct error *error) {
    return error->code == ENOSPC || error->code == EBUSY || error->code == EIO || error->code == EROFS ||
           error->code == ENOMEM || error->code == ESTALE;
}

/* Runs one piece inside a savepoint. False when the whole transaction must be given up. */
static bool run_work(struct writer *writer, struct work *work, struct error *error) {
    struct catalogue *catalogue = writer->catalogue;
    work->failed = writer->damage.text[0] != '\0';
    work->error = writer->damage;
    if (work->failed) return true;
    if (!catalogue_execute(catalogue, "SAVEPOINT work", error)) return false;
    if (work->function(catalogue, work->argument, &work->error))
        return catalogue_execute(catalogue, "RELEASE work", error);
    work->failed = true;
    if (work->error.code == ENOTRECOVERABLE) writer->damage = work->error;
    if (passing(&work->error) || sqlite3_get_autocommit(catalogue_db(catalogue))) {
        *error = work->error;
        return false;
    }
    return catalogue_execute(catalogue, "ROLLBACK TO work; RELEASE work", error);
}

/* Runs work from `batch` until it is empty or the time is up; what has run goes to `ran`. */
static bool run_transaction(struct writer *writer, struct list *batch, struct list *ran, struct error *error) {
    uint64_t start = uv_hrtime();
    if (!catalogue_in_place(writer->catalogue, error)) return false;
    if (!catalogue_execute(writer->catalogue, "BEGIN IMMEDIATE", error)) return false;
    while (batch->first && (!ran->first || uv_hrtime() - start < BATCH_NS)) {
        struct work *work = list_pop(batch);
        list_add(ran, work);
        if (!run_work(writer, work, error)) return false;
    }
    return catalogue_execute(writer->catalogue, "COMMIT", error);
}

static void tell(struct writer *writer, const char *sentence) {
    uv_mutex_lock(&writer->mutex);
    writer->news = true;
    snprintf(writer->sentence, sizeof writer->sentence, "%s", sentence ? sentence : "");
    uv_mutex_unlock(&writer->mutex);
    (void)uv_async_send(&writer->async);
}

static void say_paused(struct writer *writer, const struct error *error) {
    const char *path = catalogue_path(writer->catalogue);
    char sentence[600];
    if (writer->paused) return;
    writer->paused = true;
    if (error->code == ENOSPC)
        snprintf(sentence, sizeof sentence, "no space left for the catalogue %.400s: waiting until there is room",
                 path);
    else if (error->code == EBUSY)
        snprintf(sentence, sizeof sentence, "another program keeps %.400s locked: trying again", path);
    else if (error->code == ESTALE)
        snprintf(sentence, sizeof sentence, "%.500s: put it back, or stop sonde and start it again", error->text);
    else
        snprintf(sentence, sizeof sentence, "%.500s: trying again", error->text);
    tell(writer, sentence);
}

static void say_going_on(struct writer *writer) {
    if (!writer->paused) return;
    writer->paused = false;
    tell(writer, NULL);
}

/* Waits before the next attempt; false when told to give up. */
static bool wait_to_retry(struct writer *writer, uint64_t wait) {
    uv_mutex_lock(&writer->mutex);
    uint64_t now = uv_hrtime(), until = now + wait;
    while (!writer->give_up && now < until) {
        (void)uv_cond_timedwait(&writer->wake, &writer->mutex, until - now);
        now = uv_hrtime();
    }
    bool go_on = !writer->give_up;
    uv_mutex_unlock(&writer->mutex);
    return go_on;
}

static void fail_all(struct list *list, const struct error *error) {
    for (struct work *work = list->first; work; work = work->next) {
        work->failed = true;
        work->error = *error;
    }
}

/* Brings a batch into the catalogue, however long that takes; what didn't fit into the transaction stays in `batch`. */
static void run_batch(struct writer *writer, struct list *batch, struct list *ran) {
    for (uint64_t wait = RETRY_FIRST_NS; true; wait = wait < RETRY_MOST_NS ? 2 * wait : wait) {
        struct error error = {0};
        bool fine = run_transaction(writer, batch, ran, &error);
        if (fine) break;
        if (!sqlite3_get_autocommit(catalogue_db(writer->catalogue)))
            (void)catalogue_execute(writer->catalogue, "ROLLBACK", NULL);
        list_prepend(batch, ran);
        bool retry = passing(&error);
        if (retry) {
            say_paused(writer, &error);
            retry = wait_to_retry(writer, wait);
        }
        if (!retry) {
            if (error.code == ENOTRECOVERABLE) writer->damage = error;
            fail_all(batch, &error);
            *ran = *batch;
            *batch = (struct list){0};
            return;
        }
    }
    say_going_on(writer);
}

/* --------------------------------------------------------------------------------------------- the thread: log, life
 */

static int count_log(void *context, sqlite3 *db, const char *name, int pages) {
    (void)db, (void)name;
    ((struct writer *)context)->log_pages = pages;
    return SQLITE_OK;
}

/* Moves the log into the file, without waiting for readers: what they still need stays in the log. A failure is left to the next
 * attempt: the log holds everything. */
static void checkpoint(struct writer *writer, bool idle) {
    uint64_t now = uv_hrtime();
    if (writer->log_pages == 0 || (!idle && writer->log_pages < CHECKPOINT_PAGES)) return;
    if (now - writer->checkpointed < CHECKPOINT_NS) return;
    sqlite3 *db = catalogue_db(writer->catalogue);
    bool large = writer->log_pages > LOG_PAGES_LARGE;
    bool wait = writer->log_pages > LOG_PAGES_HUGE && now - writer->waited > HUGE_NS;
    int in_log = 0, moved = 0;
    if (large) (void)sqlite3_busy_timeout(db, wait ? HUGE_WAIT_MS : 0);
    int code = sqlite3_wal_checkpoint_v2(db, "main", large ? SQLITE_CHECKPOINT_TRUNCATE : SQLITE_CHECKPOINT_PASSIVE,
                                         &in_log, &moved);
    if (large) (void)sqlite3_busy_timeout(db, 15000);
    if (code == SQLITE_OK && in_log == moved) writer->log_pages = 0;
    writer->checkpointed = uv_hrtime();
    if (wait) writer->waited = writer->checkpointed;
}

/* Keeps the query planner's statistics up to date; a bounded sample, some milliseconds. */
static void optimize(struct writer *writer) {
    if (uv_hrtime() - writer->optimized < OPTIMIZE_NS) return;
    (void)catalogue_execute(writer->catalogue, "PRAGMA analysis_limit = 400; PRAGMA optimize", NULL);
    writer->optimized = uv_hrtime();
}

/* Takes up to WRITER_BATCH pieces; waits for some. False at the end. */
static bool take_batch(struct writer *writer, struct list *batch) {
    uv_mutex_lock(&writer->mutex);
    while (!writer->posted.first && !writer->stopping) {
        if (uv_cond_timedwait(&writer->wake, &writer->mutex, CHECKPOINT_NS) != 0) {
            uv_mutex_unlock(&writer->mutex);
            checkpoint(writer, true);
            optimize(writer);
            uv_mutex_lock(&writer->mutex);
        }
    }
    for (int i = 0; i < WRITER_BATCH && writer->posted.first; i++) list_add(batch, list_pop(&writer->posted));
    uv_mutex_unlock(&writer->mutex);
    return batch->first != NULL;
}

static void give_results(struct writer *writer, struct list *ran, struct list *rest) {
    uv_mutex_lock(&writer->mutex);
    list_prepend(&writer->posted, rest);
    for (struct work *work = list_pop(ran); work; work = list_pop(ran)) list_add(&writer->finished, work);
    uv_mutex_unlock(&writer->mutex);
    (void)uv_async_send(&writer->async);
}

static void thread_main(void *argument) {
    struct writer *writer = argument;
    struct list batch = {0}, ran = {0};
    writer->checkpointed = writer->optimized = uv_hrtime();
    while (take_batch(writer, &batch)) {
        run_batch(writer, &batch, &ran);
        give_results(writer, &ran, &batch);
        checkpoint(writer, false);
    }
    catalogue_close(writer->catalogue);
    uv_mutex_lock(&writer->mutex);
    writer->ended = true;
    uv_mutex_unlock(&writer->mutex);
    (void)uv_async_send(&writer->async);
}

/* --------------------------------------------------------------------------------------------------- the loop's thread
 */

static void on_closed(uv_handle_t *handle) {
    struct writer *writer = handle->data;
    void (*stopped)(void *) = writer->stopped;
    void *context = writer->stopped_context;
    uv_cond_destroy(&writer->wake);
    uv_mutex_destroy(&writer->mutex);
    free(writer);
    if (stopped) stopped(context);
}

/* The handle keeps the loop running only while something is to come. */
static void refresh_reference(struct writer *writer) {
    if (writer->pending > 0 || writer->stop_called)
        uv_ref((uv_handle_t *)&writer->async);
    else
        uv_unref((uv_handle_t *)&writer->async);
}

static void deliver(struct writer *writer, struct list *finished) {
    for (struct work *work = list_pop(finished); work; work = list_pop(finished)) {
        writer->pending--;
        if (work->done) work->done(work->argument, work->failed ? &work->error : NULL);
        free(work);
    }
}

static void on_async(uv_async_t *handle) {
    struct writer *writer = handle->data;
    char sentence[sizeof writer->sentence];
    uv_mutex_lock(&writer->mutex);
    struct list finished = writer->finished;
    writer->finished = (struct list){0};
    bool news = writer->news, ended = writer->ended;
    writer->news = false;
    memcpy(sentence, writer->sentence, sizeof sentence);
    uv_mutex_unlock(&writer->mutex);
    if (news && writer->state) writer->state(writer->context, sentence[0] ? sentence : NULL);
    deliver(writer, &finished);
    refresh_reference(writer);
    if (ended && !uv_is_closing((uv_handle_t *)handle)) {
        (void)uv_thread_join(&writer->thread);
        uv_close((uv_handle_t *)handle, on_closed);
    }
}

static bool init_locks(struct writer *writer, struct error *error) {
    if (uv_mutex_init(&writer->mutex) != 0) return error_set(error, "can't make the catalogue's writer: no mutex");
    if (uv_cond_init(&writer->wake) == 0) return true;
    uv_mutex_destroy(&writer->mutex);
    return error_set(error, "can't make the catalogue's writer: no condition variable");
}

struct writer *writer_new(struct catalogue *catalogue, uv_loop_t *loop, writer_state state, void *context,
                          struct error *error) {
    struct writer *writer = calloc(1, sizeof *writer);
    if (!writer) return error_memory(error), NULL;
    writer->catalogue = catalogue;
    writer->loop = loop;
    writer->state = state;
    writer->context = context;
    if (!init_locks(writer, error)) {
        free(writer);
        return NULL;
    }
    int code = uv_async_init(loop, &writer->async, on_async);
    if (code != 0) {
        error_set(error, "can't make the catalogue's writer: %s", uv_strerror(code));
        uv_cond_destroy(&writer->wake);
        uv_mutex_destroy(&writer->mutex);
        free(writer);
        return NULL;
    }
    writer->async.data = writer;
    (void)sqlite3_wal_hook(catalogue_db(catalogue), count_log, writer);
    uv_thread_options_t options = {.flags = UV_THREAD_HAS_STACK_SIZE, .stack_size = 1 << 20};
    code = uv_thread_create_ex(&writer->thread, &options, thread_main, writer);
    if (code != 0) {
        error_set(error, "can't start the catalogue's writer: %s", uv_strerror(code));
        (void)sqlite3_wal_autocheckpoint(catalogue_db(catalogue), 1000);
        uv_close((uv_handle_t *)&writer->async, on_closed);
        return NULL;
    }
    refresh_reference(writer);
    return writer;
}

bool writer_post(struct writer *writer, writer_function function, void *argument, writer_done done) {
    if (writer->stop_called) return false;
    struct work *work = calloc(1, sizeof *work);
    if (!work) return false;
    work->function = function;
    work->argument = argument;
    work->done = done;
    writer->pending++;
    refresh_reference(writer);
    uv_mutex_lock(&writer->mutex);
    list_add(&writer->posted, work);
    uv_cond_signal(&writer->wake);
    uv_mutex_unlock(&writer->mutex);
    return true;
}

size_t writer_pending(const struct writer *writer) {
    return writer->pending;
}

void writer_stop(struct writer *writer, bool give_up, void (*stopped)(void *context), void *context) {
    if (!writer->stop_called) {
        writer->stop_called = true;
        writer->stopped = stopped;
        writer->stopped_context = context;
    }
    refresh_reference(writer);
    uv_mutex_lock(&writer->mutex);
    writer->stopping = true;
    if (give_up) writer->give_up = true;
    uv_cond_signal(&writer->wake);
    uv_mutex_unlock(&writer->mutex);
}
