#include "engine/catalogue/vectors.h"

#include "engine/base/json.h"
#include "engine/catalogue/similar.h"
#include "engine/catalogue/sql.h"
#include "plugins/sdk/kernels/clones.h"

#include <math.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

#define PAGE     256
#define LANES    8
#define ROUNDING 2e-5f /* of float sums over up to 1024 products of values that make vectors of length 1, with room */

static const char *const names[] = {"audio", "region"};

/* Before the values of a slot. */
struct head {
    float scale, error;
};

static size_t slot_size(size_t dimensions) {
    return sizeof(struct head) + dimensions;
}

/* Writes the short form of a vector to a slot. */
static void shorten(const float *vector, size_t n, uint8_t *slot) {
    struct head head = {0, 0};
    float largest = 0;
    double square = 0;
    int8_t *data = (int8_t *)slot + sizeof head;
    for (size_t i = 0; i < n; i++) largest = fmaxf(largest, fabsf(vector[i]));
    head.scale = largest / 127;
    for (size_t i = 0; i < n; i++) {
        data[i] = head.scale > 0 ? (int8_t)lrintf(vector[i] / head.scale) : 0;
        double rest = (double)vector[i] - (double)head.scale * data[i];
        square += rest * rest;
    }
    head.error = (float)(sqrt(square) * 1.00001);
    memcpy(slot, &head, sizeof head);
}

/* ---------------------------------------------------------------------------------------------------------- storing */

/* The page's row, made where it is missing. */
static bool page_of(struct catalogue *catalogue, enum vectors_kind kind, const char *model, int64_t number,
                    size_t dimensions, int64_t *page, struct error *error) {
    *page = 0;
    if (!sql_number(catalogue, error, page,
                    "SELECT page_id FROM vector_pages WHERE kind = ? AND model = ? AND number = ? AND dimensions = ?",
                    "ttii", names[kind], model, number, (int64_t)dimensions))
        return false;
    return *page != 0 || sql_number(catalogue, error, page,
                                    "INSERT INTO vector_pages (kind, model, number, dimensions, data)"
                                    " VALUES (?, ?, ?, ?, zeroblob(?)) RETURNING page_id",
                                    "ttiii", names[kind], model, number, (int64_t)dimensions,
                                    (int64_t)(PAGE * slot_size(dimensions)));
}

bool vectors_put(struct catalogue *catalogue, enum vectors_kind kind, int64_t id, const char *model,
                 const float *vector, size_t dimensions, struct error *error) {
    uint8_t slot[sizeof(struct head) + SIMILAR_MAX_DIMENSIONS];
    size_t size = slot_size(dimensions);
    int64_t page = 0;
    if (!page_of(catalogue, kind, model, id / PAGE, dimensions, &page, error)) return false;
    shorten(vector, dimensions, slot);
    sqlite3_blob *blob = NULL;
    bool fine = sqlite3_blob_open(catalogue_db(catalogue), "main", "vector_pages", "data", page, 1, &blob) ==
                    SQLITE_OK &&
                sqlite3_blob_write(blob, slot, (int)size, (int)((size_t)(id % PAGE) * size)) == SQLITE_OK;
    if (!fine) catalogue_failed(catalogue, error, "can't write the catalogue");
    (void)sqlite3_blob_close(blob);
    return fine;
}

/* --------------------------------------------------------------------------------------------------------- checking */

/* The vector's row, if it is a vector at all, against its slot of the page `slots` (NULL: there is no page). */
static bool is_in_page(sqlite3_stmt *from, const uint8_t *slots, size_t page_bytes) {
    float vector[SIMILAR_MAX_DIMENSIONS];
    uint8_t slot[sizeof(struct head) + SIMILAR_MAX_DIMENSIONS];
    const void *data = sqlite3_column_blob(from, 2);
    size_t n = (size_t)sqlite3_column_bytes(from, 2) / sizeof *vector, size = slot_size(n);
    if (!data || n == 0 || n > SIMILAR_MAX_DIMENSIONS || !slots || page_bytes != PAGE * size) return false;
    memcpy(vector, data, n * sizeof *vector);
    shorten(vector, n, slot);
    return memcmp(slot, slots + (size_t)(sqlite3_column_int64(from, 0) % PAGE) * size, size) == 0;
}

/* Vectors of id, model and data in the order of ids, each with its page: read once for all that lie on it. */
static const char *const vectors_sql[] = {
    "SELECT a.audio_id, v.model, v.data FROM audio_vectors AS a JOIN region_vectors AS v USING (region_id) ORDER BY 1",
    "SELECT region_id, model, data FROM region_vectors ORDER BY 1",
};

bool vectors_check(struct catalogue *catalogue, enum vectors_kind kind, int64_t *wrong, struct error *error) {
    sqlite3_stmt *from = sql_bind(catalogue, error, vectors_sql[kind], ""), *page = NULL;
    char model[200] = "";
    int64_t number = -1;
    int bytes = -1;
    bool row = from != NULL, fine = row, found = false;
    *wrong = 0;
    while (fine && row) {
        fine = sql_step(catalogue, from, &row, error);
        if (!fine || !row) break;
        const char *its = sqlite3_column_text(from, 1) ? (const char *)sqlite3_column_text(from, 1) : "";
        if (!page || sqlite3_column_int64(from, 0) / PAGE != number || sqlite3_column_bytes(from, 2) != bytes ||
            strncmp(model, its, sizeof model - 1) != 0) {
            number = sqlite3_column_int64(from, 0) / PAGE;
            bytes = sqlite3_column_bytes(from, 2);
            snprintf(model, sizeof model, "%s", its);
            page = sql_bind(
                catalogue, error,
                "SELECT data FROM vector_pages WHERE kind = ? AND model = ? AND number = ? AND dimensions = ?", "ttii",
                names[kind], model, number, (int64_t)bytes / (int64_t)sizeof(float));
            fine = page && sql_step(catalogue, page, &found, error);
        }
        if (fine)
            *wrong += !is_in_page(from, found ? sqlite3_column_blob(page, 0) : NULL,
                                  found ? (size_t)sqlite3_column_bytes(page, 0) : 0);
    }
    if (page) (void)sqlite3_reset(page);
    if (from) (void)sqlite3_reset(from);
    return fine;
}

/* -------------------------------------------------------------------------------------------------------- searching */

/* The products of a vector with the slots of a page. Eight sums side by side, always in this order. */
SONDE_CLONES static void multiply(const float *vector, size_t n, const uint8_t *slots, float *products) {
    size_t size = slot_size(n), whole = n / LANES * LANES;
    for (size_t s = 0; s < PAGE; s++) {
        const int8_t *data = (const int8_t *)slots + s * size + sizeof(struct head);
        float sums[LANES] = {0}, sum = 0;
        for (size_t i = 0; i < whole; i += LANES)
            for (size_t k = 0; k < LANES; k++) sums[k] += vector[i + k] * (float)data[i + k];
        for (size_t i = whole; i < n; i++) sum += vector[i] * (float)data[i];
        for (size_t k = 0; k < LANES; k++) sum += sums[k];
        products[s] = sum;
    }
}

/* The page's bounds, as many as it has vectors. */
static size_t bound_page(const float *vector, size_t n, int64_t number, const uint8_t *slots,
                         struct vectors_bound *bounds) {
    float products[PAGE];
    size_t found = 0;
    multiply(vector, n, slots, products);
    for (size_t s = 0; s < PAGE; s++) {
        struct head head;
        memcpy(&head, slots + s * slot_size(n), sizeof head);
        if (head.scale > 0)
            bounds[found++] = (struct vectors_bound){products[s] * head.scale + head.error + ROUNDING,
                                                     number * PAGE + (int64_t)s};
    }
    return found;
}

bool vectors_bounds(struct catalogue *catalogue, enum vectors_kind kind, const char *model, const float *vector,
                    size_t dimensions, struct vectors_bound **bounds, size_t *n, struct error *error) {
    sqlite3_stmt *from = sql_bind(
        catalogue, error, "SELECT number, data FROM vector_pages WHERE kind = ? AND model = ? AND dimensions = ?",
        "tti", names[kind], model, (int64_t)dimensions);
    size_t room = 0;
    bool row = from != NULL, fine = row;
    *bounds = NULL;
    *n = 0;
    while (fine && row) {
        fine = sql_step(catalogue, from, &row, error);
        if (!fine || !row) break;
        const uint8_t *slots = sqlite3_column_blob(from, 1);
        if (!slots || (size_t)sqlite3_column_bytes(from, 1) != PAGE * slot_size(dimensions)) continue; /* damaged */
        if (*n + PAGE > room) {
            room = room ? 2 * room : 64 * PAGE;
            struct vectors_bound *grown = realloc(*bounds, room * sizeof *grown);
            if (!grown) {
                fine = error_memory(error);
                break;
            }
            *bounds = grown;
        }
        *n += bound_page(vector, dimensions, sqlite3_column_int64(from, 0), slots, *bounds + *n);
    }
    if (from) (void)sqlite3_reset(from);
    if (!fine) {
        free(*bounds);
        *bounds = NULL;
    }
    return fine;
}

/* ------------------------------------------------------------------------------------------------------- migrations */

static void vector_function(sqlite3_context *context, int argc, sqlite3_value **argv) {
    const char *text = (const char *)sqlite3_value_text(argv[0]);
    struct similar similar;
    (void)argc;
    cJSON *embedding = text ? cJSON_Parse(text) : NULL;
    bool found = similar_read(embedding, &similar);
    cJSON_Delete(embedding);
    if (found)
        sqlite3_result_blob64(context, similar.vector, similar.dimensions * sizeof *similar.vector, SQLITE_TRANSIENT);
}

struct page {
    uint8_t *data;
    size_t dimensions;
};

static void page_step(sqlite3_context *context, int argc, sqlite3_value **argv) {
    struct page *page = sqlite3_aggregate_context(context, sizeof *page);
    int64_t slot = sqlite3_value_int64(argv[0]);
    float vector[SIMILAR_MAX_DIMENSIONS];
    const void *blob = sqlite3_value_blob(argv[1]);
    size_t n = (size_t)sqlite3_value_bytes(argv[1]) / sizeof *vector;
    (void)argc;
    if (page && !page->data && blob && n > 0 && n <= SIMILAR_MAX_DIMENSIONS) {
        page->dimensions = n;
        page->data = calloc(PAGE, slot_size(n));
    }
    if (!page || !page->data || !blob || n != page->dimensions || slot < 0 || slot >= PAGE) {
        sqlite3_result_error(context, "sonde_page: no such slot or vector", -1);
        return;
    }
    memcpy(vector, blob, n * sizeof *vector);
    shorten(vector, n, page->data + (size_t)slot * slot_size(n));
}

static void page_final(sqlite3_context *context) {
    struct page *page = sqlite3_aggregate_context(context, sizeof *page);
    if (page && page->data) sqlite3_result_blob64(context, page->data, PAGE * slot_size(page->dimensions), free);
}

bool vectors_register(sqlite3 *db, struct error *error) {
    const int flags = SQLITE_UTF8 | SQLITE_DETERMINISTIC | SQLITE_DIRECTONLY;
    if (sqlite3_create_function_v2(db, "sonde_vector", 1, flags, NULL, vector_function, NULL, NULL, NULL) ==
            SQLITE_OK &&
        sqlite3_create_function_v2(db, "sonde_page", 2, flags, NULL, NULL, page_step, page_final, NULL) == SQLITE_OK)
        return true;
    return error_set(error, "can't prepare the catalogue: %s", sqlite3_errmsg(db));
}
