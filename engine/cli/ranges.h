/* Ranges as people type them: "118-122", "118..122", "120" (one value, with a tolerance), "-5" or "..5" (up to), "10-"
 * or "10.." (from). Any thread. */
#ifndef SONDE_CLI_RANGES_H
#define SONDE_CLI_RANGES_H

#include "engine/base/error.h"
#include "engine/catalogue/query.h"

enum range_kind {
    RANGE_NUMBER,   /* 118.5 */
    RANGE_DURATION, /* 2.5, 90s, 3m, 1h, 1:30, 1:02:30: seconds */
    RANGE_DATE, /* 2024-05-01 (its whole day), 2024-05, 2024, today, 7d (so many days ago): seconds since 1970, local */
    RANGE_LEVEL, /* -14.5: a dash in front is a sign, so that "-14" is this level; up to it is "..-14" */
};

/* `tolerance`: how far to either side a single number reaches, as a ratio. */
bool range_parse(const char *text, enum range_kind kind, double tolerance, struct query_range *range,
                 struct error *error);

#endif
