/* `sonde export --csv`: a line for each sound, with the columns that schema/export.md explains. One thread. */
#ifndef SONDE_CLI_EXPORT_CSV_H
#define SONDE_CLI_EXPORT_CSV_H

#include "engine/catalogue/query.h"

#include <stdio.h>

#define EXPORT_COLUMNS 64

/* Columns more: values by their names (as in query_measure). */
struct export_columns {
    char names[EXPORT_COLUMNS][QUERY_NAME];
    size_t count;
};

/* Adds the names of a list with commas, but for those that there is a column of already. False with a sentence where one is
 * no name, or they are too many. */
bool export_columns_add(struct export_columns *columns, const char *list, struct error *error);

/* The line of names; `similar`: rows have a similarity, which stands last. */
void export_csv_head(FILE *out, bool regions, const struct export_columns *columns, bool similar);

/* The line of a file, or of one of its regions. */
bool export_csv_row(FILE *out, struct catalogue *catalogue, const struct query_row *sound,
                    const struct export_columns *columns, struct error *error);

#endif
