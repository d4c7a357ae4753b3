/* A catalogue in a folder of its own, and short ways to fill it. For the tests of the catalogue. */
#ifndef SONDE_TESTS_CATALOGUE_FIXTURE_H
#define SONDE_TESTS_CATALOGUE_FIXTURE_H

#include "engine/catalogue/catalogue.h"
#include "engine/catalogue/store.h"

#include <stdbool.h>
#include <stdint.h>

struct fixture {
    char folder[64];
    char path[128];
    struct catalogue *catalogue;
};

/* cmocka's setup and teardown: *state is a struct fixture with an open catalogue in a new folder below $TMPDIR. */
int fixture_setup(void **state);
int fixture_teardown(void **state);

/* The first column of a query's first row; fails the test when there is none. */
int64_t fixture_number(const struct fixture *fixture, const char *sql);
double fixture_real(const struct fixture *fixture, const char *sql);
/* Same as text, in a buffer that the next call overwrites; "(null)" for NULL. */
const char *fixture_text(const struct fixture *fixture, const char *sql);

/* Runs a statement, or fails the test. */
void fixture_run(const struct fixture *fixture, const char *sql);

/* Registers a bundled plugin with this result schema. */
void fixture_plugin(const struct fixture *fixture, const char *plugin, const char *schema);

/* A file of this path whose bytes and sound are named by two texts, with `n` regions of 1 s with 1 s between them at
 * 1000 Hz. Fills in the ids. */
struct fixture_file {
    int64_t file, content, audio, regions[8];
    size_t n;
    struct store_stat stat;
};
struct fixture_file fixture_scan(const struct fixture *fixture, const char *path, const char *bytes, const char *sound,
                                 size_t n);

/* An outcome `ok` with this JSON, or, with NULL, `failed`. Returns the analysis' id. */
int64_t fixture_result(const struct fixture *fixture, int64_t region, const char *plugin, const char *identity,
                       const char *json);

/* The same, with JSON, from a plugin that provides an interface ("key/1"). */
void fixture_provide(const struct fixture *fixture, int64_t region, const char *plugin, const char *interface,
                     const char *json);

/* The file is done. */
void fixture_finish(const struct fixture *fixture, const struct fixture_file *file);

/* The name as 32 hex digits. */
const char *fixture_hash(const char *name);

#endif
