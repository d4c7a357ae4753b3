#include "engine/check/report.h"

#include "engine/base/text.h"

#include <stdarg.h>
#include <stdlib.h>
#include <string.h>

static const char *const status_names[] = {"passed", "skipped", "warning", "failed"};

/* The entry to write to: there already, or new. */
static struct finding *entry_of(struct report *report, enum check_id check, const char *plugin) {
    for (size_t i = 0; i < report->count; i++)
        if (report->findings[i].check == check && strcmp(report->findings[i].plugin, plugin) == 0)
            return &report->findings[i];
    struct finding *grown = realloc(report->findings, (report->count + 1) * sizeof *grown);
    if (!grown) {
        report->no_memory = true;
        return NULL;
    }
    report->findings = grown;
    struct finding *entry = &grown[report->count++];
    *entry = (struct finding){.check = check};
    snprintf(entry->plugin, sizeof entry->plugin, "%s", plugin);
    return entry;
}

void report_add(struct report *report, enum check_id check, const char *plugin, enum check_status status,
                const char *format, ...) {
    if (check_table[check].level > report->level) return;
    size_t before = report->count;
    struct finding *entry = entry_of(report, check, plugin ? plugin : "");
    if (!entry || (report->count == before && status <= entry->status)) return;
    entry->status = status;
    char text[2 * sizeof entry->reason];
    va_list arguments;
    va_start(arguments, format);
    (void)vsnprintf(text, sizeof text, format, arguments);
    va_end(arguments);
    char *clean = text_display(text, strlen(text));
    (void)snprintf(entry->reason, sizeof entry->reason, "%s", clean ? clean : "");
    text_cut(entry->reason, sizeof entry->reason - 1);
    free(clean);
}

void report_pass(struct report *report, enum check_id check, const char *plugin) {
    report_add(report, check, plugin, CHECK_PASSED, "%s", "");
}

const struct finding *report_find(const struct report *report, enum check_id check, const char *plugin) {
    for (size_t i = 0; i < report->count; i++)
        if (report->findings[i].check == check && strcmp(report->findings[i].plugin, plugin ? plugin : "") == 0)
            return &report->findings[i];
    return NULL;
}

static size_t count_status(const struct report *report, enum check_status status) {
    size_t n = 0;
    for (size_t i = 0; i < report->count; i++) n += report->findings[i].status == status;
    return n;
}

bool report_passed(const struct report *report) {
    return !report->no_memory && count_status(report, CHECK_FAILED) == 0;
}

static void print_finding(const struct finding *f, FILE *stream) {
    static const char *const marks[] = {"ok  ", "skip", "warn", "FAIL"};
    const struct check_entry *entry = &check_table[f->check];
    fprintf(stream, "  %s  %2d %-20s %s%s%s%s%s\n", marks[f->status], entry->level, entry->id, f->plugin,
            f->plugin[0] ? ": " : "", entry->looks_for, f->reason[0] ? ": " : "", f->reason);
    if (f->status >= CHECK_WARNED) fprintf(stream, "           mend: %s\n", entry->mend);
}

void report_print(const struct report *report, bool all, FILE *stream) {
    char *path = text_display(report->path, strlen(report->path));
    fprintf(stream, "%s\n", path ? path : "");
    free(path);
    for (int check = 0; check < CHECK_COUNT; check++)
        for (size_t i = 0; i < report->count; i++)
            if (report->findings[i].check == (enum check_id)check &&
                (all || report->findings[i].status >= CHECK_WARNED))
                print_finding(&report->findings[i], stream);
    size_t warned = count_status(report, CHECK_WARNED);
    fprintf(stream, "  level %d: %zu passed, %zu failed, %zu warning%s, %zu skipped\n", report->level,
            count_status(report, CHECK_PASSED), count_status(report, CHECK_FAILED), warned, warned == 1 ? "" : "s",
            count_status(report, CHECK_SKIPPED));
}

static bool add_finding(cJSON *list, const struct finding *f) {
    const struct check_entry *entry = &check_table[f->check];
    cJSON *one = cJSON_CreateObject();
    if (!one || !cJSON_AddItemToArray(list, one)) return false;
    return cJSON_AddStringToObject(one, "id", entry->id) && cJSON_AddNumberToObject(one, "level", entry->level) &&
           cJSON_AddStringToObject(one, "status", status_names[f->status]) &&
           (!f->plugin[0] || cJSON_AddStringToObject(one, "plugin", f->plugin)) &&
           cJSON_AddStringToObject(one, "looks_for", entry->looks_for) &&
           (!f->reason[0] || cJSON_AddStringToObject(one, "reason", f->reason)) &&
           (f->status < CHECK_WARNED || cJSON_AddStringToObject(one, "mend", entry->mend));
}

cJSON *report_to_json(const struct report *report) {
    cJSON *object = cJSON_CreateObject(), *list = NULL;
    char *path = text_display(report->path, strlen(report->path));
    bool good = object && path && cJSON_AddStringToObject(object, "path", path) &&
                cJSON_AddNumberToObject(object, "level", report->level) &&
                cJSON_AddBoolToObject(object, "passed", report_passed(report)) &&
                (list = cJSON_AddArrayToObject(object, "checks"));
    for (int check = 0; good && check < CHECK_COUNT; check++)
        for (size_t i = 0; good && i < report->count; i++)
            if (report->findings[i].check == (enum check_id)check) good = add_finding(list, &report->findings[i]);
    free(path);
    if (good) return object;
    cJSON_Delete(object);
    return NULL;
}

void report_clear(struct report *report) {
    free(report->findings);
    *report = (struct report){0};
}
