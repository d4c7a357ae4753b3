/* How `sonde find` shows its rows: a table, JSON, CSV or paths. One thread. */
#ifndef SONDE_CLI_ROWS_H
#define SONDE_CLI_ROWS_H

#include "engine/catalogue/query.h"
#include "engine/catalogue/segments.h"

#include <stdio.h>

enum rows_style { ROWS_TABLE, ROWS_JSON, ROWS_CSV, ROWS_PATHS, ROWS_PATHS_ZERO };

struct rows {
    FILE *out;
    enum rows_style style;
    bool regions;        /* rows are regions: with start and end */
    bool segments;       /* rows are segments of sounds */
    bool similar;        /* rows have a similarity */
    const char *measure; /* the name of a value that rows have (query_row.measure); NULL: none */
    bool copies;         /* rows of one sound follow each other; with the sizes of their files */
    bool terminal;       /* out is one: paths are cut to its width in the table, and quoted as words of --paths */
    bool colour;
    int width; /* columns of the terminal */
    long long count;
    int64_t sound; /* the last row's */
};

/* Before the first row, each row, after the last. JSON is one array, an object a line. */
void rows_begin(struct rows *rows);
void rows_add(struct rows *rows, const struct query_row *row);
void rows_add_segment(struct rows *rows, const struct query_row *row, const struct segment *segment);
void rows_end(struct rows *rows);

#endif
