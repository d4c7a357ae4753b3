#include "engine/catalogue/merge.h"

#include "engine/catalogue/anchor.h"
#include "engine/catalogue/search.h"
#include "engine/catalogue/sql.h"
#include "engine/catalogue/summary.h"
#include "engine/catalogue/words.h"

#include <stddef.h>
#include <stdlib.h>
#include <string.h>

/* One statement of the merge, and where the number of rows that it changed is added. */
struct step {
    const char *sql;
    size_t count; /* offset in struct merge_counts, or NONE */
};
#define NONE      SIZE_MAX
#define COUNT(of) offsetof(struct merge_counts, of)

/* `other` is the attached catalogue. The temporary tables translate its numbers into ours. */
static const struct step steps[] = {
    {"CREATE TEMP TABLE IF NOT EXISTS their_audio (theirs INTEGER PRIMARY KEY, ours INTEGER, newer INTEGER)", NONE},
    {"CREATE TEMP TABLE IF NOT EXISTS their_regions (theirs INTEGER PRIMARY KEY, ours INTEGER)", NONE},
    {"CREATE TEMP TABLE IF NOT EXISTS their_results (theirs INTEGER PRIMARY KEY, ours INTEGER)", NONE},
    {"CREATE TEMP TABLE IF NOT EXISTS rivals (rival INTEGER PRIMARY KEY, content_id INTEGER, audio_id INTEGER)", NONE},
    {"DELETE FROM temp.rivals", NONE},
    {"DELETE FROM temp.their_audio", NONE},
    {"DELETE FROM temp.their_regions", NONE},
    {"DELETE FROM temp.their_results", NONE},

    {"INSERT INTO runs (started, ended, outcome, version, host, pid, command, sandbox)"
     " SELECT started, ended, outcome, version, host, pid, command, sandbox FROM other.runs AS o WHERE NOT EXISTS"
     " (SELECT 1 FROM main.runs AS m WHERE m.started = o.started AND m.host = o.host AND m.pid = o.pid)",
     NONE},

    /* audio: `newer` marks those whose scan, and so whose current regions, are theirs */
    {"INSERT INTO main.audio (audio_hash, rate, channels, frames, decoder, decoder_version, segmenter, nonfinite,"
     " warnings,"
     " scanned) SELECT audio_hash, rate, channels, frames, decoder, decoder_version, segmenter, nonfinite, warnings, -1"
     " FROM other.audio WHERE true ON CONFLICT (audio_hash, rate, channels) DO NOTHING",
     COUNT(audio)},
    {"INSERT INTO temp.their_audio SELECT o.audio_id, m.audio_id, (o.scanned, o.segmenter) > (m.scanned, m.segmenter)"
     " FROM other.audio AS o JOIN main.audio AS m USING (audio_hash, rate, channels)",
     NONE},
    {"UPDATE main.audio AS m SET decoder = o.decoder, decoder_version = o.decoder_version, segmenter = o.segmenter,"
     " nonfinite = o.nonfinite, warnings = o.warnings, scanned = o.scanned"
     " FROM temp.their_audio AS t JOIN other.audio AS o ON o.audio_id = t.theirs WHERE m.audio_id = t.ours AND t.newer",
     NONE},

    /* contents: what two decoders made of the same bytes are two audios. The one that was made last stands; the others
     * are left in `rivals`. */
    {"INSERT INTO temp.rivals (content_id, audio_id) SELECT m.content_id, a.value FROM other.contents AS o"
     " JOIN temp.their_audio AS t ON t.theirs = o.audio_id JOIN main.contents AS m USING (bytes_hash)"
     " JOIN json_each(json_array(m.audio_id, t.ours)) AS a WHERE m.audio_id <> t.ours ORDER BY 1, 2",
     NONE},
    {"INSERT INTO main.contents (bytes_hash, audio_id, size, facts, created) SELECT o.bytes_hash, t.ours, o.size,"
     " o.facts,"
     " o.created FROM other.contents AS o JOIN temp.their_audio AS t ON t.theirs = o.audio_id"
     " WHERE true ON CONFLICT (bytes_hash) DO UPDATE SET audio_id = excluded.audio_id, facts = excluded.facts,"
     " created = excluded.created WHERE (excluded.created, excluded.facts, (SELECT audio_hash FROM main.audio"
     " AS a WHERE a.audio_id = excluded.audio_id)) > (created, facts, (SELECT audio_hash FROM main.audio AS a WHERE"
     " a.audio_id = contents.audio_id))",
     COUNT(contents)},
    {"DELETE FROM temp.rivals WHERE (content_id, audio_id) IN (SELECT content_id, audio_id FROM main.contents)", NONE},

    {"UPDATE main.regions SET current = 0 WHERE current AND audio_id IN (SELECT ours FROM temp.their_audio WHERE"
     " newer)",
     NONE},
    {"INSERT INTO main.regions (audio_id, current, position, part, parts, rate, start_frame, end_frame,"
     " sound_start_frame,"
     " sound_end_frame, segmenter) SELECT t.ours, 0, o.position, o.part, o.parts, o.rate, o.start_frame, o.end_frame,"
     " o.sound_start_frame, o.sound_end_frame, o.segmenter FROM other.regions AS o JOIN temp.their_audio AS t"
     " ON t.theirs = o.audio_id WHERE true ON CONFLICT (audio_id, start_frame, end_frame) DO NOTHING",
     COUNT(regions)},
    {"INSERT INTO temp.their_regions SELECT o.region_id, m.region_id FROM other.regions AS o JOIN temp.their_audio AS t"
     " ON t.theirs = o.audio_id JOIN main.regions AS m ON m.audio_id = t.ours AND m.start_frame = o.start_frame"
     " AND m.end_frame = o.end_frame",
     NONE},
    {"UPDATE main.regions AS m SET current = 1, position = o.position, part = o.part, parts = o.parts,"
     " sound_start_frame = o.sound_start_frame, sound_end_frame = o.sound_end_frame, segmenter = o.segmenter"
     " FROM temp.their_regions AS t JOIN other.regions AS o ON o.region_id = t.theirs"
     " JOIN temp.their_audio AS a ON a.theirs = o.audio_id WHERE m.region_id = t.ours AND o.current AND a.newer",
     NONE},

    /* results: of the current ones of a region and plugin, the last made stays current */
    {"UPDATE main.region_analysis AS m SET current = 0 FROM temp.their_regions AS t JOIN other.region_analysis AS o"
     " ON o.region_id = t.theirs WHERE m.region_id = t.ours AND m.plugin = o.plugin AND m.current AND o.current"
     " AND (o.created, o.identity) > (m.created, m.identity)",
     NONE},
    {"INSERT INTO main.region_analysis (region_id, plugin, plugin_version, identity, current, outcome, reason, result,"
     " interfaces, inputs, sandbox, run_id, created, cpu, wall, peak_bytes)"
     " SELECT t.ours, o.plugin, o.plugin_version, o.identity,"
     " o.current AND NOT EXISTS (SELECT 1 FROM main.region_analysis AS c WHERE c.region_id = t.ours AND c.plugin ="
     " o.plugin"
     " AND c.current AND c.identity <> o.identity),"
     " o.outcome, o.reason, o.result, o.interfaces, o.inputs, o.sandbox, (SELECT m.run_id FROM other.runs AS r"
     " JOIN main.runs AS m USING (started, host, pid) WHERE r.run_id = o.run_id), o.created, o.cpu, o.wall,"
     " o.peak_bytes"
     " FROM other.region_analysis AS o JOIN temp.their_regions AS t ON t.theirs = o.region_id WHERE true"
     " ON CONFLICT (region_id, plugin, identity) DO UPDATE SET plugin_version = excluded.plugin_version,"
     " current = max(current, excluded.current), outcome = excluded.outcome, reason = excluded.reason,"
     " result = excluded.result, interfaces = excluded.interfaces, inputs = excluded.inputs, sandbox ="
     " excluded.sandbox,"
     " run_id = excluded.run_id, created = excluded.created, cpu = excluded.cpu, wall = excluded.wall,"
     " peak_bytes = excluded.peak_bytes WHERE (excluded.created, excluded.current) > (created, current)",
     COUNT(results)},
    {"UPDATE OR IGNORE main.region_analysis AS m SET current = 1 WHERE region_id IN (SELECT ours FROM"
     " temp.their_regions)"
     " AND NOT EXISTS (SELECT 1 FROM main.region_analysis AS c WHERE c.region_id = m.region_id AND c.plugin = m.plugin"
     " AND (c.current OR c.created > m.created))",
     NONE},
    {"INSERT INTO temp.their_results SELECT o.analysis_id, m.analysis_id FROM other.region_analysis AS o"
     " JOIN temp.their_regions AS t ON t.theirs = o.region_id JOIN main.region_analysis AS m ON m.region_id = t.ours"
     " AND m.plugin = o.plugin AND m.identity = o.identity AND m.created = o.created",
     NONE},
    {"INSERT OR REPLACE INTO main.arrays SELECT t.ours, o.name, o.dtype, o.shape, o.unit, o.hop, o.start, o.data"
     " FROM other.arrays AS o JOIN temp.their_results AS t ON t.theirs = o.analysis_id",
     NONE},
    {"INSERT INTO main.waveforms (audio_id, kind, channels, points, peaks) SELECT t.ours, o.kind, o.channels,"
     " o.points, o.peaks"
     " FROM other.waveforms AS o JOIN temp.their_audio AS t ON t.theirs = o.audio_id"
     " WHERE true ON CONFLICT (audio_id, kind) DO NOTHING",
     NONE},

    /* files whose analysis has ended there */
    {"INSERT INTO main.files (path, path_text, name, status, status_reason, status_before, content_id, size,"
     " mtime_ns, device,"
     " inode, analysed_size, analysed_mtime_ns, profile, added, seen, finished)"
     " SELECT o.path, o.path_text, o.name, o.status, o.status_reason, o.status_before, (SELECT m.content_id FROM"
     " other.contents AS c JOIN main.contents AS m USING (bytes_hash) WHERE c.content_id = o.content_id), o.size,"
     " o.mtime_ns,"
     " o.device, o.inode, o.analysed_size, o.analysed_mtime_ns, o.profile, o.added, o.seen, o.finished"
     " FROM other.files AS o WHERE o.finished IS NOT NULL AND o.status NOT IN ('queued', 'working')"
     " ON CONFLICT (path) DO UPDATE SET status = excluded.status, status_reason = excluded.status_reason,"
     " status_before = excluded.status_before, content_id = excluded.content_id, size = excluded.size,"
     " mtime_ns = excluded.mtime_ns, device = excluded.device, inode = excluded.inode,"
     " analysed_size = excluded.analysed_size, analysed_mtime_ns = excluded.analysed_mtime_ns, profile ="
     " excluded.profile,"
     " added = min(added, excluded.added), seen = excluded.seen, finished = excluded.finished"
     " WHERE excluded.finished > ifnull(finished, -1)",
     COUNT(files)},
    {"DELETE FROM main.queue WHERE file_id IN (SELECT file_id FROM main.files WHERE status NOT IN ('queued',"
     " 'working'))",
     NONE},

    /* users' words */
    {"INSERT INTO main.edits (audio_id, start_frame, end_frame, field, value, created) SELECT t.ours, o.start_frame,"
     " o.end_frame, o.field, o.value, o.created FROM other.edits AS o JOIN temp.their_audio AS t ON t.theirs ="
     " o.audio_id"
     " WHERE true ON CONFLICT (audio_id, ifnull(start_frame, -1), ifnull(end_frame, -1), field) DO UPDATE SET"
     " value = excluded.value, created = excluded.created WHERE (excluded.created, excluded.value) > (created, value)",
     COUNT(edits)},
    {"INSERT INTO main.tags (audio_id, start_frame, end_frame, name, source, automatic, confidence, created) SELECT"
     " t.ours,"
     " o.start_frame, o.end_frame, o.name, o.source, 0, o.confidence, o.created FROM other.tags AS o"
     " JOIN temp.their_audio AS t ON t.theirs = o.audio_id WHERE NOT o.automatic"
     " ON CONFLICT (audio_id, name, source, ifnull(start_frame, -1), ifnull(end_frame, -1)) DO UPDATE SET"
     " automatic = 0, created = excluded.created WHERE automatic OR excluded.created < created",
     COUNT(tags)},

    {"INSERT INTO main.plugins SELECT * FROM other.plugins WHERE true ON CONFLICT (plugin) DO UPDATE SET"
     " version = excluded.version, library = excluded.library, hash = excluded.hash, descriptor = excluded.descriptor,"
     " schema = excluded.schema, bundled = excluded.bundled, enabled = excluded.enabled, state = excluded.state,"
     " reason = excluded.reason, last_seen = excluded.last_seen WHERE (excluded.last_seen, excluded.hash) >"
     " (last_seen, hash)",
     NONE},
};

static bool run_steps(struct catalogue *catalogue, struct merge_counts *counts, struct error *error) {
    for (size_t i = 0; i < sizeof steps / sizeof *steps; i++) {
        if (!sql_run(catalogue, error, steps[i].sql, "")) return false;
        if (steps[i].count != NONE)
            *(int64_t *)((char *)counts + steps[i].count) += sqlite3_changes64(catalogue_db(catalogue));
    }
    return true;
}

/* What was said of the audio that a content is no longer, or has not become. It stays there, too: who merges next may
 * have files of that audio. */
static bool copy_words(struct catalogue *catalogue, struct error *error) {
    int64_t rival = 0;
    while (true) {
        int64_t next = 0, from = 0, to = 0;
        if (!sql_number(catalogue, error, &next, "SELECT min(rival) FROM temp.rivals WHERE rival > ?", "i", rival))
            return false;
        if (next == 0) return true;
        if (!sql_number(catalogue, error, &from, "SELECT audio_id FROM temp.rivals WHERE rival = ?", "i", next) ||
            !sql_number(catalogue, error, &to,
                        "SELECT c.audio_id FROM temp.rivals JOIN main.contents AS c USING (content_id) WHERE rival = ?",
                        "i", next) ||
            !words_copy(catalogue, from, to, error))
            return false;
        rival = next;
    }
}

/* Anchors, summaries and words of every sound that both or only they had. The rules may have changed with the plugins,
 * but only for sounds that they know. */
static bool refresh(struct catalogue *catalogue, struct error *error) {
    int64_t audio = 0;
    summary_rules_changed(catalogue);
    while (true) {
        int64_t next = 0;
        if (!sql_number(catalogue, error, &next, "SELECT min(audio_id) FROM main.audio WHERE audio_id > ?", "i", audio))
            return false;
        if (next == 0) return true;
        if (!anchor_update(catalogue, next, error) || !summary_update(catalogue, next, error) ||
            !search_update_audio(catalogue, next, error))
            return false;
        audio = next;
    }
}

/* Files that failed have words too. */
static bool refresh_silent(struct catalogue *catalogue, struct error *error) {
    int64_t file = 0;
    while (true) {
        int64_t next = 0;
        if (!sql_number(catalogue, error, &next,
                        "SELECT min(file_id) FROM main.files WHERE file_id > ? AND content_id IS NULL", "i", file))
            return false;
        if (next == 0) return true;
        if (!search_update_file(catalogue, next, error)) return false;
        file = next;
    }
}

static bool merge(struct catalogue *catalogue, struct merge_counts *counts, struct error *error) {
    if (!catalogue_execute(catalogue, "BEGIN IMMEDIATE", error)) return false;
    if (run_steps(catalogue, counts, error) && copy_words(catalogue, error) && refresh(catalogue, error) &&
        refresh_silent(catalogue, error) && catalogue_execute(catalogue, "COMMIT", error))
        return true;
    (void)catalogue_execute(catalogue, "ROLLBACK", NULL);
    return false;
}

/* Refuses what isn't a catalogue of this version before it is attached. */
static bool check_other(const char *from, struct error *error) {
    struct catalogue *other = catalogue_open(from, CATALOGUE_READ, error);
    catalogue_close(other);
    return other != NULL;
}

bool merge_catalogue(struct catalogue *catalogue, const char *from, struct merge_counts *counts, struct error *error) {
    *counts = (struct merge_counts){0};
    char *theirs = realpath(from, NULL);
    bool same = theirs && strcmp(catalogue_path(catalogue), theirs) == 0;
    free(theirs);
    if (same) return error_set(error, "%s can't be merged into itself", from);
    if (!check_other(from, error) || !sql_run(catalogue, error, "ATTACH ? AS other", "t", from)) return false;
    bool fine = merge(catalogue, counts, error);
    /* Statements that name `other` can't be kept beyond this. */
    catalogue_forget_statements(catalogue);
    (void)catalogue_execute(catalogue, "DETACH other", NULL);
    return fine;
}
