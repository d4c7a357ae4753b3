#include "engine/cli/result_text.h"

#include "engine/base/json.h"
#include "engine/base/text.h"
#include "engine/cli/cells.h"
#include "engine/cli/cli.h"

#include <math.h>
#include <string.h>

#define SHORT_LIST 6 /* elements, or members */
#define DEPTH      3

static void append(char *text, size_t size, const char *more) {
    size_t used = strlen(text);
    snprintf(text + used, size - used, "%s", more);
    text_cut(text, size - 1);
}

static void scalar_text(const cJSON *value, char *text, size_t size) {
    char number[40];
    if (cJSON_IsString(value))
        append(text, size, value->valuestring);
    else if (cJSON_IsBool(value))
        append(text, size, cJSON_IsTrue(value) ? "yes" : "no");
    else if (cJSON_IsNull(value))
        append(text, size, "none");
    else if (cJSON_IsNumber(value)) {
        double v = value->valuedouble;
        snprintf(number, sizeof number, v == floor(v) && fabs(v) < 1e9 ? "%.0f" : "%.4g", v);
        append(text, size, number);
    }
}

static bool is_scalar(const cJSON *value) {
    return !cJSON_IsArray(value) && !cJSON_IsObject(value);
}

static void value_text(const cJSON *value, int depth, char *text, size_t size);

/* "(name 1, other 57 entries)". */
static void members_text(const cJSON *object, int depth, char *text, size_t size) {
    const cJSON *member = NULL;
    append(text, size, "(");
    cJSON_ArrayForEach(member, object) {
        if (member != object->child) append(text, size, ", ");
        append(text, size, member->string);
        append(text, size, " ");
        value_text(member, depth + 1, text, size);
    }
    append(text, size, ")");
}

static bool is_short_list(const cJSON *value) {
    int n = cJSON_GetArraySize(value);
    bool whole = cJSON_IsArray(value) && n > 0 && n <= SHORT_LIST;
    const cJSON *element = NULL;
    cJSON_ArrayForEach(element, value) whole = whole && is_scalar(element);
    return whole;
}

/* The first text of an object: the name of what it is about. */
static const char *name_of(const cJSON *object) {
    const cJSON *member = NULL;
    cJSON_ArrayForEach(member, object) if (cJSON_IsString(member)) return member->valuestring;
    return NULL;
}

/* Whether it is a short list of what begins when: keys, chords, segments. */
static bool is_course(const cJSON *value) {
    int n = cJSON_GetArraySize(value);
    bool course = cJSON_IsArray(value) && n > 0 && n <= SHORT_LIST;
    const cJSON *element = NULL;
    cJSON_ArrayForEach(element, value)
        course = course && cJSON_IsNumber(json_member(element, "start")) && name_of(element);
    return course;
}

/* "0.0 s C major, 1:02 D major". */
static void course_text(const cJSON *value, char *text, size_t size) {
    char begins[32];
    const cJSON *element = NULL;
    cJSON_ArrayForEach(element, value) {
        if (element != value->child) append(text, size, ", ");
        append(text, size, cli_duration(json_number(element, "start", 0), begins, sizeof begins));
        append(text, size, " ");
        append(text, size, name_of(element));
    }
}

/* "1, 2, 3", "57 entries" of a longer list, and so on for the members of an object, if they aren't too many or too deep. */
static void value_text(const cJSON *value, int depth, char *text, size_t size) {
    char count[40];
    int n = cJSON_GetArraySize(value);
    if (is_scalar(value)) {
        scalar_text(value, text, size);
    } else if (is_short_list(value)) {
        const cJSON *element = NULL;
        cJSON_ArrayForEach(element, value) {
            if (element != value->child) append(text, size, ", ");
            scalar_text(element, text, size);
        }
    } else if (is_course(value)) {
        course_text(value, text, size);
    } else if (cJSON_IsObject(value) && n > 0 && n <= SHORT_LIST && depth < DEPTH) {
        members_text(value, depth, text, size);
    } else {
        const char *what = cJSON_IsArray(value) ? n == 1 ? "entry" : "entries" : n == 1 ? "member" : "members";
        snprintf(count, sizeof count, "%d %s", n, what);
        append(text, size, count);
    }
}

static const char *unit_of(const cJSON *schema, const cJSON *value) {
    const cJSON *property = json_member(json_member(schema, "properties"), value->string);
    const char *unit = property ? json_string(property, "x-unit", "") : "";
    if (!cJSON_IsNumber(value) || strcmp(unit, "1") == 0 || strcmp(unit, "ratio") == 0 ||
        strcmp(unit, "probability") == 0 || strcmp(unit, "count") == 0)
        return "";
    if (strcmp(unit, value->string) == 0) return ""; /* "bpm 120 bpm" */
    return strcmp(unit, "s@region") == 0 ? "s" : unit;
}

void result_text_print(FILE *out, const cJSON *result, const cJSON *schema, int indent, int width) {
    int column = 0;
    const cJSON *value = NULL;
    cJSON_ArrayForEach(value, result) {
        char item[400] = "";
        append(item, sizeof item, value->string);
        append(item, sizeof item, " ");
        value_text(value, 0, item, sizeof item);
        const char *unit = unit_of(schema, value);
        if (unit[0]) append(item, sizeof item, " ");
        append(item, sizeof item, unit);
        int cells = cells_width(item);
        if (column > 0 && column + 3 + cells > width) {
            fputc('\n', out);
            column = 0;
        }
        if (column == 0)
            fprintf(out, "%*s", indent, "");
        else
            fputs(" \u00b7 ", out);
        cells_put(out, item);
        column = column == 0 ? indent + cells : column + 3 + cells;
    }
    if (column > 0) fputc('\n', out);
}
