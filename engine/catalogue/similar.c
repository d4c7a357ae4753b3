#include "engine/catalogue/similar.h"

#include "engine/base/json.h"
#include "engine/catalogue/sql.h"

#include <stdio.h>
#include <stdlib.h>
#include <string.h>

/* ---------------------------------------------------------------------------------------------------------- storing */

static bool remove_vector(struct catalogue *catalogue, int64_t audio, int64_t region, struct error *error) {
    return audio ? sql_run(catalogue, error, "DELETE FROM audio_vectors WHERE audio_id = ?", "i", audio)
                 : sql_run(catalogue, error, "DELETE FROM region_vectors WHERE region_id = ?", "i", region);
}

bool similar_store(struct catalogue *catalogue, int64_t audio, int64_t region, const char *plugin,
                   const cJSON *embedding, struct error *error) {
    struct similar similar;
    if (!similar_read(embedding, &similar)) return remove_vector(catalogue, audio, region, error);
    if (audio)
        return sql_run(catalogue, error, "INSERT OR REPLACE INTO audio_vectors (audio_id, region_id) VALUES (?, ?)",
                       "ii", audio, region) &&
               vectors_put(catalogue, VECTORS_AUDIO, audio, similar.model, similar.vector, similar.dimensions, error);
    return sql_run(catalogue, error,
                   "INSERT OR REPLACE INTO region_vectors (region_id, plugin, model, data) VALUES (?, ?, ?, ?)", "ittb",
                   region, plugin, similar.model, (const void *)similar.vector,
                   similar.dimensions * sizeof *similar.vector) &&
           vectors_put(catalogue, VECTORS_REGION, region, similar.model, similar.vector, similar.dimensions, error);
}

/* ---------------------------------------------------------------------------------------------------------- reading */

/* Model and vector of the row that `from` gives; *found is false when there is none, or it makes no sense. */
static bool read_vector(struct catalogue *catalogue, sqlite3_stmt *from, struct similar *similar, bool *found,
                        struct error *error) {
    bool row = false;
    *found = false;
    if (!from || !sql_step(catalogue, from, &row, error)) return false;
    const char *model = row ? (const char *)sqlite3_column_text(from, 0) : NULL;
    const void *data = row ? sqlite3_column_blob(from, 1) : NULL;
    size_t bytes = data ? (size_t)sqlite3_column_bytes(from, 1) : 0;
    similar->dimensions = bytes / sizeof *similar->vector;
    if (model && bytes % sizeof *similar->vector == 0 && similar->dimensions >= 1 &&
        similar->dimensions <= SIMILAR_MAX_DIMENSIONS) {
        memcpy(similar->vector, data, bytes);
        snprintf(similar->model, sizeof similar->model, "%s", model);
        *found = true;
    }
    (void)sqlite3_reset(from);
    return true;
}

static sqlite3_stmt *ask_vector(struct catalogue *catalogue, enum vectors_kind kind, int64_t id, struct error *error) {
    return kind == VECTORS_REGION
               ? sql_bind(catalogue, error, "SELECT model, data FROM region_vectors WHERE region_id = ?", "i", id)
               : sql_bind(catalogue, error,
                          "SELECT v.model, v.data FROM audio_vectors AS a JOIN region_vectors AS v USING (region_id)"
                          " WHERE a.audio_id = ?",
                          "i", id);
}

bool similar_load(struct catalogue *catalogue, int64_t audio, int64_t region, struct similar *similar,
                  struct error *error) {
    enum vectors_kind kind = region ? VECTORS_REGION : VECTORS_AUDIO;
    bool found = false;
    if (!read_vector(catalogue, ask_vector(catalogue, kind, region ? region : audio, error), similar, &found, error))
        return false;
    return found || error_set(error, "this sound has no embedding to compare by (the features plugin makes it)");
}

/* ------------------------------------------------------------------------------------------------------- comparing */

static bool is_before(const struct similar_found *a, const struct similar_found *b) {
    return a->similarity > b->similarity || (a->similarity == b->similarity && a->id < b->id);
}

/* Compares one sound, and puts it in its place in the list when it belongs there. One that is gone, or of another model,
 * doesn't. */
static bool consider(struct catalogue *catalogue, const struct similar *similar, int64_t id, struct similar_list *list,
                     size_t *room, struct error *error) {
    struct similar other;
    bool found = false;
    if (!read_vector(catalogue, ask_vector(catalogue, list->kind, id, error), &other, &found, error)) return false;
    if (!found || other.dimensions != similar->dimensions || strcmp(other.model, similar->model) != 0) return true;
    struct similar_found item = {id, similar_cosine(similar, &other)};
    if (list->n == list->most && (list->n == 0 || !is_before(&item, &list->items[list->n - 1]))) return true;
    if (list->n == *room) {
        *room = *room ? 2 * *room : 32;
        struct similar_found *grown = realloc(list->items, *room * sizeof *grown);
        if (!grown) return error_memory(error);
        list->items = grown;
    }
    size_t at = list->n < list->most ? list->n++ : list->n - 1;
    for (; at > 0 && is_before(&item, &list->items[at - 1]); at--) list->items[at] = list->items[at - 1];
    list->items[at] = item;
    return true;
}

bool similar_among(struct catalogue *catalogue, const struct similar *similar, const int64_t *ids, size_t n,
                   struct similar_list *list, struct error *error) {
    size_t room = 0;
    for (size_t i = 0; i < n; i++)
        if (ids[i] != list->but && !consider(catalogue, similar, ids[i], list, &room, error)) return false;
    return true;
}

/* The largest bound first: a heap, so that only those are sorted that are looked at. */
static void sift_down(struct vectors_bound *heap, size_t n, size_t at) {
    struct vectors_bound moved = heap[at];
    for (size_t child; (child = 2 * at + 1) < n; at = child) {
        if (child + 1 < n && heap[child + 1].upper > heap[child].upper) child++;
        if (heap[child].upper <= moved.upper) break;
        heap[at] = heap[child];
    }
    heap[at] = moved;
}

static struct vectors_bound take_largest(struct vectors_bound *heap, size_t *n) {
    struct vectors_bound largest = heap[0];
    heap[0] = heap[--*n];
    if (*n > 0) sift_down(heap, *n, 0);
    return largest;
}

/* In the order of what they can be at most: once that is less than the last of a full list, nobody can come in. */
static bool search(struct catalogue *catalogue, const struct similar *similar, struct vectors_bound *heap, size_t n,
                   const struct similar_filter *filter, struct similar_list *list, struct error *error) {
    size_t room = 0;
    for (size_t i = n / 2; i-- > 0;) sift_down(heap, n, i);
    while (n > 0) {
        struct vectors_bound next = take_largest(heap, &n);
        bool accepted = false;
        if (list->n == list->most && (list->n == 0 || (double)next.upper < list->items[list->n - 1].similarity)) break;
        if (next.id == list->but) continue;
        if (!filter->accept(filter->context, next.id, &accepted, error)) return false;
        if (accepted && !consider(catalogue, similar, next.id, list, &room, error)) return false;
    }
    return true;
}

/* Leaves those that may be accepted, and returns how many. */
static size_t sift_out(struct vectors_bound *bounds, size_t n, const struct similar_filter *filter) {
    size_t kept = 0;
    if (!filter->may_be) return n;
    for (size_t i = 0; i < n; i++)
        if (filter->may_be(filter->context, bounds[i].id)) bounds[kept++] = bounds[i];
    return kept;
}

bool similar_nearest(struct catalogue *catalogue, const struct similar *similar, const struct similar_filter *filter,
                     struct similar_list *list, struct error *error) {
    struct vectors_bound *bounds = NULL;
    size_t n = 0;
    bool fine = vectors_bounds(catalogue, list->kind, similar->model, similar->vector, similar->dimensions, &bounds, &n,
                               error) &&
                search(catalogue, similar, bounds, sift_out(bounds, n, filter), filter, list, error);
    free(bounds);
    return fine;
}
