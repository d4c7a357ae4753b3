#include "engine/cli/choices.h"

#include "engine/base/path.h"
#include "engine/cli/config.h"
#include "engine/cli/ini_lines.h"
#include "engine/cli/sink.h"

#include <errno.h>
#include <fcntl.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/file.h>
#include <sys/stat.h>
#include <unistd.h>

#define PLUGINS_MAX 512 /* named in one list */

bool choices_is_id(const char *text) {
    size_t n = strlen(text);
    return n > 0 && n <= 100 && strspn(text, "abcdefghijklmnopqrstuvwxyz0123456789._-") == n;
}

bool choices_is_interface(const char *text) {
    const char *slash = strrchr(text, '/');
    if (!slash || slash - text > 100 || !slash[1] || strlen(slash + 1) > 4) return false;
    char id[104];
    (void)snprintf(id, sizeof id, "%.*s", (int)(slash - text), text);
    return choices_is_id(id) && strspn(slash + 1, "0123456789") == strlen(slash + 1);
}

/* ------------------------------------------------------------------------------------------------------------ in memory */

static void clear_ranking(struct engine_ranking *ranking) {
    for (size_t i = 0; i < ranking->plugins_count; i++) free((char *)(uintptr_t)ranking->plugins[i]);
    free((void *)(uintptr_t)ranking->plugins);
    free((char *)(uintptr_t)ranking->interface);
}

bool choices_is_disabled(const struct choices *choices, const char *plugin) {
    for (size_t i = 0; i < choices->disabled_count; i++)
        if (strcmp(choices->disabled[i], plugin) == 0) return true;
    return false;
}

bool choices_disable(struct choices *choices, const char *plugin, bool disabled, struct error *error) {
    if (!choices_is_id(plugin)) return error_set(error, "%.120s: isn't the id of a plugin", plugin);
    size_t kept = 0;
    for (size_t i = 0; i < choices->disabled_count; i++) {
        if (strcmp(choices->disabled[i], plugin) == 0)
            free(choices->disabled[i]);
        else
            choices->disabled[kept++] = choices->disabled[i];
    }
    choices->disabled_count = kept;
    if (!disabled) return true;
    if (kept == PLUGINS_MAX) return error_set(error, "more than %d plugins are disabled", PLUGINS_MAX);
    char **grown = realloc(choices->disabled, (kept + 1) * sizeof *grown);
    if (!grown) return error_memory(error);
    choices->disabled = grown;
    grown[kept] = strdup(plugin);
    if (!grown[kept]) return error_memory(error);
    choices->disabled_count++;
    return true;
}

static void drop_ranking(struct choices *choices, const char *interface) {
    size_t kept = 0;
    for (size_t i = 0; i < choices->rankings_count; i++) {
        if (strcmp(choices->rankings[i].interface, interface) == 0)
            clear_ranking(&choices->rankings[i]);
        else
            choices->rankings[kept++] = choices->rankings[i];
    }
    choices->rankings_count = kept;
}

bool choices_rank(struct choices *choices, const char *interface, const char *const *plugins, size_t count,
                  struct error *error) {
    if (!choices_is_interface(interface))
        return error_set(error, "%.120s: should be an interface with its version, for example key/1", interface);
    for (size_t i = 0; i < count; i++)
        if (!choices_is_id(plugins[i])) return error_set(error, "%.120s: isn't the id of a plugin", plugins[i]);
    if (count > PLUGINS_MAX) return error_set(error, "%s: ranks more than %d plugins", interface, PLUGINS_MAX);
    drop_ranking(choices, interface);
    if (count == 0) return true;
    struct engine_ranking *grown = realloc(choices->rankings, (choices->rankings_count + 1) * sizeof *grown);
    if (grown) choices->rankings = grown;
    char **list = grown ? calloc(count, sizeof *list) : NULL, *name = grown ? strdup(interface) : NULL;
    bool ok = list && name;
    size_t n = 0;
    for (; ok && n < count; n++) {
        list[n] = strdup(plugins[n]);
        ok = list[n] != NULL;
    }
    struct engine_ranking ranking = {name, (const char *const *)list, list ? n : 0};
    if (ok) {
        choices->rankings[choices->rankings_count++] = ranking;
        return true;
    }
    clear_ranking(&ranking);
    return error_memory(error);
}

/* -------------------------------------------------------------------------------------------------------------- reading */

struct reading {
    struct choices *choices;
    struct error error;
};

static int take_line(void *user, const char *section, const char *name, const char *value) {
    struct reading *reading = user;
    if (strcmp(section, "disabled") == 0)
        return choices_disable(reading->choices, name, strcmp(value, "yes") == 0, &reading->error);
    if (strcmp(section, "rank") != 0)
        return error_set(&reading->error, "[%.100s]: should be [disabled] or [rank]", section);
    const char *ids[PLUGINS_MAX];
    size_t count = 0;
    char *list = strdup(value), *rest = NULL;
    if (!list) return error_memory(&reading->error);
    for (char *id = strtok_r(list, " ", &rest); id && count < PLUGINS_MAX; id = strtok_r(NULL, " ", &rest))
        ids[count++] = id;
    bool ok = choices_rank(reading->choices, name, ids, count, &reading->error);
    free(list);
    return ok;
}

static bool read_file(struct choices *choices, struct error *error) {
    FILE *stream = fopen(choices->file, "re");
    if (!stream) {
        if (errno == ENOENT || errno == ENOTDIR) return true;
        return error_system(error, errno, "cannot read %s", choices->file);
    }
    struct reading reading = {.choices = choices};
    int line = ini_lines_read(stream, take_line, &reading, &reading.error), code = errno;
    fclose(stream);
    if (line == 0) return true;
    if (line < 0) return error_system(error, code, "cannot read %s", choices->file);
    return error_set(error, "%s, line %d: %s (`sonde plugin` writes this file: remove it to begin anew)", choices->file,
                     line, reading.error.text[0] ? reading.error.text : "should be a [section] or key = value");
}

/* ~/.config/sonde/sonde.ini -> ~/.config/sonde/sonde.plugins.ini */
static char *name_file(const char *config) {
    size_t n = strlen(config);
    char *file = NULL;
    if (n > 4 && strcmp(config + n - 4, ".ini") == 0) n -= 4;
    return asprintf(&file, "%.*s.plugins.ini", (int)n, config) < 0 ? NULL : file;
}

/* The folder of the file, with all that is above it. */
static bool lock_folder(struct choices *choices, struct error *error) {
    for (char *at = strchr(choices->file + 1, '/'); at; at = strchr(at + 1, '/')) {
        *at = '\0';
        (void)mkdir(choices->file, 0700);
        *at = '/';
    }
    char *folder = path_folder(choices->file);
    if (!folder) return error_memory(error);
    choices->lock = open(folder, O_RDONLY | O_DIRECTORY | O_CLOEXEC);
    int code = errno;
    free(folder);
    if (choices->lock < 0) return error_system(error, code, "cannot open the folder of %s", choices->file);
    while (flock(choices->lock, LOCK_EX) != 0)
        if (errno != EINTR) return error_system(error, errno, "cannot lock the folder of %s", choices->file);
    return true;
}

bool choices_open(struct choices *choices, const struct config *config, bool change, struct error *error) {
    *choices = (struct choices){.lock = -1};
    const char *file = config_path(config);
    if (!file)
        return !change || error_set(error, "neither $XDG_CONFIG_HOME nor $HOME is set: name a file with --config");
    choices->file = name_file(file);
    if (!choices->file) return error_memory(error);
    return (!change || lock_folder(choices, error)) && read_file(choices, error);
}

void choices_close(struct choices *choices) {
    for (size_t i = 0; i < choices->disabled_count; i++) free(choices->disabled[i]);
    for (size_t i = 0; i < choices->rankings_count; i++) clear_ranking(&choices->rankings[i]);
    free(choices->disabled);
    free(choices->rankings);
    free(choices->file);
    if (choices->lock >= 0) close(choices->lock);
    *choices = (struct choices){.lock = -1};
}

/* -------------------------------------------------------------------------------------------------------------- writing */

static void print(const struct choices *choices, FILE *out) {
    fputs("# Written by `sonde plugin enable`, `disable` and `rank`.\n[disabled]\n", out);
    for (size_t i = 0; i < choices->disabled_count; i++) fprintf(out, "%s = yes\n", choices->disabled[i]);
    fputs("[rank]\n", out);
    for (size_t i = 0; i < choices->rankings_count; i++) {
        const struct engine_ranking *ranking = &choices->rankings[i];
        fprintf(out, "%s =", ranking->interface);
        for (size_t k = 0; k < ranking->plugins_count; k++) fprintf(out, " %s", ranking->plugins[k]);
        fputc('\n', out);
    }
}

bool choices_save(const struct choices *choices, struct error *error) {
    struct sink sink;
    if (!sink_open(&sink, choices->file, error)) return false;
    print(choices, sink.out);
    return sink_close(&sink, true, error);
}
