/* Result schemas: the subset of JSON Schema that schema/README.md describes, with units, instants and summary rules.
 *
 * A schema is compiled once and then used for any number of results. Everything outside the subset is refused, and the
 * sentence names the place as a path into the schema ("/properties/bpm: ...") or into the result ("segments[3].end ...").
 * A schema may come from a hostile plugin: sizes, depths and counts are capped. Any thread; a compiled schema never
 * changes, so threads may share it. */
#ifndef SONDE_BASE_SCHEMA_H
#define SONDE_BASE_SCHEMA_H

#include "engine/base/error.h"

#include <cjson/cJSON.h>
#include <stddef.h>

#define SCHEMA_MAX_BYTES 65536
#define SCHEMA_MAX_DEPTH 16 /* schemas within schemas */
#define RESULT_MAX_BYTES 1048576
#define RESULT_MAX_DEPTH 32

struct schema;

/* How one top-level property of the regions' results becomes one value of the file (schema/README.md, "Summary rules").
 * Strings belong to the schema; those a rule doesn't have are NULL. */
struct schema_summary {
    const char *property;      /* of the result's top level */
    const char *as;            /* the value's name in the file's summary: [a-z0-9_]+ */
    const char *rule;          /* one of those in schema/README.md */
    const char *weight;        /* mode, consensus: the property that holds the confidence */
    const char *candidates;    /* mode, consensus: the property that holds an array of {value, strength} objects */
    const char *value;         /* with candidates: the member that holds a candidate's value ("value" unless said) */
    const char *strength;      /* with candidates: the member that holds its strength ("strength" unless said) */
    const char *confidence_as; /* the name of the winner's confidence in the file's summary */
    double tolerance;          /* mode, consensus: numbers this close (a ratio, 0 to 1) agree */
};

/* Compiles `n` bytes of JSON. NULL with a sentence when it isn't a schema of the subset for an object. */
struct schema *schema_compile(const char *text, size_t n, struct error *error);
void schema_free(struct schema *schema); /* NULL is fine */

/* Whether `value` satisfies the schema: types, members, ranges, finite numbers. */
bool schema_check(const struct schema *schema, const cJSON *value, struct error *error);

/* Whether every instant ("s@region") of a checked `value` lies within 0..duration, to 1 ms. */
bool schema_check_instants(const struct schema *schema, const cJSON *value, double duration, struct error *error);

/* Adds `offset` (s) to every instant of a checked `value`, after clamping it to 0..duration. */
void schema_shift_instants(const struct schema *schema, cJSON *value, double duration, double offset);

/* The summary rules, in the order of the schema's properties. */
size_t schema_summary_count(const struct schema *schema);
const struct schema_summary *schema_summary_at(const struct schema *schema, size_t index);

#endif
