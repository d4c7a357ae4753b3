/* What `sonde plugin check` found out about one library. One thread. */
#ifndef SONDE_CHECK_REPORT_H
#define SONDE_CHECK_REPORT_H

#include "engine/check/table.h"

#include <cjson/cJSON.h>
#include <stdbool.h>
#include <stddef.h>
#include <stdio.h>

/* In the order of badness: of several findings of one check about one plugin, the worst and first stays. */
enum check_status { CHECK_PASSED, CHECK_SKIPPED, CHECK_WARNED, CHECK_FAILED };

struct finding {
    enum check_id check;
    char plugin[101]; /* "": the library as such */
    enum check_status status;
    char reason[500]; /* why; with CHECK_PASSED a measured value, or "" */
};

struct report {
    const char *path; /* the caller's */
    int level;        /* checks above it aren't recorded */
    struct finding *findings;
    size_t count;
    bool no_memory; /* a finding was lost: the report isn't complete */
};

/* Records a finding; `plugin` NULL: about the library. */
void report_add(struct report *report, enum check_id check, const char *plugin, enum check_status status,
                const char *format, ...) __attribute__((format(printf, 5, 6)));

/* Records that nothing is wrong; a worse finding stays. */
void report_pass(struct report *report, enum check_id check, const char *plugin);

/* The finding about this check and plugin, or NULL. */
const struct finding *report_find(const struct report *report, enum check_id check, const char *plugin);

/* Whether nothing failed. */
bool report_passed(const struct report *report);

/* For people: findings by level, and a line at the end. `all`: passed checks too. */
void report_print(const struct report *report, bool all, FILE *stream);

/* As schema/plugin_check.json says. Caller frees with cJSON_Delete; NULL: out of memory. */
cJSON *report_to_json(const struct report *report);

void report_clear(struct report *report);

#endif
