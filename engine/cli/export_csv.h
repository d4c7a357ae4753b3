/* `sonde export --csv`: a line for each sound, with the columns that schema/export.md explains. One thread. */
#ifndef SONDE_CLI_EXPORT_CSV_H
#define SONDE_CLI_EXPORT_CSV_H

#include "engine/catalogue/query.h"

#include <stdio.h>

/* The line of names; `similar`: rows have a similarity, which stands last. */
void export_csv_head(FILE *out, bool regions, bool similar);

/* The line of a file, or of one of its regions. */
bool export_csv_row(FILE *out, struct catalogue *catalogue, const struct query_row *sound, struct error *error);

#endif
