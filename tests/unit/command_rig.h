/* Commands of sonde on a fixture's catalogue, as a user runs them. Fails the running cmocka test on any trouble. */
#ifndef SONDE_TESTS_COMMAND_RIG_H
#define SONDE_TESTS_COMMAND_RIG_H

#include "engine/cli/cli.h"
#include "tests/unit/catalogue_fixture.h"

#include <stdbool.h>
#include <stddef.h>

/* Of the last command: what it printed, and, of command_says, its standard error. Zero-terminated. */
extern char output[200000];
extern size_t output_length;
extern char complaint[4000];

/* Runs a command; `words` begin with its name and end with NULL. Returns its exit code. */
int command_run(const struct fixture *f, int (*command)(int, char **, const struct cli *), bool terminal, int width,
                const char *const *words);
int command_says(const struct fixture *f, int (*command)(int, char **, const struct cli *), const char *const *words);

/* The same where a `struct fixture *f` is at hand. */
#define RUN(command, ...)                command_run(f, command, false, 100, (const char *const[]){__VA_ARGS__, NULL})
#define ON_TERMINAL(width, command, ...) command_run(f, command, true, width, (const char *const[]){__VA_ARGS__, NULL})
#define RUN_SAYS(command, ...)           command_says(f, command, (const char *const[]){__VA_ARGS__, NULL})

#endif
