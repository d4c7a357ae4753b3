#include "engine/catalogue/anchor.h"

#include "engine/catalogue/sql.h"

#define ANCHOR(table)                                                                                                  \
    "UPDATE " table " AS a SET region_id = (SELECT region_id FROM (SELECT r.region_id, r.position,"                    \
    " min(r.end_frame, a.end_frame) - max(r.start_frame, a.start_frame) AS overlap FROM regions AS r"                  \
    " WHERE r.audio_id = a.audio_id AND r.current) WHERE overlap > 0 ORDER BY overlap DESC, position LIMIT 1)"         \
    " WHERE audio_id = ? AND start_frame IS NOT NULL"

bool anchor_update(struct catalogue *catalogue, int64_t audio, struct error *error) {
    return sql_run(catalogue, error, ANCHOR("edits"), "i", audio) &&
           sql_run(catalogue, error, ANCHOR("tags"), "i", audio);
}
