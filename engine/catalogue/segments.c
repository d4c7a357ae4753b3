#include "engine/catalogue/segments.h"

#include "engine/catalogue/sql.h"

#include <math.h>
#include <string.h>
#include <strings.h>

#define MIXTURE " over " /* in what the timeline calls two sounds at once */

/* In ?1: of each region the result of the better of the two interfaces, and a user's word (w) over its labels. What has no
 * start, end and label isn't a segment. */
static const char select_segments[] =
    "SELECT r.position, s.value ->> '$.start', s.value ->> '$.end',"
    " iif(w.region_id, w.label, iif(x.named, s.value ->> '$.label', NULL)),"
    " iif(w.region_id, NULL, s.value ->> '$.group'), iif(x.named, s.value ->> '$.content', s.value ->> '$.label'),"
    " iif(w.region_id, w.label_confidence, s.value ->> '$.confidence')"
    " FROM (SELECT r.region_id, r.position, max(i.value = 'classifier/1') AS named, x.result FROM regions AS r"
    " JOIN region_analysis AS x USING (region_id) JOIN json_each(x.interfaces) AS i"
    " WHERE r.audio_id = ?1 AND r.current AND x.current AND x.outcome = 'ok'"
    " AND i.value IN ('classifier/1', 'content_timeline/1') GROUP BY r.region_id) AS x"
    " JOIN regions AS r USING (region_id) JOIN json_each(x.result, '$.segments') AS s"
    " LEFT JOIN region_summary AS w ON w.region_id = x.region_id AND w.label_source = 'user'"
    " WHERE CASE WHEN s.type = 'object' THEN json_type(s.value, '$.start') IN ('real', 'integer')"
    " AND json_type(s.value, '$.end') IN ('real', 'integer') AND json_type(s.value, '$.label') = 'text' END"
    " ORDER BY r.position, s.key";

bool segments_each(struct catalogue *catalogue, int64_t audio, segments_take *take, void *context,
                   struct error *error) {
    sqlite3_stmt *from = sql_bind(catalogue, error, select_segments, "i", audio);
    bool row = from != NULL;
    while (row) {
        if (!sql_step(catalogue, from, &row, error)) return false;
        if (!row) break;
        const struct segment segment = {
            .region = sqlite3_column_int64(from, 0),
            .start = sqlite3_column_double(from, 1),
            .end = sqlite3_column_double(from, 2),
            .label = sql_text(from, 3),
            .group = sql_text(from, 4),
            .content = sql_text(from, 5),
            .confidence = sqlite3_column_type(from, 6) == SQLITE_NULL ? NAN : sqlite3_column_double(from, 6)};
        if (take(context, &segment)) continue;
        (void)sqlite3_reset(from);
        break;
    }
    return from != NULL;
}

/* Whether the first `n` bytes of a text are the word. */
static bool begins(const char *text, size_t n, const char *word) {
    return strlen(word) == n && strncasecmp(text, word, n) == 0;
}

size_t segment_above(const char *content) {
    const char *mixture = strstr(content, MIXTURE);
    return mixture ? (size_t)(mixture - content) : 0;
}

bool segment_is(const struct segment *segment, const char *word) {
    const char *group = segment->group ? segment->group : "", *content = segment->content ? segment->content : "";
    const size_t above = segment_above(content);
    if (segment->label && strcasecmp(segment->label, word) == 0) return true;
    if (strcasecmp(group, word) == 0 || begins(group, strcspn(group, ","), word)) return true;
    if (strcasecmp(content, word) == 0) return true;
    return above > 0 && (begins(content, above, word) || strcasecmp(content + above + strlen(MIXTURE), word) == 0);
}
