/* What every command gets from main: where the catalogue is, the configuration, and what the terminal can do.
 *
 * A command is a function `int NAME_command(int argc, char **argv, const struct cli *cli)`; argv[0] is the command's name,
 * global options are already taken out. It returns one of the exit codes below and reports through cli_complain. */
#ifndef SONDE_CLI_CLI_H
#define SONDE_CLI_CLI_H

#include <stdbool.h>
#include <stddef.h>

struct config;

enum cli_exit {
    CLI_OK = 0,          /* all well */
    CLI_SOME_FAILED = 1, /* some files failed, or nothing was found */
    CLI_USAGE = 2,       /* the command line or the configuration is wrong */
    CLI_CANNOT_RUN = 3,  /* no catalogue, no workers, no disk ... */
};

struct cli {
    const struct config *config;
    const char *catalogue; /* path of the catalogue file */
    bool terminal;         /* standard output is a terminal */
    bool colour;           /* colours may be used on it */
    int width;             /* its columns; 100 when it isn't a terminal */
};

struct command {
    const char *name;
    const char *summary; /* one line for `sonde --help` */
    const char *help;    /* the text of `sonde NAME --help` */
    int (*run)(int argc, char **argv, const struct cli *cli);
};

/* All commands; the table ends with an entry without a name. */
const struct command *cli_commands(void);

/* The command of that name, or NULL. */
const struct command *cli_find_command(const char *name);

/* The command that was probably meant by a name that isn't one: another program's word for it, or one letter off. NULL: none. */
const struct command *cli_guess_command(const char *name);

/* Prints "sonde: SENTENCE" on standard error. */
void cli_complain(const char *format, ...) __attribute__((format(printf, 1, 2)));

/* Prints "sonde NAME: SENTENCE", then where to find help; returns CLI_USAGE. */
int cli_usage(const char *command, const char *format, ...) __attribute__((format(printf, 2, 3)));

/* 3725.4 as "1:02:05", 65 as "1:05", 3.25 as "3.2 s" (below a minute). `out` of at least 32 bytes; returns it. */
char *cli_duration(double seconds, char *out, size_t size);

#endif
