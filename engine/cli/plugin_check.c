/* sonde plugin check: what a plugin library does that it shouldn't. */
#include "engine/cli/plugin_check.h"

#include "engine/base/path.h"
#include "engine/check/check.h"
#include "engine/cli/setup.h"

#include <errno.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/stat.h>

#define QUICK_LEVEL 4
#define MAX_WITH    32
#define MAX_FILES   256

struct request {
    int level;
    bool all, json;
    uint32_t seed;
    const char *before; /* NULL: none */
    const char *with[MAX_WITH], *files[MAX_FILES];
    size_t with_count, files_count;
};

static bool parse_number(const char *text, long least, long most, long *value) {
    char *end = NULL;
    errno = 0;
    *value = text ? strtol(text, &end, 10) : 0;
    return text && end != text && *end == '\0' && errno == 0 && *value >= least && *value <= most;
}

/* Takes an option that `value` belongs to. CLI_OK, or what to exit with. */
static int parse_value(const char *option, const char *value, struct request *request) {
    long number = 0;
    if (strcmp(option, "--level") == 0) {
        if (!parse_number(value, 1, CHECK_LEVELS, &number)) return cli_usage("plugin", "check: --level takes 1 to 10");
        request->level = (int)number;
    } else if (strcmp(option, "--seed") == 0) {
        if (!parse_number(value, 0, UINT32_MAX, &number))
            return cli_usage("plugin", "check: --seed takes a whole number from 0 to 4294967295");
        request->seed = (uint32_t)number;
    } else if (strcmp(option, "--before") == 0) {
        if (!value) return cli_usage("plugin", "check: --before takes a library");
        request->before = value;
    } else if (strcmp(option, "--with") == 0) {
        if (!value || request->with_count == MAX_WITH)
            return cli_usage("plugin", "check: --with takes a library, at most %d times", MAX_WITH);
        request->with[request->with_count++] = value;
    } else {
        return cli_usage("plugin", "check: %s: no such option", option);
    }
    return CLI_OK;
}

/* CLI_OK, or what to exit with. */
static int parse(int argc, char **argv, struct request *request) {
    *request = (struct request){.level = CHECK_LEVELS, .seed = 1};
    int code = CLI_OK;
    for (int i = 1; i < argc && code == CLI_OK; i++) {
        const char *word = argv[i];
        if (strcmp(word, "--quick") == 0)
            request->level = QUICK_LEVEL;
        else if (strcmp(word, "--all") == 0)
            request->all = true;
        else if (strcmp(word, "--json") == 0)
            request->json = true;
        else if (word[0] == '-')
            code = parse_value(word, ++i < argc ? argv[i] : NULL, request);
        else if (request->files_count < MAX_FILES)
            request->files[request->files_count++] = word;
        else
            code = cli_usage("plugin", "check: at most %d libraries", MAX_FILES);
    }
    if (code != CLI_OK) return code;
    return request->files_count > 0 ? CLI_OK : cli_usage("plugin", "check: name a library");
}

static int list_checks(void) {
    for (int level = 1; level <= CHECK_LEVELS; level++)
        for (int i = 0; i < CHECK_COUNT; i++)
            if (check_table[i].level == level)
                printf("%2d  %-20s %s\n", level, check_table[i].id, check_table[i].looks_for);
    return CLI_OK;
}

/* ------------------------------------------------------------------------------------------------------------ libraries */

/* A library by its path, with the resources beside it. Both texts are the caller's to free. */
static bool locate(const char *path, struct check_library *library, struct error *error) {
    char *real = realpath(path, NULL), *resources = NULL;
    if (!real) return error_system(error, errno, "%.300s", path);
    size_t n = strlen(real);
    struct stat facts;
    if (n > 3 && strcmp(real + n - 3, ".so") == 0 && asprintf(&resources, "%.*s.resources", (int)(n - 3), real) < 0) {
        free(real);
        return error_memory(error);
    }
    if (resources && (stat(resources, &facts) != 0 || !S_ISDIR(facts.st_mode))) {
        free(resources);
        resources = NULL;
    }
    *library = (struct check_library){real, resources};
    return true;
}

static void forget(struct check_library *library) {
    free((char *)(uintptr_t)library->path);
    free((char *)(uintptr_t)library->resources);
}

/* Who may provide what plugins need: those named, then those that come with sonde. The latter's texts are the setup's. */
static bool list_others(const struct request *request, const struct setup *setup, struct check_library *others,
                        size_t *count, struct error *error) {
    bool good = true;
    for (size_t i = 0; good && i < request->with_count; i++) {
        good = locate(request->with[i], &others[*count], error);
        *count += good;
    }
    for (size_t i = 0; good && i < setup->plugins.count; i++)
        if (!setup->plugins.libraries[i].third_party)
            others[(*count)++] = (struct check_library){setup->plugins.libraries[i].path,
                                                        setup->plugins.libraries[i].resources};
    return good;
}

static bool is_bundled(const struct setup *setup, const char *path) {
    for (size_t i = 0; i < setup->plugins.count; i++)
        if (!setup->plugins.libraries[i].third_party && strcmp(setup->plugins.libraries[i].path, path) == 0)
            return true;
    return false;
}

/* The program beside sonde-worker that counts allocations. Caller frees. */
static char *find_worker(const struct setup *setup, struct error *error) {
    char *path = NULL, *folder = path_folder(setup->worker);
    if (!folder || asprintf(&path, "%s/sonde-check-worker", folder) < 0) path = NULL;
    free(folder);
    if (!path) {
        error_memory(error);
        return NULL;
    }
    struct stat facts;
    if (stat(path, &facts) == 0) return path;
    error_set(error, "there is no %.300s, which checks plugins", path);
    free(path);
    return NULL;
}

/* --------------------------------------------------------------------------------------------------------------- running */

static bool print(const struct report *report, const struct request *request) {
    if (!request->json) {
        report_print(report, request->all, stdout);
        return true;
    }
    cJSON *object = report_to_json(report);
    char *text = object ? cJSON_PrintUnformatted(object) : NULL;
    if (text) puts(text);
    cJSON_free(text);
    cJSON_Delete(object);
    return text != NULL;
}

static int check_file_named(const char *path, const struct request *request, struct check_options *options,
                            const struct setup *setup, struct error *error) {
    struct check_library library;
    struct report report = {0};
    if (!locate(path, &library, error)) return CLI_CANNOT_RUN;
    options->bundled = is_bundled(setup, library.path);
    int code = CLI_CANNOT_RUN;
    if (check_run(options, &library, &report, error)) {
        code = report_passed(&report) ? CLI_OK : CLI_SOME_FAILED;
        if (!print(&report, request)) code = CLI_CANNOT_RUN;
    }
    report_clear(&report);
    forget(&library);
    return code;
}

static int check_files(const struct request *request, const struct setup *setup, struct error *error) {
    size_t count = 0;
    int code = CLI_OK;
    struct check_library *others = calloc(request->with_count + setup->plugins.count + 1, sizeof *others), before = {0};
    char *worker = find_worker(setup, error);
    bool good = others ? worker && list_others(request, setup, others, &count, error) : error_memory(error);
    good = good && (!request->before || locate(request->before, &before, error));
    struct check_options options = {.worker = worker,
                                    .level = request->level,
                                    .memory_limit = setup->options.memory_limit,
                                    .cpu_limit = setup->options.cpu_limit,
                                    .load_deadline = setup->options.deadlines.load,
                                    .run_deadline = setup->options.deadlines.analyse,
                                    .run_deadline_a_second = setup->options.deadlines.analyse_per_second,
                                    .others = others,
                                    .others_count = count,
                                    .before = request->before ? &before : NULL,
                                    .seed = request->seed};
    for (size_t i = 0; good && i < request->files_count && code != CLI_CANNOT_RUN; i++) {
        int one = check_file_named(request->files[i], request, &options, setup, error);
        if (one > code) code = one;
    }
    for (size_t i = 0; others && i < request->with_count && others[i].path; i++) forget(&others[i]);
    forget(&before);
    free(others);
    free(worker);
    return good ? code : CLI_CANNOT_RUN;
}

int plugin_check_verb(int argc, char **argv, const struct cli *cli) {
    struct request request;
    if (argc == 2 && strcmp(argv[1], "--list") == 0) return list_checks();
    int code = parse(argc, argv, &request);
    if (code != CLI_OK) return code;
    struct setup setup;
    struct error error = {0};
    code = setup_open(&setup, cli, &error) ? check_files(&request, &setup, &error) : CLI_CANNOT_RUN;
    if (error.text[0]) cli_complain("%s", error.text);
    setup_close(&setup);
    return code;
}
