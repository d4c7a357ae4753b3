/* The SQL that a struct query stands for. Strings are for sqlite3_free; NULL: out of memory. Any thread. */
#ifndef SONDE_CATALOGUE_QUERY_SQL_H
#define SONDE_CATALOGUE_QUERY_SQL_H

#include "engine/catalogue/query.h"

/* The rows, in the columns that query.c reads. ?1 is query_match of the text. */
char *query_sql(const struct query *query);

/* The ids (of audio, or of regions) that meet the conditions, at most `limit`. With limit 0: the
 * files of the id ?2 with which it meets them. */
char *query_sql_ids(const struct query *query, int64_t limit);

/* The ids of regions (or of the audio of files) that meet those conditions that can be told of them alone, at most `most`: what
 * isn't among them doesn't meet all. */
char *query_sql_sieve(const struct query *query, bool of_regions, int64_t most);

/* The files with the words of the text. */
char *query_sql_words(void);

/* The rows of the files of ?1, in its order: a JSON array of [rank, file, id of the audio or region, similarity]. */
char *query_sql_found(const struct query *query);

/* How many sounds or regions have these values (tempo, key, duration, loudness; nothing else counts), at most `most`. */
char *query_sql_breadth(const struct query *query, int64_t most);

/* Whether some condition can find its rows by an index. */
bool query_is_selective(const struct query *query);

/* Whether some condition is on tempo, key, duration or loudness. */
bool query_has_values(const struct query *query);

/* "drum loop" as what FTS5 matches: whatever people type is words, never syntax. */
char *query_match(const char *text);

/* Whether there is anything in it to match. */
bool query_has_words(const char *text);

#endif
