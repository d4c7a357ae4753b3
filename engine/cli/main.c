/* The sonde command: finds the subcommand, loads the configuration, and hands over. */
#include "engine/base/heap.h"
#include "engine/cli/cli.h"
#include "engine/cli/config.h"

#include <errno.h>
#include <fcntl.h>
#include <signal.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/ioctl.h>
#include <unistd.h>

static void print_help(void) {
    puts("sonde listens to audio files so that you don't have to: it splits each file at its silences, analyses every\n"
         "region, and keeps what it finds in a catalogue that you can query.\n\n"
         "usage: sonde COMMAND [options]\n");
    for (const struct command *c = cli_commands(); c->name; c++) printf("  %-12s %s\n", c->name, c->summary);
    puts(
        "\nFor every command:\n"
        "  --catalogue FILE     the catalogue (default: the configuration's, else ~/.local/share/sonde/catalogue.db)\n"
        "  --config FILE        the configuration file (default: ~/.config/sonde/sonde.ini)\n"
        "  --set KEY=VALUE      one key of the configuration (segment.min_silence=0.5), or a plugin's parameter (ID:key=1)\n"
        "  --help               what the command does and takes\n"
        "  --version            the version of sonde\n\n"
        "Exit codes: 0 all well; 1 some files failed, or nothing was found; 2 wrong usage; 3 cannot run.\n\n"
        "Begin with:  sonde analyze ~/Sounds   and then   sonde find --bpm 118-122 --key Am");
}

/* Global options, taken out of argv wherever they stand before "--". */
struct globals {
    const char *catalogue, *config;
    const char *sets[64];
    int sets_count;
    bool help, version;
};

/* Whether argv[*i] is the option `name` with a value; takes the value. */
static bool take_option(int argc, char **argv, int *i, const char *name, const char **value) {
    size_t n = strlen(name);
    if (strncmp(argv[*i], name, n) != 0) return false;
    if (argv[*i][n] == '=') {
        *value = argv[*i] + n + 1;
        return true;
    }
    if (argv[*i][n] != '\0') return false;
    *value = *i + 1 < argc ? argv[++*i] : NULL;
    return true;
}

/* Returns the new argc, or -1 after complaining. */
static int take_globals(int argc, char **argv, struct globals *globals) {
    int kept = 0;
    bool only_paths = false;
    for (int i = 0; i < argc; i++) {
        const char *value = "";
        if (only_paths || i == 0) {
            argv[kept++] = argv[i];
        } else if (strcmp(argv[i], "--") == 0) {
            only_paths = true;
            argv[kept++] = argv[i];
        } else if (take_option(argc, argv, &i, "--catalogue", &value)) {
            globals->catalogue = value;
        } else if (take_option(argc, argv, &i, "--config", &value)) {
            globals->config = value;
        } else if (take_option(argc, argv, &i, "--set", &value)) {
            if (globals->sets_count == 64) {
                cli_complain("more than 64 --set options: put them into the configuration file");
                return -1;
            }
            globals->sets[globals->sets_count++] = value;
        } else if (strcmp(argv[i], "--help") == 0 || strcmp(argv[i], "-h") == 0) {
            globals->help = true;
        } else if (strcmp(argv[i], "--version") == 0) {
            globals->version = true;
        } else {
            argv[kept++] = argv[i];
        }
        if (!value) {
            cli_complain("an option at the end of the line lacks its value");
            return -1;
        }
    }
    argv[kept] = NULL;
    return kept;
}

static bool apply_sets(struct config *config, const struct globals *globals, struct error *error) {
    for (int i = 0; i < globals->sets_count; i++) {
        const char *equals = strchr(globals->sets[i], '=');
        if (!equals) return error_set(error, "--set %s: should be KEY=VALUE", globals->sets[i]);
        char *name = strndup(globals->sets[i], (size_t)(equals - globals->sets[i]));
        if (!name) return error_memory(error);
        bool ok = config_set(config, name, equals + 1, "command line", error);
        free(name);
        if (!ok) return false;
    }
    return true;
}

/* The help command needs no configuration, so that a broken one can't hide how to mend it. */
static int show_help(const char *name) {
    if (!name) {
        print_help();
        return CLI_OK;
    }
    const struct command *command = cli_find_command(name);
    const struct command *guess = command ? NULL : cli_guess_command(name);
    if (guess) {
        cli_complain("there is no command \"%s\": do you mean \"%s\", %s?", name, guess->name, guess->summary);
        return CLI_USAGE;
    }
    if (!command) {
        cli_complain("there is no command \"%s\" (sonde --help lists them)", name);
        return CLI_USAGE;
    }
    fputs(command->help, stdout);
    return CLI_OK;
}

static int run_command(const struct command *command, int argc, char **argv, const struct globals *globals) {
    struct error error = {0};
    struct config *config = config_load(globals->config, &error);
    if (!config || !apply_sets(config, globals, &error)) {
        cli_complain("%s", error.text);
        config_free(config);
        return error.code == 0 ? CLI_USAGE : CLI_CANNOT_RUN; /* memory or a disk failed, not the user */
    }
    char *catalogue = globals->catalogue ? strdup(globals->catalogue) : config_catalogue(config, &error);
    int code = CLI_CANNOT_RUN;
    if (catalogue) {
        struct winsize size = {0};
        struct cli cli = {
            .config = config, .catalogue = catalogue, .terminal = isatty(STDOUT_FILENO) == 1, .width = 100};
        cli.colour = cli.terminal && !getenv("NO_COLOR");
        if (cli.terminal && ioctl(STDOUT_FILENO, TIOCGWINSZ, &size) == 0 && size.ws_col >= 40) cli.width = size.ws_col;
        code = command->run(argc, argv, &cli);
        errno = 0;
        if ((fflush(stdout) != 0 || ferror(stdout)) && code == CLI_OK) {
            cli_complain("not all could be written: %s", errno ? strerror(errno) : "the output is closed or full");
            code = CLI_CANNOT_RUN;
        }
    } else {
        cli_complain("%s", error.text[0] ? error.text : "out of memory");
    }
    free(catalogue);
    config_free(config);
    return code;
}

/* Whoever started us may have closed these: nothing of ours must get their numbers. */
static void keep_standard_streams(void) {
    for (int fd = 0; fd <= 2; fd++)
        if (fcntl(fd, F_GETFD) < 0 && open("/dev/null", O_RDWR) < 0) _exit(CLI_CANNOT_RUN);
}

int main(int argc, char **argv) {
    keep_standard_streams();
    (void)signal(SIGXFSZ, SIG_IGN); /* a limit on the size of files (ulimit -f) fails the write; it ends nobody */
    heap_configure();
    struct globals globals = {0};
    argc = take_globals(argc, argv, &globals);
    if (argc < 0) return CLI_USAGE;
    if (globals.version) {
        puts("sonde " SONDE_VERSION);
        return CLI_OK;
    }
    if (argc < 2) {
        print_help();
        return globals.help ? CLI_OK : CLI_USAGE;
    }
    if (strcmp(argv[1], "help") == 0) return show_help(argc > 2 ? argv[2] : NULL);
    const struct command *command = cli_find_command(argv[1]);
    if (!command || globals.help) return show_help(argv[1]);
    return run_command(command, argc - 1, argv + 1, &globals);
}
