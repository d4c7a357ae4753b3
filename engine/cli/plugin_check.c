/* sonde plugin check: what a plugin library does that it shouldn't. */
#include "engine/cli/plugin_check.h"

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
    const char *with[MAX_WITH], *files[MAX_FILES];
    size_t with_count, files_count;
};

static bool parse_level(const char *text, int *level) {
    char *end = NULL;
    errno = 0;
    long value = text ? strtol(text, &end, 10) : 0;
    *level = (int)value;
    return text && end != text && *end == '\0' && errno == 0 && value >= 1 && value <= CHECK_LEVELS;
}

/* CLI_OK, or what to exit with. */
static int parse(int argc, char **argv, struct request *request) {
    *request = (struct request){.level = CHECK_LEVELS};
    for (int i = 1; i < argc; i++) {
        const char *word = argv[i], *next = i + 1 < argc ? argv[i + 1] : NULL;
        if (strcmp(word, "--quick") == 0) {
            request->level = QUICK_LEVEL;
        } else if (strcmp(word, "--all") == 0) {
            request->all = true;
        } else if (strcmp(word, "--json") == 0) {
            request->json = true;
        } else if (strcmp(word, "--level") == 0) {
            if (!parse_level(next, &request->level)) return cli_usage("plugin", "check: --level takes 1 to 10");
            i++;
        } else if (strcmp(word, "--with") == 0) {
            if (!next || request->with_count == MAX_WITH)
                return cli_usage("plugin", "check: --with takes a library, at most %d times", MAX_WITH);
            request->with[request->with_count++] = next;
            i++;
        } else if (word[0] == '-') {
            return cli_usage("plugin", "check: %s: no such option", word);
        } else if (request->files_count < MAX_FILES) {
            request->files[request->files_count++] = word;
        } else {
            return cli_usage("plugin", "check: at most %d libraries", MAX_FILES);
        }
    }
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
    char *path = NULL;
    const char *slash = strrchr(setup->worker, '/');
    int folder = slash ? (int)(slash - setup->worker) : 1;
    if (asprintf(&path, "%.*s/sonde-check-worker", folder, slash ? setup->worker : ".") < 0) {
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
    struct check_library *others = calloc(request->with_count + setup->plugins.count + 1, sizeof *others);
    char *worker = find_worker(setup, error);
    bool good = others ? worker && list_others(request, setup, others, &count, error) : error_memory(error);
    struct check_options options = {.worker = worker,
                                    .level = request->level,
                                    .memory_limit = setup->options.memory_limit,
                                    .cpu_limit = setup->options.cpu_limit,
                                    .load_deadline = setup->options.deadlines.load,
                                    .run_deadline = setup->options.deadlines.analyse,
                                    .run_deadline_a_second = setup->options.deadlines.analyse_per_second,
                                    .others = others,
                                    .others_count = count};
    for (size_t i = 0; good && i < request->files_count && code != CLI_CANNOT_RUN; i++) {
        int one = check_file_named(request->files[i], request, &options, setup, error);
        if (one > code) code = one;
    }
    for (size_t i = 0; others && i < request->with_count && others[i].path; i++) forget(&others[i]);
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
