#include "engine/cli/result_text.h"

#include "engine/base/json.h"
#include "engine/base/text.h"
#include "engine/cli/cells.h"

#include <math.h>
#include <string.h>

#define SHORT_LIST 6

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

/* "[1, 2, 3]", "[57]" for the count, "{4}" for an object's members. */
static void value_text(const cJSON *value, char *text, size_t size) {
    char count[40];
    int n = cJSON_GetArraySize(value);
    if (is_scalar(value)) {
        scalar_text(value, text, size);
        return;
    }
    bool whole = cJSON_IsArray(value) && n > 0 && n <= SHORT_LIST;
    const cJSON *element = NULL;
    cJSON_ArrayForEach(element, value) whole = whole && is_scalar(element);
    if (!whole) {
        const char *what = cJSON_IsArray(value) ? n == 1 ? "entry" : "entries" : n == 1 ? "member" : "members";
        snprintf(count, sizeof count, "%d %s", n, what);
        append(text, size, count);
        return;
    }
    cJSON_ArrayForEach(element, value) {
        if (element != value->child) append(text, size, ", ");
        scalar_text(element, text, size);
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
        char item[300] = "";
        append(item, sizeof item, value->string);
        append(item, sizeof item, " ");
        value_text(value, item, sizeof item);
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
