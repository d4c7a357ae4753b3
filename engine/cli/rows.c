#include "engine/cli/rows.h"

#include "engine/base/text.h"
#include "engine/catalogue/keys.h"
#include "engine/cli/cells.h"
#include "engine/cli/cli.h"

#include <math.h>
#include <stdlib.h>
#include <string.h>

#define TABLE_COLUMNS   58 /* before the path */
#define SEGMENT_COLUMNS 68
#define MEASURE_COLUMNS 8
#define DOUBTFUL        .5 /* what is less sure is more likely wrong than right: it gets a question mark */

/* ------------------------------------------------------------------------------------------------------------ table */

static int measure_width(const struct rows *rows) {
    int width = rows->measure ? (int)strlen(rows->measure) : 0;
    return width < MEASURE_COLUMNS ? MEASURE_COLUMNS : width;
}

static void table_begin(struct rows *rows) {
    const char *bold = rows->colour ? "\033[1m" : "", *plain = rows->colour ? "\033[0m" : "";
    char measure[QUERY_NAME + 3] = "";
    if (rows->measure) snprintf(measure, sizeof measure, "%*s  ", measure_width(rows), rows->measure);
    if (rows->segments)
        fprintf(rows->out, "%s%9s  %-9s  %-16s  %-22s  %4s  %s%s%s\n", bold, "start", "length", "label", "content",
                "sure", rows->similar ? "alike  " : "", "path", plain);
    else
        fprintf(rows->out, "%s%9s  %s%6s  %-8s  %-16s  %6s  %s%s%s%s%s\n", bold, rows->regions ? "start" : "length",
                rows->regions ? "length     " : "", "bpm", "key", "label", "LUFS", rows->copies ? "      size  " : "",
                measure, rows->similar ? "alike  " : "", "path", plain);
}

/* The path, in what room is left after so many columns, with #REGION behind it (-1: none) as other commands take it. */
static void print_path(const struct rows *rows, const struct query_row *row, int64_t region, int columns) {
    char behind[40] = "";
    const bool gone = row->status && strcmp(row->status, "missing") == 0;
    if (region >= 0) snprintf(behind, sizeof behind, "#%lld", (long long)region);
    if (gone) strcat(behind, "  (missing)");
    const int room = rows->width - columns - (rows->similar ? 7 : 0) - (int)strlen(behind);
    if (rows->similar) fprintf(rows->out, "%5.2f  ", row->similarity);
    if (rows->terminal && room >= 8 && cells_width(row->display) > room)
        cells_print(rows->out, row->display, room, 1);
    else
        cells_put(rows->out, row->display);
    fprintf(rows->out, "%s\n", behind);
}

static void print_number(FILE *out, int width, double value) {
    if (isnan(value))
        fprintf(out, "%*s", width, "-");
    else
        fprintf(out, "%*.1f", width, value);
}

static bool is_doubtful(double confidence) {
    return confidence < DOUBTFUL; /* not where it is unknown (NaN) */
}

static void print_tempo(FILE *out, const struct query_row *row) {
    print_number(out, 6, row->bpm);
    fputs(!isnan(row->bpm) && is_doubtful(row->bpm_confidence) ? "? " : "  ", out);
}

static void print_key(FILE *out, const struct query_row *row) {
    char name[32];
    const int key = row->key ? keys_parse(row->key) : -1;
    const char *text = row->key ? row->key : "-";
    if (key >= 0) text = keys_short(key);
    snprintf(name, sizeof name, "%s%s", text, row->key && is_doubtful(row->key_confidence) ? "?" : "");
    cells_print(out, name, 5, 0);
    cells_print(out, key >= 0 ? keys_camelot(key) : "", 3, 0);
    fputs("  ", out);
}

/* The label; in brackets the kind of content where no label is sure. */
static void print_label(FILE *out, const struct query_row *row) {
    char kind[64];
    bool known = row->label && strcmp(row->label, "unknown") != 0;
    if (!known && row->content) {
        snprintf(kind, sizeof kind, "(%s)", row->content);
        cells_print(out, kind, 16, 0);
    } else {
        cells_print(out, row->label ? row->label : "-", 16, 0);
    }
}

static void print_size(FILE *out, int64_t bytes) {
    const bool large = bytes >= 1000000;
    fprintf(out, large ? "%7.1f MB  " : "%7.0f kB  ", (double)bytes / (large ? 1e6 : 1e3));
}

/* A number to so many digits, or the text as it is. */
static const char *measure_text(const struct query_row *row, int digits, char number[32]) {
    char *end = NULL;
    double value = row->measure ? strtod(row->measure, &end) : 0;
    if (!row->measure || end == row->measure || *end != '\0') return row->measure;
    snprintf(number, 32, "%.*g", digits, value);
    return number;
}

static void print_measure(const struct rows *rows, const struct query_row *row) {
    char number[32];
    const char *text = row->measure ? measure_text(row, 5, number) : "-";
    const int width = measure_width(rows), left = width - cells_width(text);
    fprintf(rows->out, "%*s", left > 0 ? left : 0, "");
    cells_print(rows->out, text, left > 0 ? width - left : width, 0);
    fputs("  ", rows->out);
}

static void table_add(struct rows *rows, const struct query_row *row) {
    char first[32], length[32];
    cli_duration(rows->regions ? row->start : row->duration, first, sizeof first);
    cli_duration(row->duration, length, sizeof length);
    if (rows->copies && rows->count > 0 && row->audio != rows->sound) fputc('\n', rows->out);
    fprintf(rows->out, "%9s  ", first);
    if (rows->regions) fprintf(rows->out, "%-9s  ", length);
    print_tempo(rows->out, row);
    print_key(rows->out, row);
    print_label(rows->out, row);
    fputs("  ", rows->out);
    print_number(rows->out, 6, row->loudness);
    fputs("  ", rows->out);
    if (rows->copies) print_size(rows->out, row->size);
    if (rows->measure) print_measure(rows, row);
    const int more = (rows->regions ? 11 : 0) + (rows->copies ? 12 : 0) + (rows->measure ? measure_width(rows) + 2 : 0);
    print_path(rows, row, row->position, TABLE_COLUMNS + more);
}

/* What has no label has a group, perhaps. */
static void table_segment(struct rows *rows, const struct query_row *row, const struct segment *segment) {
    char text[100];
    cli_duration(segment->start, text, sizeof text);
    fprintf(rows->out, "%9s  ", text);
    cli_duration(segment->end - segment->start, text, sizeof text);
    fprintf(rows->out, "%-9s  ", text);
    const bool known = segment->label && strcmp(segment->label, "unknown") != 0;
    if (!known && segment->group && strcmp(segment->group, "unknown") != 0)
        snprintf(text, sizeof text, "(%.*s)", (int)strcspn(segment->group, ","), segment->group);
    else
        text[0] = '\0';
    cells_print(rows->out, text[0] ? text : segment->label ? segment->label : "-", 16, 0);
    fputs("  ", rows->out);
    cells_print(rows->out, segment->content ? segment->content : "-", 22, 0);
    if (isnan(segment->confidence))
        fputs("     -  ", rows->out);
    else
        fprintf(rows->out, "  %4.2f  ", segment->confidence);
    print_path(rows, row, segment->region, SEGMENT_COLUMNS);
}

/* ------------------------------------------------------------------------------------------------------------- JSON */

static void member_text(FILE *out, const char *name, const char *value) {
    fprintf(out, ", \"%s\": ", name);
    if (value)
        cells_json(out, value);
    else
        fputs("null", out);
}

static void member_number(FILE *out, const char *name, double value) {
    if (isfinite(value))
        fprintf(out, ", \"%s\": %.9g", name, value);
    else
        fprintf(out, ", \"%s\": null", name);
}

/* The bytes of a path that its text doesn't tell. */
static void member_bytes(FILE *out, const struct query_row *row) {
    char *hex = text_hex(row->path, row->path_length, row->display);
    if (hex) fprintf(out, ", \"path_hex\": \"%s\"", hex);
    free(hex);
}

/* An object's beginning: which file it is about. */
static void json_file(struct rows *rows, const struct query_row *row) {
    fputs(rows->count ? ",\n {\"path\": " : "\n {\"path\": ", rows->out);
    cells_json(rows->out, row->display);
    member_bytes(rows->out, row);
    fprintf(rows->out, ", \"file_id\": %lld", (long long)row->file);
}

static void json_segment(struct rows *rows, const struct query_row *row, const struct segment *segment) {
    FILE *out = rows->out;
    json_file(rows, row);
    fprintf(out, ", \"region\": %lld", (long long)segment->region);
    member_number(out, "start", segment->start);
    member_number(out, "end", segment->end);
    member_text(out, "label", segment->label);
    member_text(out, "group", segment->group);
    member_text(out, "content", segment->content);
    member_number(out, "confidence", segment->confidence);
    if (!isnan(row->similarity)) member_number(out, "similarity", row->similarity);
    fputc('}', out);
}

static void json_add(struct rows *rows, const struct query_row *row) {
    FILE *out = rows->out;
    int key = row->key ? keys_parse(row->key) : -1;
    json_file(rows, row);
    fprintf(out, ", \"audio_id\": %lld, \"size\": %lld", (long long)row->audio, (long long)row->size);
    if (rows->regions) {
        fprintf(out, ", \"region_id\": %lld, \"region\": %lld", (long long)row->region, (long long)row->position);
        member_number(out, "start", row->start);
        member_number(out, "end", row->end);
    } else {
        fprintf(out, ", \"regions\": %lld", (long long)row->regions);
    }
    member_number(out, "duration", row->duration);
    member_number(out, "bpm", row->bpm);
    member_number(out, "bpm_confidence", row->bpm_confidence);
    member_text(out, "key", row->key);
    member_text(out, "camelot", keys_camelot(key));
    member_number(out, "key_confidence", row->key_confidence);
    member_text(out, "label", row->label);
    member_number(out, "label_confidence", row->label_confidence);
    member_text(out, "content", row->content);
    member_number(out, "loudness", row->loudness);
    if (!isnan(row->similarity)) member_number(out, "similarity", row->similarity);
    member_text(out, "tags", row->tags);
    member_text(out, "status", row->status);
    fprintf(out, ", \"summary\": %s}", row->summary ? row->summary : "{}");
}

/* -------------------------------------------------------------------------------------------------------------- CSV */

static void csv_number(FILE *out, double value) {
    if (isfinite(value))
        fprintf(out, ",%.9g", value);
    else
        fputc(',', out);
}

static void csv_text(FILE *out, const char *value) {
    fputc(',', out);
    cells_csv(out, value);
}

static void csv_add(struct rows *rows, const struct query_row *row) {
    FILE *out = rows->out;
    cells_csv(out, row->display);
    if (rows->regions) {
        fprintf(out, ",%lld", (long long)row->position);
        csv_number(out, row->start);
        csv_number(out, row->end);
    }
    csv_number(out, row->duration);
    csv_number(out, row->bpm);
    csv_number(out, row->bpm_confidence);
    csv_text(out, row->key);
    csv_number(out, row->key_confidence);
    csv_text(out, row->label);
    csv_number(out, row->label_confidence);
    csv_text(out, row->content);
    csv_number(out, row->loudness);
    csv_text(out, row->tags);
    csv_text(out, row->status);
    char number[32];
    if (rows->measure) csv_text(out, measure_text(row, 9, number));
    if (rows->copies) fprintf(out, ",%lld,%lld", (long long)row->audio, (long long)row->size);
    if (rows->similar) csv_number(out, row->similarity);
    fputs("\r\n", out);
}

static void csv_segment(struct rows *rows, const struct query_row *row, const struct segment *segment) {
    FILE *out = rows->out;
    cells_csv(out, row->display);
    fprintf(out, ",%lld", (long long)segment->region);
    csv_number(out, segment->start);
    csv_number(out, segment->end);
    csv_text(out, segment->label);
    csv_text(out, segment->group);
    csv_text(out, segment->content);
    csv_number(out, segment->confidence);
    if (rows->similar) csv_number(out, row->similarity);
    fputs("\r\n", out);
}

/* The bytes themselves; on a terminal, where people copy them, as a shell takes them. */
static void path_add(struct rows *rows, const struct query_row *row) {
    if (rows->style == ROWS_PATHS && rows->terminal)
        cells_shell(rows->out, row->path, row->path_length);
    else
        fwrite(row->path, 1, row->path_length, rows->out);
    fputc(rows->style == ROWS_PATHS ? '\n' : '\0', rows->out);
}

/* ------------------------------------------------------------------------------------------------------------- rows */

void rows_begin(struct rows *rows) {
    rows->count = 0;
    if (rows->style == ROWS_TABLE) table_begin(rows);
    if (rows->style == ROWS_JSON) fputc('[', rows->out);
    if (rows->style == ROWS_CSV && rows->segments)
        fprintf(rows->out, "path,region,start,end,label,group,content,confidence%s\r\n",
                rows->similar ? ",similarity" : "");
    else if (rows->style == ROWS_CSV)
        fprintf(rows->out,
                "path,%sduration,bpm,bpm_confidence,key,key_confidence,label,label_confidence,content,loudness,"
                "tags,status%s%s%s%s\r\n",
                rows->regions ? "region,start,end," : "", rows->measure ? "," : "", rows->measure ? rows->measure : "",
                rows->copies ? ",audio_id,size" : "", rows->similar ? ",similarity" : "");
}

void rows_add(struct rows *rows, const struct query_row *row) {
    switch (rows->style) {
    case ROWS_TABLE: table_add(rows, row); break;
    case ROWS_JSON: json_add(rows, row); break;
    case ROWS_CSV: csv_add(rows, row); break;
    case ROWS_PATHS:
    case ROWS_PATHS_ZERO: path_add(rows, row); break;
    }
    rows->sound = row->audio;
    rows->count++;
}

void rows_add_segment(struct rows *rows, const struct query_row *row, const struct segment *segment) {
    switch (rows->style) {
    case ROWS_TABLE: table_segment(rows, row, segment); break;
    case ROWS_JSON: json_segment(rows, row, segment); break;
    case ROWS_CSV: csv_segment(rows, row, segment); break;
    case ROWS_PATHS:
    case ROWS_PATHS_ZERO: path_add(rows, row); break;
    }
    rows->count++;
}

void rows_end(struct rows *rows) {
    if (rows->style == ROWS_JSON) fputs(rows->count ? "\n]\n" : "]\n", rows->out);
}
