#include "engine/cli/config.h"

#include "engine/cli/ini_lines.h"

#include <assert.h>
#include <ctype.h>
#include <errno.h>
#include <math.h>
#include <stdatomic.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

struct value {
    char *text;   /* as written */
    char *source; /* where it came from */
};

struct param {
    char *plugin, *key, *value, *source;
};

struct config {
    atomic_uint shared; /* besides the first owner */
    char *file;
    bool named;           /* somebody named the file, so it must be there */
    struct value *values; /* one for each key of the table; text NULL: the default holds */
    struct param *params;
    size_t params_count;
};

/* The number of keys, without the end mark. */
static size_t count_keys(void) {
    size_t n = 0;
    while (config_keys()[n].name) n++;
    return n;
}

static const struct config_key *find_key(const char *name, size_t *index) {
    const struct config_key *keys = config_keys();
    for (size_t i = 0; keys[i].name; i++) {
        if (strcmp(keys[i].name, name) != 0) continue;
        *index = i;
        return &keys[i];
    }
    return NULL;
}

/* Whether `text` is a boolean; its value in *value. */
static bool parse_boolean(const char *text, bool *value) {
    static const char *const words[] = {"no", "yes", "false", "true", "off", "on", "0", "1"};
    for (size_t i = 0; i < sizeof words / sizeof *words; i++) {
        if (strcasecmp(text, words[i]) != 0) continue;
        *value = i % 2 == 1;
        return true;
    }
    return false;
}

static bool check_value(const struct config_key *key, const char *text, struct error *error) {
    if (text[0] == '\0' && key->fallback[0] == '\0') return true; /* unset */
    if (key->kind == CONFIG_TEXT) return true;
    if (key->kind == CONFIG_BOOLEAN) {
        bool value;
        return parse_boolean(text, &value) || error_set(error, "%s = %s: should be yes or no", key->name, text);
    }
    char *end = NULL;
    errno = 0;
    double number = strtod(text, &end);
    if (end == text || *end != '\0' || errno || !isfinite(number))
        return error_set(error, "%s = %s: should be a number", key->name, text);
    if (key->kind == CONFIG_INTEGER && number != floor(number))
        return error_set(error, "%s = %s: should be a whole number", key->name, text);
    if (number < key->min || number > key->max)
        return error_set(error, "%s = %s: should be from %g to %g %s", key->name, text, key->min, key->max, key->unit);
    return true;
}

static bool set_param(struct config *config, const char *plugin, size_t plugin_length, const char *key,
                      const char *value, const char *source, struct error *error) {
    for (size_t i = 0; i < config->params_count; i++) { /* the last word wins */
        struct param *p = &config->params[i];
        if (strlen(p->plugin) != plugin_length || memcmp(p->plugin, plugin, plugin_length) != 0 ||
            strcmp(p->key, key) != 0)
            continue;
        char *new_value = strdup(value), *new_source = strdup(source);
        if (!new_value || !new_source) {
            free(new_value);
            free(new_source);
            return error_memory(error);
        }
        free(p->value);
        free(p->source);
        p->value = new_value;
        p->source = new_source;
        return true;
    }
    struct param *grown = realloc(config->params, (config->params_count + 1) * sizeof *grown);
    if (!grown) return error_memory(error);
    config->params = grown;
    struct param p = {strndup(plugin, plugin_length), strdup(key), strdup(value), strdup(source)};
    if (!p.plugin || !p.key || !p.value || !p.source) {
        free(p.plugin);
        free(p.key);
        free(p.value);
        free(p.source);
        return error_memory(error);
    }
    config->params[config->params_count++] = p;
    return true;
}

bool config_set(struct config *config, const char *name, const char *value, const char *source, struct error *error) {
    const char *colon = strchr(name, ':');
    if (colon) {
        if (colon == name || colon[1] == '\0')
            return error_set(error, "%s: should be PLUGIN:PARAMETER, for example key:tuning", name);
        return set_param(config, name, (size_t)(colon - name), colon + 1, value, source, error);
    }
    size_t index;
    const struct config_key *key = find_key(name, &index);
    if (!key) return error_set(error, "there is no key %s (sonde config lists them)", name);
    if (!check_value(key, value, error)) return false;
    char *text = strdup(value), *from = strdup(source);
    if (!text || !from) {
        free(text);
        free(from);
        return error_memory(error);
    }
    free(config->values[index].text);
    free(config->values[index].source);
    config->values[index] = (struct value){text, from};
    // cppcheck-suppress memleak ; the configuration owns them now
    return true;
}

struct reading {
    struct config *config;
    struct error *error;
    bool failed;
};

/* inih's handler: returns 0 to say that the line is wrong. */
static int take_line(void *user, const char *section, const char *name, const char *value) {
    struct reading *reading = user;
    if (reading->failed) return 0;
    char full[300];
    bool plugin = strncmp(section, "plugin:", 7) == 0;
    int n = plugin ? snprintf(full, sizeof full, "%s:%s", section + 7, name)
                   : snprintf(full, sizeof full, "%s.%s", section, name);
    if (n < 0 || (size_t)n >= sizeof full)
        reading->failed = !error_set(reading->error, "a key is too long");
    else
        reading->failed = !config_set(reading->config, full, value, reading->config->file, reading->error);
    return !reading->failed;
}

static bool read_file(struct config *config, bool must_exist, struct error *error) {
    struct error inner = {0};
    struct reading reading = {config, &inner, false};
    FILE *stream = fopen(config->file, "re");
    if (!stream) {
        if (!must_exist && (errno == ENOENT || errno == ENOTDIR)) return true;
        return error_system(error, errno, "cannot read the configuration %s", config->file);
    }
    int line = ini_lines_read(stream, take_line, &reading, &inner), code = errno;
    fclose(stream);
    if (line == 0) return true;
    if (line < 0) return error_system(error, code, "cannot read the configuration %s", config->file);
    return error_set(error, "%s, line %d: %s", config->file, line,
                     inner.text[0] ? inner.text : "should be a [section] or key = value");
}

/* $VARIABLE/sonde/NAME, or ~/FALLBACK/sonde/NAME. Caller frees; NULL with a sentence. */
static char *place(const char *variable, const char *fallback, const char *name, struct error *error) {
    const char *base = getenv(variable);
    const char *home = getenv("HOME");
    char *path = NULL;
    int n;
    if (base && base[0] == '/')
        n = asprintf(&path, "%s/sonde/%s", base, name);
    else if (home && home[0] == '/')
        n = asprintf(&path, "%s/%s/sonde/%s", home, fallback, name);
    else {
        error_set(error, "neither $%s nor $HOME is set: name the place with --config and --catalogue", variable);
        return NULL;
    }
    if (n < 0) {
        error_memory(error);
        return NULL;
    }
    return path;
}

struct config *config_load(const char *file, struct error *error) {
    struct config *config = calloc(1, sizeof *config);
    if (!config) {
        error_memory(error);
        return NULL;
    }
    config->values = calloc(count_keys(), sizeof *config->values);
    bool ok = config->values || error_memory(error);
    config->named = file != NULL;
    if (ok && file) {
        config->file = strdup(file);
        ok = (config->file || error_memory(error)) && read_file(config, true, error);
    } else if (ok) {
        config->file = place("XDG_CONFIG_HOME", ".config", "sonde.ini", NULL);
        ok = !config->file || read_file(config, false, error);
    }
    if (ok) return config;
    config_free(config);
    return NULL;
}

static bool from_command_line(const char *source) {
    return source && strcmp(source, "command line") == 0;
}

struct config *config_reload(const struct config *old, struct error *error) {
    struct config *config = config_load(old->named ? old->file : NULL, error);
    bool ok = config != NULL;
    for (size_t i = 0; ok && config_keys()[i].name; i++)
        if (old->values[i].text && from_command_line(old->values[i].source))
            ok = config_set(config, config_keys()[i].name, old->values[i].text, "command line", error);
    for (size_t i = 0; ok && i < old->params_count; i++) {
        const struct param *param = &old->params[i];
        char *name = NULL;
        if (!from_command_line(param->source)) continue;
        if (asprintf(&name, "%s:%s", param->plugin, param->key) < 0) {
            ok = error_memory(error);
            break;
        }
        ok = config_set(config, name, param->value, "command line", error);
        free(name);
    }
    if (ok) return config;
    config_free(config);
    return NULL;
}

struct config *config_share(const struct config *config) {
    struct config *same = (struct config *)(uintptr_t)config;
    (void)atomic_fetch_add(&same->shared, 1);
    return same;
}

void config_free(struct config *config) {
    if (!config || atomic_fetch_sub(&config->shared, 1) > 0) return;
    for (size_t i = 0; config->values && i < count_keys(); i++) {
        free(config->values[i].text);
        free(config->values[i].source);
    }
    for (size_t i = 0; i < config->params_count; i++) {
        free(config->params[i].plugin);
        free(config->params[i].key);
        free(config->params[i].value);
        free(config->params[i].source);
    }
    free(config->params);
    free(config->values);
    free(config->file);
    free(config);
}

const char *config_text(const struct config *config, const char *name) {
    size_t index = 0;
    const struct config_key *key = find_key(name, &index);
    assert(key);
    return config->values[index].text ? config->values[index].text : key->fallback;
}

double config_number(const struct config *config, const char *name) {
    return strtod(config_text(config, name), NULL);
}

int64_t config_integer(const struct config *config, const char *name) {
    return (int64_t)config_number(config, name);
}

bool config_boolean(const struct config *config, const char *name) {
    bool value = false;
    return parse_boolean(config_text(config, name), &value) && value;
}

bool config_plugin_param(const struct config *config, size_t index, const char **plugin, const char **key,
                         const char **value) {
    if (index >= config->params_count) return false;
    *plugin = config->params[index].plugin;
    *key = config->params[index].key;
    *value = config->params[index].value;
    return true;
}

const char *config_file(const struct config *config) {
    return config->file ? config->file : "(none: $HOME is not set)";
}

const char *config_path(const struct config *config) {
    return config->file;
}

char *config_catalogue(const struct config *config, struct error *error) {
    const char *path = config_text(config, "catalogue.path");
    if (path[0] == '\0') return place("XDG_DATA_HOME", ".local/share", "catalogue.db", error);
    char *copy = strdup(path);
    if (!copy) error_memory(error);
    return copy;
}

/* A comment, folded at 100 columns. */
static void print_comment(FILE *out, const char *text) {
    int column = 0;
    while (*text) {
        size_t word = strcspn(text, " ");
        if (column == 0 || column + 1 + (int)word > 100) {
            fprintf(out, "%s# %.*s", column ? "\n" : "", (int)word, text);
            column = 2 + (int)word;
        } else {
            fprintf(out, " %.*s", (int)word, text);
            column += 1 + (int)word;
        }
        text += word;
        while (*text == ' ') text++;
    }
    fputc('\n', out);
}

void config_print(const struct config *config, FILE *out) {
    const struct config_key *keys = config_keys();
    const char *section = "";
    size_t section_length = 0;
    fprintf(out, "# effective configuration; file: %s\n", config_file(config));
    for (size_t i = 0; keys[i].name; i++) {
        size_t length = strcspn(keys[i].name, ".");
        if (length != section_length || memcmp(section, keys[i].name, length) != 0) {
            section = keys[i].name;
            section_length = length;
            fprintf(out, "\n[%.*s]\n", (int)length, section);
        }
        const struct value *value = &config->values[i];
        print_comment(out, keys[i].text);
        fprintf(out, "# from: %s%s%s\n", value->source ? value->source : "default", keys[i].unit[0] ? "; unit: " : "",
                keys[i].unit);
        fprintf(out, "%s = %s\n", keys[i].name + length + 1, value->text ? value->text : keys[i].fallback);
    }
    for (size_t i = 0; i < config->params_count; i++) {
        const struct param *p = &config->params[i];
        if (i == 0 || strcmp(p->plugin, config->params[i - 1].plugin) != 0) fprintf(out, "\n[plugin:%s]\n", p->plugin);
        fprintf(out, "# from: %s\n%s = %s\n", p->source, p->key, p->value);
    }
}
