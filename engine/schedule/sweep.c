/* The second half of a walk over folders: what the catalogue knows below them and the walk did not find. Page by page, in the order
 * of paths: read (writer's thread) -> looked at (errand thread) -> marked `missing` (writer's thread). */
#include "engine/base/text.h"
#include "engine/catalogue/store_sweep.h"
#include "engine/schedule/state.h"

#include <errno.h>
#include <stdlib.h>
#include <string.h>
#include <sys/stat.h>

#define PAGE          1000  /* rows */
#define PAGE_DEADLINE 120.0 /* s for looking at a page's candidates */

struct sweep {
    struct engine *engine;
    struct engine_task *task; /* or NULL */
    struct sweep *next;       /* of those that compare */
    struct ids seen;
    bool blind;     /* out of memory: nothing can be said about what wasn't seen */
    char **folders; /* the last one is compared, then dropped */
    size_t folders_count;
    char **left_out; /* folders below them that other sweeps are about */
    size_t left_out_count;
    char *after;
    uint64_t held;
};

/* A known file that the walk did not come across. */
struct candidate {
    struct store_below file;
    bool gone;     /* there is nothing of that name */
    bool away;     /* but its disk isn't there either */
    size_t folder; /* length of the nearest folder above it that exists */
};

/* Travels between the threads; belongs to one of them at a time. */
struct page {
    struct sweep *sweep;
    struct candidate candidates[PAGE];
    size_t n;
    size_t rows; /* read from the catalogue */
    char *last;
};

static void next_page(struct sweep *sweep, struct page *page);

struct sweep *sweep_new(struct engine *engine, struct engine_task *task) {
    struct sweep *sweep = calloc(1, sizeof *sweep);
    if (!sweep) return NULL;
    *sweep = (struct sweep){.engine = engine, .task = task};
    if (task) task_ref(task);
    return sweep;
}

void sweep_free(struct sweep *sweep) {
    if (!sweep) return;
    for (struct sweep **at = &sweep->engine->sweeping; *at; at = &(*at)->next) {
        if (*at != sweep) continue;
        *at = sweep->next;
        sweep->engine->sweeps--;
        break;
    }
    if (sweep->task) task_unref(sweep->task);
    ids_clear(&sweep->seen);
    while (sweep->folders_count > 0) free(sweep->folders[--sweep->folders_count]);
    free(sweep->folders);
    while (sweep->left_out_count > 0) free(sweep->left_out[--sweep->left_out_count]);
    free(sweep->left_out);
    free(sweep->after);
    free(sweep);
}

void sweep_saw(struct sweep *sweep, int64_t file) {
    if (!ids_add(&sweep->seen, file)) sweep->blind = true;
}

static void add_folder(struct sweep *sweep, char ***folders, size_t *count, const char *folder) {
    char **grown = realloc(*folders, (*count + 1) * sizeof *grown);
    if (grown) *folders = grown;
    char *copy = grown ? strdup(folder) : NULL;
    if (copy)
        (*folders)[(*count)++] = copy;
    else
        sweep->blind = true;
}

void sweep_add_folder(struct sweep *sweep, const char *folder) {
    add_folder(sweep, &sweep->folders, &sweep->folders_count, folder);
}

void sweep_leave_out(struct sweep *sweep, const char *folder) {
    add_folder(sweep, &sweep->left_out, &sweep->left_out_count, folder);
}

static bool is_left_out(const struct sweep *sweep, const char *path) {
    for (size_t i = 0; i < sweep->left_out_count; i++) {
        size_t n = strlen(sweep->left_out[i]);
        if (strncmp(sweep->left_out[i], path, n) == 0 && path[n] == '/') return true;
    }
    return false;
}

/* The folder that is being compared. */
static const char *folder_of(const struct sweep *sweep) {
    return sweep->folders[sweep->folders_count - 1];
}

/* ------------------------------------------------------------------------------------------------------------- pages */

static void clear_page(struct page *page) {
    for (size_t i = 0; i < page->n; i++) free(page->candidates[i].file.path);
    page->n = 0;
}

static void free_page(struct page *page) {
    clear_page(page);
    free(page->last);
    free(page);
}

static void say_held(const struct sweep *sweep) {
    engine_warn(sweep->engine,
                "%llu known files below %s are on a disk that isn't there now: they are left as they are",
                (unsigned long long)sweep->held, folder_of(sweep));
}

static void end_sweep(struct sweep *sweep, struct page *page) {
    struct engine *engine = sweep->engine;
    if (page) free_page(page);
    if (sweep->held > 0) say_held(sweep);
    sweep_free(sweep);
    engine_wake(engine);
}

static void fail_sweep(struct sweep *sweep, struct page *page, const struct error *error) {
    struct error memory;
    if (!error) error_memory(&memory);
    engine_fail(sweep->engine, error ? error : &memory);
    end_sweep(sweep, page);
}

static bool read_page(struct catalogue *catalogue, void *argument, struct error *error) {
    struct page *page = argument;
    const struct sweep *sweep = page->sweep;
    struct store_below *rows = calloc(PAGE, sizeof *rows);
    clear_page(page);
    free(page->last);
    page->last = NULL;
    if (!rows) return error_memory(error);
    bool ok = store_below(catalogue, folder_of(sweep), sweep->after, rows, PAGE, &page->rows, error);
    if (ok && page->rows > 0) {
        page->last = strdup(rows[page->rows - 1].path);
        ok = page->last || error_memory(error);
    }
    for (size_t i = 0; i < page->rows; i++) {
        if (ok && !ids_has(&sweep->seen, rows[i].file) && !is_left_out(sweep, rows[i].path))
            page->candidates[page->n++] = (struct candidate){.file = rows[i]};
        else
            free(rows[i].path);
    }
    free(rows);
    return ok;
}

/* Whether the sweep saw a known file below the candidate's nearest folder: then its disk is there, whatever its number. */
static bool saw_neighbour(struct catalogue *catalogue, const struct sweep *sweep, const struct candidate *candidate,
                          bool *saw, struct error *error) {
    char *folder = strndup(candidate->file.path, candidate->folder);
    struct store_below *rows = calloc(PAGE, sizeof *rows);
    size_t n = 0;
    *saw = false;
    bool ok = folder && rows ? store_below(catalogue, folder, NULL, rows, PAGE, &n, error) : error_memory(error);
    for (size_t i = 0; i < n; i++) {
        *saw |= ids_has(&sweep->seen, rows[i].file);
        free(rows[i].path);
    }
    free(rows);
    free(folder);
    return ok;
}

static bool mark_page(struct catalogue *catalogue, void *argument, struct error *error) {
    struct page *page = argument;
    const struct candidate *before = NULL; /* neighbours have the same answer */
    bool saw = false;
    for (size_t i = 0; i < page->n; i++) {
        struct candidate *candidate = &page->candidates[i];
        if (!candidate->gone) continue;
        if (candidate->away) {
            bool same = before && before->folder == candidate->folder &&
                        strncmp(before->file.path, candidate->file.path, candidate->folder) == 0;
            if (!same && !saw_neighbour(catalogue, page->sweep, candidate, &saw, error)) return false;
            before = candidate;
            if (!saw) continue;
            candidate->away = false;
        }
        bool here = true; /* or it was moved meanwhile */
        if (!store_file_is_at(catalogue, candidate->file.file, candidate->file.path, &here, error)) return false;
        candidate->gone = here;
        if (here && !store_file_missing(catalogue, candidate->file.file, error)) return false;
    }
    return true;
}

static void on_marked(void *argument, const struct error *error) {
    struct page *page = argument;
    struct sweep *sweep = page->sweep;
    const struct engine *engine = sweep->engine;
    if (error) {
        fail_sweep(sweep, page, error);
        return;
    }
    for (size_t i = 0; i < page->n; i++) {
        const struct candidate *candidate = &page->candidates[i];
        if (!candidate->gone) continue;
        sweep->held += candidate->away;
        if (!candidate->away) intake_tell_vanished(engine, candidate->file.path);
    }
    next_page(sweep, page);
}

static void look_work(void *errand) {
    struct page *page = errand;
    struct stat st;
    for (size_t i = 0; i < page->n; i++) {
        struct candidate *candidate = &page->candidates[i];
        candidate->gone = lstat(candidate->file.path, &st) != 0 && (errno == ENOENT || errno == ENOTDIR);
        if (candidate->gone)
            candidate->away = opener_is_away(candidate->file.path, candidate->file.device, &candidate->folder);
    }
}

static void look_drop(void *errand) {
    free_page(errand);
}

static void look_done(void *errand, bool returned) {
    struct page *page = errand;
    struct sweep *sweep = page->sweep;
    size_t gone = 0;
    if (!returned) { /* the page is the hanging thread's */
        engine_warn(sweep->engine, "%s does not answer: what is gone there will be noticed later", folder_of(sweep));
        end_sweep(sweep, NULL);
        return;
    }
    sweep->engine->looks.files += page->n;
    for (size_t i = 0; i < page->n; i++) {
        struct candidate *candidate = &page->candidates[i];
        if (engine_owns(sweep->engine, candidate->file.path)) { /* was taken for a sound by an earlier version */
            candidate->gone = true;
            candidate->away = false;
        }
        gone += candidate->gone;
    }
    if (gone == 0)
        next_page(sweep, page);
    else if (!writer_post(sweep->engine->writer, mark_page, page, on_marked))
        fail_sweep(sweep, page, NULL);
}

static const struct errand_calls look_calls = {look_work, look_done, look_drop};

/* Past the last row of a folder. */
static void next_folder(struct sweep *sweep, struct page *page) {
    if (sweep->folders_count == 1) {
        end_sweep(sweep, page);
        return;
    }
    if (sweep->held > 0) say_held(sweep);
    sweep->held = 0;
    free(sweep->folders[--sweep->folders_count]);
    free(sweep->after);
    sweep->after = NULL;
    next_page(sweep, page);
}

static void on_page(void *argument, const struct error *error) {
    struct page *page = argument;
    struct sweep *sweep = page->sweep;
    if (error) {
        fail_sweep(sweep, page, error);
        return;
    }
    free(sweep->after);
    sweep->after = page->last;
    page->last = NULL;
    if (page->rows == 0)
        next_folder(sweep, page);
    else if (page->n == 0)
        next_page(sweep, page);
    else if (!errands_post(sweep->engine->errands, &look_calls, page, PAGE_DEADLINE))
        fail_sweep(sweep, page, NULL);
}

static void next_page(struct sweep *sweep, struct page *page) {
    const struct engine *engine = sweep->engine;
    if (!engine->running || engine->stopping || engine->draining || engine->failed)
        end_sweep(sweep, page);
    else if (!writer_post(engine->writer, read_page, page, on_page))
        fail_sweep(sweep, page, NULL);
}

void sweep_compare(struct sweep *sweep) {
    struct engine *engine = sweep->engine;
    if (sweep->folders_count == 0 && !sweep->blind) { /* files were named, and no folder */
        sweep_free(sweep);
        return;
    }
    struct page *page = calloc(1, sizeof *page);
    sweep->next = engine->sweeping;
    engine->sweeping = sweep;
    engine->sweeps++;
    if (!page || sweep->folders_count == 0) {
        fail_sweep(sweep, page, NULL);
        return;
    }
    page->sweep = sweep;
    if (sweep->blind)
        end_sweep(sweep, page);
    else
        next_page(sweep, page);
}
