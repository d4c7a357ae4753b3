/* The summary rules of schema/README.md: how the results of a file's regions become one value. Pure functions; any
 * thread.
 *
 * The fine print, where the README leaves a choice:
 * - Only numbers take part in mean, median, max, min and sum; nulls and missing members say nothing in any rule.
 * - A region whose own value is null has no candidates either.
 * - Ties (longest, mode, consensus, union) go to what comes first in time.
 * - median: the value at which half of the total duration is reached; the mean of it and the next when it is reached
 * exactly between the two.
 * - mode: every value is tried as a centre; the weights of all values that agree with it (|a - b| <= tolerance times
 * the larger) are summed, and the largest sum wins. A number is then the weighted mean of those that agree. A region
 *   without the confidence that the rule names has none (0); a rule that names no confidence gives every region 1. With
 *   candidates, a region without any counts with its own value. If no region's own value agrees with the winner, its
 *   confidence is the mean strength of the candidates that do.
 * - consensus: as mode, with weights of duration x log(1 + strength / .01), for the strengths of one thing heard several times
 *   multiply; .01 stands for what isn't among a region's candidates. */
#ifndef SONDE_CATALOGUE_RULES_H
#define SONDE_CATALOGUE_RULES_H

#include "engine/base/error.h"
#include "engine/base/schema.h"

#include <cjson/cJSON.h>
#include <stddef.h>

#define RULES_MAX_ELEMENTS   20000              /* of concat: a longer list is left out as a whole */
#define RULES_MAX_DISTINCT   1000               /* different values of union, or texts of mode and consensus */
#define RULES_MAX_CANDIDATES 100                /* of a region: the first ones count */
#define RULES_MAX_BYTES      ((size_t)64 << 20) /* of memory for the lists, texts and objects that a plugin's rules keep */

/* A rule's value in the making: it takes region after region, in time, and keeps of each no more than a few numbers. */
struct rules_sum;

/* The rule outlives it, and so does *room, the bytes that it and all that share it may still keep: a list beyond that is left out as
 * a whole, as is the value of the longest region; different values are, one by one. NULL: out of memory. */
struct rules_sum *rules_begin(const struct schema_summary *rule, size_t *room);

/* Takes in a region of `duration` (s) with this result, an object. False: out of memory. */
bool rules_add(struct rules_sum *sum, double duration, const cJSON *result);

/* The value over the regions: a new item (caller frees), or NULL when no region says anything. *confidence is the winner's
 * for mode and consensus, NaN otherwise. NULL with error->code ENOMEM: out of memory; EOVERFLOW: too long, or too large. Once. */
cJSON *rules_end(struct rules_sum *sum, double *confidence, struct error *error);

void rules_free(struct rules_sum *sum); /* NULL is fine */

#endif
