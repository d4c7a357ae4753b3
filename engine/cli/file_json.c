#include "engine/cli/file_json.h"

#include "engine/catalogue/sql.h"

#define RESULT                                                                                                           \
    "json_object('plugin', x.plugin, 'version', x.plugin_version, 'outcome', x.outcome, 'reason', x.reason, 'identity'," \
    " x.identity, 'cpu', x.cpu, 'wall', x.wall, 'peak_bytes', x.peak_bytes, 'result', json(x.result), 'arrays',"         \
    " json((SELECT json_group_array(json_object('name', name, 'dtype', dtype, 'shape', json(shape), 'unit', unit,"       \
    " 'hop', hop, 'start', start)) FROM arrays WHERE analysis_id = x.analysis_id)))"
#define REGION                                                                                                         \
    "json_object('region', r.position, 'start', r.start, 'end', r.end, 'sound_start', r.sound_start, 'sound_end',"     \
    " r.sound_end, 'part', r.part, 'parts', r.parts, 'results', json((SELECT json_group_array(json(result)) FROM"      \
    " (SELECT " RESULT " AS result FROM region_analysis AS x WHERE x.region_id = r.region_id AND x.current"            \
    " ORDER BY x.plugin))))"

bool file_json_print(FILE *out, struct catalogue *catalogue, int64_t file, int64_t region, struct error *error) {
    sqlite3_stmt *from = sql_bind(
        catalogue, error,
        "SELECT json_object('path', f.path_text, 'path_hex', lower(hex(f.path)), 'file_id', f.file_id, 'status',"
        " f.status,"
        " 'reason', f.status_reason, 'size', f.size, 'rate', a.rate, 'channels', a.channels, 'frames', a.frames,"
        " 'duration', a.duration, 'decoder', a.decoder, 'decoder_version', a.decoder_version, 'warnings',"
        " json(ifnull(a.warnings, '[]')), 'facts', json(c.facts),"
        " 'bpm', s.bpm, 'bpm_source', s.bpm_source, 'key', s.key, 'key_source', s.key_source, 'label', s.label,"
        " 'label_source', s.label_source, 'summary', json(s.summary), 'tags', json((SELECT"
        " json_group_array(json_object("
        " 'name', t.name, 'source', t.source, 'automatic', t.automatic, 'confidence', t.confidence, 'region', p.position,"
        " 'unanchored', t.start_frame IS NOT NULL AND p.region_id IS NULL)) FROM tags AS t LEFT JOIN regions AS p"
        " USING (region_id) WHERE t.audio_id = a.audio_id)), 'edits', json((SELECT json_group_array(json_object('field',"
        " e.field, 'value', e.value, 'region', p.position, 'unanchored', e.start_frame IS NOT NULL AND p.region_id IS NULL))"
        " FROM edits AS e LEFT JOIN regions AS p USING (region_id) WHERE e.audio_id = a.audio_id)), 'regions', json((SELECT json_group_array(json(region)) FROM (SELECT " REGION
        " AS region FROM regions AS r WHERE r.audio_id = a.audio_id AND r.current AND (?2 IS NULL OR r.region_id = ?2)"
        " ORDER BY r.position))))"
        " FROM files AS f LEFT JOIN contents AS c USING (content_id) LEFT JOIN audio AS a USING (audio_id)"
        " LEFT JOIN audio_summary AS s USING (audio_id) WHERE f.file_id = ?1",
        "io", file, region);
    bool row = false;
    if (!from || !sql_step(catalogue, from, &row, error)) return false;
    const char *text = row ? (const char *)sqlite3_column_text(from, 0) : NULL;
    if (text) fputs(text, out);
    (void)sqlite3_reset(from);
    return true;
}
