#include "tests/unit/command_rig.h"

#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <unistd.h>

#include <cmocka.h>

char output[200000];
size_t output_length;
char complaint[4000];

int command_run(const struct fixture *f, int (*command)(int, char **, const struct cli *), bool terminal, int width,
                const char *const *words) {
    char *argv[20] = {NULL};
    int argc = 0;
    for (; words[argc]; argc++) assert_non_null(argv[argc] = strdup(words[argc]));
    FILE *file = tmpfile();
    assert_non_null(file);
    fflush(stdout);
    int saved = dup(STDOUT_FILENO);
    assert_true(dup2(fileno(file), STDOUT_FILENO) >= 0);
    const struct cli cli = {.catalogue = f->path, .terminal = terminal, .colour = false, .width = width};
    int code = command(argc, argv, &cli);
    fflush(stdout);
    assert_true(dup2(saved, STDOUT_FILENO) >= 0);
    close(saved);
    rewind(file);
    output_length = fread(output, 1, sizeof output - 1, file);
    output[output_length] = '\0';
    fclose(file);
    for (int i = 0; i < argc; i++) free(argv[i]);
    return code;
}

int command_says(const struct fixture *f, int (*command)(int, char **, const struct cli *), const char *const *words) {
    FILE *file = tmpfile();
    assert_non_null(file);
    int saved = dup(STDERR_FILENO);
    assert_true(dup2(fileno(file), STDERR_FILENO) >= 0);
    int code = command_run(f, command, false, 100, words);
    assert_true(dup2(saved, STDERR_FILENO) >= 0);
    close(saved);
    rewind(file);
    complaint[fread(complaint, 1, sizeof complaint - 1, file)] = '\0';
    fclose(file);
    return code;
}
