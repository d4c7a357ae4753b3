/* The catalogue: one SQLite file that holds all that sonde knows.
 *
 * One process writes at a time. Whoever opens for writing holds a lock (flock on the side file PATH.lock, which names
 * the holder) for as long as the catalogue is open; readers take no lock and wait for nobody (write-ahead log). One
 * connection writes: see writer.h for the thread it lives on.
 *
 * The file carries application_id CATALOGUE_APPLICATION_ID and user_version = number of the last migration. Migrations
 * are the files migrations/NNNN_name.sql, built into the program. Opening for writing applies those that are missing,
 * each in a transaction of its own; a catalogue with something in it is first copied to PATH.backup-vN (N: its
 * version).
 *
 * A struct catalogue belongs to one thread at a time. */
#ifndef SONDE_CATALOGUE_CATALOGUE_H
#define SONDE_CATALOGUE_CATALOGUE_H

#include "engine/base/error.h"

#include <sqlite3.h>
#include <stdint.h>

#define CATALOGUE_APPLICATION_ID 0x534f4e44 /* "SOND" */

struct catalogue;

enum catalogue_mode {
    CATALOGUE_READ,  /* must exist; nothing can be changed through it; works on read-only media too */
    CATALOGUE_WRITE, /* made where missing (with its folders), upgraded where older, locked */
};

/* A catalogue that is larger than this is read as a whole on opening only when it isn't as the last writer left it after a clean
 * end (a copy, a file that was touched, an engine that was killed). Smaller ones always are: that costs milliseconds. */
#define CATALOGUE_SMALL (16 << 20)

/* Opens the catalogue at `path`. NULL with a sentence for the user when: it doesn't exist (reading), another process
 * writes (the sentence says which), it is not a sonde catalogue, comes from a newer sonde, is older than this program
 * and open for reading only, is damaged, can't be written, or lies on a network file system (writing: SQLite isn't safe
 * there). */
struct catalogue *catalogue_open(const char *path, enum catalogue_mode mode, struct error *error);

/* Closes; after writing, everything is moved into the file itself (no -wal file is left when no reader has it open) and
 * the lock is given back. NULL is fine. */
void catalogue_close(struct catalogue *catalogue);

/* The connection, for prepared statements of one's own. */
sqlite3 *catalogue_db(const struct catalogue *catalogue);

/* Its path, absolute and without links. */
const char *catalogue_path(const struct catalogue *catalogue);

/* Whether `path` is the catalogue `catalogue` or lies beside it as a part of it: what SQLite keeps there, the lock, the engine's
 * socket, copies made before an upgrade. Both are compared as they are written. Any thread. */
bool catalogue_owns(const char *catalogue, const char *path);

/* The newest version this program knows: the number of its last migration. */
int catalogue_version(void);

/* A prepared statement, kept until the catalogue is closed: `sql` must be a string constant. It comes reset and without
 * bindings; whoever has stepped it calls sqlite3_reset when done. NULL with a sentence on failure. */
sqlite3_stmt *catalogue_statement(struct catalogue *catalogue, const char *sql, struct error *error);

/* Frees all kept statements (none may be in use): needed before a database is detached. */
void catalogue_forget_statements(struct catalogue *catalogue);

/* Runs one or more statements without results. */
bool catalogue_execute(struct catalogue *catalogue, const char *sql, struct error *error);

/* Fills in `error` from the connection's last error: "DOING: what SQLite says". error->code is ENOSPC for a full disk,
 * EBUSY for a locked catalogue, EIO for a failed read or write, ENOTRECOVERABLE for damage. Always returns false. */
bool catalogue_failed(struct catalogue *catalogue, struct error *error, const char *doing);

/* False with a sentence (code ESTALE) when the open file isn't the one at its path any more: somebody has moved, deleted or
 * replaced it, and what is written goes where nobody looks. */
bool catalogue_in_place(struct catalogue *catalogue, struct error *error);

/* Who holds the writing lock of the catalogue at `path`: true with its process id (0: unknown) when somebody does. */
bool catalogue_writer_pid(const char *path, int64_t *pid);

/* The place where summary.c keeps the rules of the plugins' schemas for this connection; freed on closing. */
struct ruleset;
struct ruleset **catalogue_rules(struct catalogue *catalogue);

/* Every page, index and reference of the whole file (slow): false with the first thing found. */
bool catalogue_check_integrity(struct catalogue *catalogue, struct error *error);

#endif
