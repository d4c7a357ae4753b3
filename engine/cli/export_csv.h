/* `sonde export --csv`: a line for each sound, with the columns that schema/export.md explains. One thread. */
#ifndef SONDE_CLI_EXPORT_CSV_H
#define SONDE_CLI_EXPORT_CSV_H

#include "engine/catalogue/catalogue.h"

#include <stdint.h>
#include <stdio.h>

/* The line of names. */
void export_csv_head(FILE *out, bool regions);

/* The line of a file (region 0), or of one of its regions. */
bool export_csv_row(FILE *out, struct catalogue *catalogue, int64_t file, int64_t region, struct error *error);

#endif
