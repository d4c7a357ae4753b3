/* sonde plugin new: a complete little project to begin a plugin with. The templates are the files of plugins/sdk/template. */
#include "engine/base/error.h"
#include "engine/base/text.h"
#include "engine/cli/plugin.h"
#include "engine/cli/plugin_template.h"

#include <errno.h>
#include <fcntl.h>
#include <getopt.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/stat.h>
#include <unistd.h>

#define MAX_NAME 100

struct project {
    const char *folder, *id, *name;
    bool cpp;
    char file[MAX_NAME + 1];       /* last part of the id: the library's name */
    char word[MAX_NAME + 1];       /* the same as a name of [a-z0-9_] */
    char vendor[MAX_NAME + 1];     /* the parts before it */
    char c_name[2 * MAX_NAME + 1]; /* the name inside a string of C */
    char source[MAX_NAME + 8];
};

/* One file of a project. `name` NULL: the source, called after the plugin. */
struct template {
    const char *name, *text;
    bool c, cpp; /* in which projects */
};

static const struct template templates[] = {
    {NULL, template_plugin_c, true, false},
    {NULL, template_plugin_cpp, false, true},
    {"result.schema.json", template_schema, true, true},
    {"quote.sed", template_quote, true, true},
    {"exports.map", template_exports, true, true},
    {"Makefile", template_makefile, true, true},
    {"meson.build", template_meson, true, true},
    {"meson_options.txt", template_meson_options, true, true},
    {"test.py", template_test, true, true},
    {"README.md", template_readme, true, true},
    {".gitignore", template_gitignore, true, true},
};
#define TEMPLATES (sizeof templates / sizeof *templates)

/* ---------------------------------------------------------------------------------------------------------- what is asked */

/* "org.example.rumble": at least two parts of [a-z0-9_-], and the last begins with a letter, for files are called so. */
static bool take_id(struct project *project, struct error *error) {
    const char *id = project->id, *dot = strrchr(id, '.');
    size_t n = strlen(id);
    bool good = n <= MAX_NAME && strspn(id, "abcdefghijklmnopqrstuvwxyz0123456789._-") == n && dot && dot > id &&
                id[0] != '.' && !strstr(id, "..") && dot[1] >= 'a' && dot[1] <= 'z';
    if (!good)
        return error_set(error,
                         "%.120s: an id should be like org.example.rumble: your domain, then a name that begins with a "
                         "letter; [a-z0-9._-], at most 100 bytes",
                         id);
    snprintf(project->file, sizeof project->file, "%s", dot + 1);
    for (size_t i = 0; i < sizeof project->word; i++)
        project->word[i] = project->file[i] == '-' ? '_' : project->file[i];
    snprintf(project->vendor, sizeof project->vendor, "%.*s", (int)(dot - id), id);
    snprintf(project->source, sizeof project->source, "%s.%s", project->file, project->cpp ? "cpp" : "c");
    return true;
}

/* Quotes, backslashes and question marks (trigraphs) mean something inside a string of C. */
static bool take_name(struct project *project, struct error *error) {
    const char *name = project->name;
    size_t n = strlen(name), used = 0;
    bool good = n >= 1 && n <= MAX_NAME && text_is_utf8(name, n);
    for (size_t i = 0; good && i < n; i++) {
        good = (unsigned char)name[i] >= ' ' && name[i] != 0x7f;
        if (strchr("\"\\?", name[i])) project->c_name[used++] = '\\';
        project->c_name[used++] = name[i];
    }
    return good ? true : error_set(error, "a name is for people: 1 to 100 bytes of text on one line");
}

/* The value of a placeholder, or NULL. */
static const char *value_of(const struct project *project, const char *placeholder, size_t length) {
    const struct {
        const char *name, *value;
    } values[] = {{"ID", project->id},
                  {"NAME", project->name},
                  {"C_NAME", project->c_name},
                  {"VENDOR", project->vendor},
                  {"FILE", project->file},
                  {"WORD", project->word},
                  {"SOURCE", project->source},
                  {"LANGUAGE", project->cpp ? "cpp" : "c"},
                  {"STANDARD", project->cpp ? "c++17" : "c17"},
                  {"COMPILER", project->cpp ? "c++" : "cc"},
                  {"COMPILER_VARIABLE", project->cpp ? "CXX" : "CC"},
                  {"FLAGS_VARIABLE", project->cpp ? "CXXFLAGS" : "CFLAGS"}};
    for (size_t i = 0; i < sizeof values / sizeof *values; i++)
        if (strlen(values[i].name) == length && memcmp(values[i].name, placeholder, length) == 0)
            return values[i].value;
    return NULL;
}

/* --------------------------------------------------------------------------------------------------------------- writing */

/* Writes a template with its placeholders (@NAME@) filled in; an @ that begins none stays one. */
static bool fill_in(FILE *out, const struct project *project, const char *text) {
    bool good = true;
    while (good && *text) {
        const char *end = *text == '@' ? strchr(text + 1, '@') : NULL;
        const char *value = end ? value_of(project, text + 1, (size_t)(end - text - 1)) : NULL;
        good = value ? fputs(value, out) >= 0 : fputc(*text, out) != EOF;
        text = value ? end + 1 : text + 1;
    }
    return good;
}

static bool write_file(int folder, const char *name, const struct project *project, const char *text,
                       struct error *error) {
    int fd = openat(folder, name, O_WRONLY | O_CREAT | O_EXCL | O_CLOEXEC, strcmp(name, "test.py") == 0 ? 0777 : 0666);
    FILE *out = fd >= 0 ? fdopen(fd, "w") : NULL;
    if (!out) {
        int code = errno;
        if (fd >= 0) close(fd);
        return error_system(error, code, "%.200s/%.100s", project->folder, name);
    }
    bool good = fill_in(out, project, text);
    int code = errno;
    if (fclose(out) != 0 && good) {
        good = false;
        code = errno;
    }
    return good ? true : error_system(error, code, "%.200s/%.100s", project->folder, name);
}

/* All files, or none: what was written before a failure is taken away again. */
static bool write_project(const struct project *project, struct error *error) {
    if (mkdir(project->folder, 0777) != 0 && errno == EEXIST)
        return error_set(error, "%.300s is there already: name a folder that isn't", project->folder);
    int folder = open(project->folder, O_RDONLY | O_DIRECTORY | O_NOFOLLOW | O_CLOEXEC);
    if (folder < 0) return error_system(error, errno, "%.300s can't be made", project->folder);
    size_t done = 0;
    bool good = true;
    for (; good && done < TEMPLATES; done++) {
        const struct template *t = &templates[done];
        if (project->cpp ? t->cpp : t->c)
            good = write_file(folder, t->name ? t->name : project->source, project, t->text, error);
    }
    for (size_t i = 0; !good && i < done; i++)
        (void)unlinkat(folder, templates[i].name ? templates[i].name : project->source, 0);
    close(folder);
    if (!good) (void)rmdir(project->folder);
    return good;
}

int plugin_new_verb(int argc, char **argv, const struct cli *cli) {
    static const struct option options[] = {{"id", required_argument, NULL, 'i'},
                                            {"name", required_argument, NULL, 'n'},
                                            {"cpp", no_argument, NULL, 'c'},
                                            {0}};
    struct project project = {0};
    (void)cli;
    optind = 0;
    for (int option; (option = getopt_long(argc, argv, "", options, NULL)) != -1;) {
        if (option == 'i')
            project.id = optarg;
        else if (option == 'n')
            project.name = optarg;
        else if (option == 'c')
            project.cpp = true;
        else
            return cli_usage("plugin", "new: see sonde plugin --help");
    }
    if (optind + 1 != argc || !project.id || !project.name)
        return cli_usage("plugin", "new: say DIR, --id ID and --name NAME");
    project.folder = argv[optind];
    struct error error = {0};
    if (!take_id(&project, &error) || !take_name(&project, &error)) return cli_usage("plugin", "new: %s", error.text);
    if (!write_project(&project, &error)) {
        cli_complain("%s", error.text);
        return CLI_CANNOT_RUN;
    }
    printf("%s: a plugin, %s. Next:\n\n  cd %s\n  make check\n", project.folder, project.source, project.folder);
    return CLI_OK;
}
