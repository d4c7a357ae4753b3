/* What the descriptors say, judged by what people will read and other programs will rely on. */
#include "engine/check/subject.h"

#include "engine/base/json.h"
#include "engine/base/schema.h"
#include "engine/schedule/published.h"

#include <stdio.h>
#include <string.h>
#include <strings.h>

#define LETTERS "ABCDEFGHIJKLMNOPQRSTUVWXYZabcdefghijklmnopqrstuvwxyz0123456789"

static void judge(struct subject *s, enum check_id check, bool good, enum check_status bad, const char *reason) {
    report_add(s->report, check, s->plugin, good ? CHECK_PASSED : bad, "%s", good ? "" : reason);
}

/* Plain names are for what comes with sonde; others begin with a domain of their maker's. */
static bool is_reverse_domain(const char *id) {
    const char *dot = strchr(id, '.');
    return dot && dot != id && dot[1] != '\0' && dot[1] != '.';
}

static void check_ids(struct subject *s) {
    char reason[300];
    (void)snprintf(reason, sizeof reason, "\"%.100s\" is a plain name", s->plugin);
    judge(s, CHECK_DECLARED_ID, s->options->bundled || is_reverse_domain(s->plugin), CHECK_FAILED, reason);
    const cJSON *one = NULL;
    size_t length = strcspn(s->plugin, ".");
    cJSON_ArrayForEach(one, json_member(s->descriptor, "provides")) {
        const char *id = json_string(one, "id", "");
        (void)snprintf(reason, sizeof reason,
                       "it provides \"%.100s\", which is neither one of sonde's interfaces nor under \"%.*s.\"", id,
                       (int)length, s->plugin);
        bool own = strncmp(id, s->plugin, length) == 0 && is_reverse_domain(id);
        /* A plain name is the wish to replace what comes with sonde, which is what interfaces are for. */
        judge(s, CHECK_DECLARED_ID, s->options->bundled || own || !strchr(id, '.'), CHECK_WARNED, reason);
    }
}

/* "1.2.3", numbers of at most 9 digits. */
static bool is_version(const char *text) {
    int numbers = 0;
    for (;; text++) {
        size_t digits = strspn(text, "0123456789");
        if (digits < 1 || digits > 9) return false;
        numbers++;
        text += digits;
        if (*text != '.') break;
    }
    return numbers == 3 && (*text == '\0' || *text == '-' || *text == '+');
}

/* One identifier, or several with AND, OR, WITH and parentheses (SPDX specification, annex D). */
static bool is_licence(const char *text) {
    bool wanted = true; /* an identifier, not an operator */
    int depth = 0;
    while (*text) {
        text += strspn(text, " ");
        if (*text == '(' && wanted) {
            depth++, text++;
            continue;
        }
        if (*text == ')' && !wanted && depth > 0) {
            depth--, text++;
            continue;
        }
        size_t n = strspn(text, LETTERS ".-+:");
        if (n == 0) return *text == '\0' && !wanted && depth == 0;
        bool is_operator = (n == 3 && strncmp(text, "AND", 3) == 0) || (n == 2 && strncmp(text, "OR", 2) == 0) ||
                           (n == 4 && strncmp(text, "WITH", 4) == 0);
        if (is_operator == wanted) return false;
        wanted = is_operator;
        text += n;
    }
    return !wanted && depth == 0;
}

static bool is_boilerplate(const char *text) {
    static const char *const words[] = {"TODO",           "FIXME",    "lorem ipsum", "your name",
                                        "example vendor", "changeme", "my plugin",   "description here",
                                        "untitled",       "acme",     "unknown",     "plugin template",
                                        "your company",   "insert "};
    for (size_t i = 0; i < sizeof words / sizeof *words; i++)
        if (strcasestr(text, words[i])) return true;
    return text[strspn(text, " .")] == '\0';
}

static void check_text(struct subject *s) {
    static const char *const members[] = {"name", "vendor", "description"};
    char reason[300];
    judge(s, CHECK_DECLARED_TEXT, true, CHECK_PASSED, "");
    for (size_t i = 0; i < sizeof members / sizeof *members; i++) {
        const char *text = json_string(s->descriptor, members[i], "");
        (void)snprintf(reason, sizeof reason, "the %s \"%.100s\" sounds like a template", members[i], text);
        judge(s, CHECK_DECLARED_TEXT, !is_boilerplate(text), CHECK_WARNED, reason);
    }
    const char *description = json_string(s->descriptor, "description", "");
    judge(s, CHECK_DECLARED_TEXT, strcmp(description, json_string(s->descriptor, "name", "")) != 0, CHECK_WARNED,
          "the description only repeats the name");
}

/* --------------------------------------------------------------------------------------------------------------- schema */

static bool is_name_of_number(const cJSON *type) {
    return cJSON_IsString(type) &&
           (strcmp(type->valuestring, "number") == 0 || strcmp(type->valuestring, "integer") == 0);
}

static bool is_number(const cJSON *schema) {
    const cJSON *type = cJSON_GetObjectItemCaseSensitive(schema, "type"), *one = NULL;
    if (!cJSON_IsArray(type)) return is_name_of_number(type);
    cJSON_ArrayForEach(one, type) {
        if (is_name_of_number(one)) return true;
    }
    return false;
}

/* Names that mean a moment wherever they are used. */
static bool sounds_like_instant(const char *name) {
    static const char *const names[] = {"start",  "end",   "time",      "at",    "onset",
                                        "onsets", "beats", "downbeats", "times", "offset"};
    for (size_t i = 0; i < sizeof names / sizeof *names; i++)
        if (strcmp(name, names[i]) == 0) return true;
    return false;
}

/* Walks down; `unit`: of an array around it. The depth is bounded and every number has a unit, as the schema compiled. */
static void check_units(struct subject *s, const cJSON *schema, const char *name, const char *unit) {
    const char *own = json_string(schema, "x-unit", unit);
    char reason[300];
    if (is_number(schema)) {
        (void)snprintf(reason, sizeof reason,
                       "\"%.100s\" sounds like an instant, but its unit is \"s\", which is a duration", name);
        judge(s, CHECK_DECLARED_UNITS, !own || strcmp(own, "s") != 0 || !sounds_like_instant(name), CHECK_WARNED,
              reason);
    }
    const cJSON *items = json_member(schema, "items"), *one = NULL;
    if (items) check_units(s, items, name, own);
    cJSON_ArrayForEach(one, json_member(schema, "properties")) check_units(s, one, one->string, NULL);
}

/* The engine leaves such a value out. */
static void check_value_name(struct subject *s, const char *name) {
    const char *owner = name ? published_other_owner(s->descriptor, name) : NULL;
    char reason[300];
    if (!owner) return;
    (void)snprintf(reason, sizeof reason, "\"%.100s\" is a value of %s/1, which it doesn't provide", name, owner);
    judge(s, CHECK_DECLARED_SUMMARY, false, CHECK_FAILED, reason);
}

static void check_summary(struct subject *s, const struct schema *schema) {
    judge(s, CHECK_DECLARED_SUMMARY, true, CHECK_PASSED, "");
    for (size_t i = 0; schema && i < schema_summary_count(schema); i++) {
        check_value_name(s, schema_summary_at(schema, i)->as);
        check_value_name(s, schema_summary_at(schema, i)->confidence_as);
    }
}

static void check_schema(struct subject *s) {
    const cJSON *schema = json_member(s->descriptor, "schema");
    if (!cJSON_IsObject(schema)) {
        judge(s, CHECK_DECLARED_SCHEMA, false, CHECK_FAILED, "there is none, so nobody can rely on the result");
        return;
    }
    char *text = cJSON_PrintUnformatted(schema);
    struct error error = {0};
    struct schema *compiled = text ? schema_compile(text, strlen(text), &error) : NULL;
    judge(s, CHECK_DECLARED_SCHEMA, compiled != NULL, CHECK_FAILED, error.text);
    judge(s, CHECK_DECLARED_SCHEMA, json_member(schema, "properties") != NULL, CHECK_WARNED, "it names no properties");
    judge(s, CHECK_DECLARED_SCHEMA, !json_bool(schema, "additionalProperties", false), CHECK_WARNED,
          "it allows properties that it doesn't name");
    judge(s, CHECK_DECLARED_UNITS, true, CHECK_PASSED, "");
    if (compiled) check_units(s, schema, "the result", NULL);
    check_summary(s, compiled);
    schema_free(compiled);
    cJSON_free(text);
}

void check_declared(struct subject *s) {
    const cJSON *one = NULL;
    cJSON_ArrayForEach(one, json_member(s->message, "plugins")) {
        s->descriptor = one;
        s->plugin = json_string(one, "id", "");
        const char *version = json_string(one, "version", ""), *licence = json_string(one, "licence", "");
        char reason[300];
        check_ids(s);
        (void)snprintf(reason, sizeof reason, "\"%.100s\" isn't three numbers", version);
        judge(s, CHECK_DECLARED_VERSION, is_version(version), CHECK_WARNED, reason);
        (void)snprintf(reason, sizeof reason, "\"%.100s\" isn't an SPDX expression", licence);
        judge(s, CHECK_DECLARED_LICENCE, is_licence(licence), CHECK_FAILED, reason);
        check_text(s);
        check_schema(s);
        judge(s, CHECK_DECLARED_FLAGS, subject_is_deterministic(s), CHECK_WARNED,
              "it doesn't say that it is deterministic");
    }
    s->descriptor = NULL;
    s->plugin = NULL;
}
