/* Contents, audio, regions and waveforms. */
#include "engine/catalogue/anchor.h"
#include "engine/catalogue/sql.h"
#include "engine/catalogue/store.h"
#include "engine/catalogue/summary.h"
#include "engine/catalogue/words.h"

#include <stdlib.h>
#include <string.h>

/* ---------------------------------------------------------------------------------------------------------- reading */

/* Regions in time. */
struct region_list {
    struct store_region *items;
    size_t n;
};

/* The current regions of an audio; `list` is the caller's to free, also after a failure. */
static bool read_regions(struct catalogue *catalogue, int64_t audio, struct region_list *list, struct error *error) {
    sqlite3_stmt *from = sql_bind(catalogue, error,
                                  "SELECT region_id, start_frame, end_frame, sound_start_frame, sound_end_frame, part,"
                                  " parts FROM regions WHERE audio_id = ? AND current ORDER BY position",
                                  "i", audio);
    size_t room = 0;
    bool row = from != NULL;
    while (row) {
        if (!sql_step(catalogue, from, &row, error)) return false;
        if (!row) return true;
        if (list->n == room) {
            room = room ? 2 * room : 8;
            struct store_region *grown = realloc(list->items, room * sizeof *grown);
            if (!grown) {
                (void)sqlite3_reset(from);
                return error_memory(error);
            }
            list->items = grown;
        }
        list->items[list->n++] = (struct store_region){sqlite3_column_int64(from, 0), sqlite3_column_int64(from, 1),
                                                       sqlite3_column_int64(from, 2), sqlite3_column_int64(from, 3),
                                                       sqlite3_column_int64(from, 4), sqlite3_column_int(from, 5),
                                                       sqlite3_column_int(from, 6)};
    }
    return false;
}

/* ---------------------------------------------------------------------------------------------------------- storing */

static bool put_audio(struct catalogue *catalogue, const struct store_scan *scan, int64_t *audio, struct error *error) {
    return sql_number(catalogue, error, audio,
                      "INSERT INTO audio (audio_hash, rate, channels, frames, decoder, decoder_version, segmenter,"
                      " nonfinite, warnings, scanned) VALUES (?, ?, ?, ?, ?, ?, ?, ?, ?, ?)"
                      " ON CONFLICT (audio_hash, rate, channels) DO UPDATE SET decoder = excluded.decoder,"
                      " decoder_version = excluded.decoder_version, segmenter = excluded.segmenter,"
                      " nonfinite = excluded.nonfinite, warnings = excluded.warnings, scanned = excluded.scanned"
                      " RETURNING audio_id",
                      "tiiitttitd", scan->audio_hash, scan->rate, scan->channels, scan->frames, scan->decoder,
                      scan->decoder_version, scan->segmenter, scan->nonfinite, scan->warnings, sql_now());
}

static bool put_content(struct catalogue *catalogue, const struct store_scan *scan, int64_t audio, int64_t *content,
                        struct error *error) {
    return sql_number(
        catalogue, error, content,
        "INSERT INTO contents (bytes_hash, audio_id, size, facts, created) VALUES (?, ?, ?, ?, ?)"
        " ON CONFLICT (bytes_hash) DO UPDATE SET audio_id = excluded.audio_id, facts = excluded.facts,"
        " created = iif((audio_id, facts) IS (excluded.audio_id, excluded.facts), created, excluded.created)"
        " RETURNING content_id",
        "tiitd", scan->bytes_hash, audio, scan->size, scan->facts, sql_now());
}

static bool put_waveforms(struct catalogue *catalogue, const struct store_scan *scan, int64_t audio,
                          struct error *error) {
    for (size_t i = 0; i < scan->waveforms_count; i++) {
        const struct store_waveform *wave = &scan->waveforms[i];
        size_t bytes = (size_t)wave->points * (size_t)wave->channels * 3 * sizeof *wave->peaks;
        if (!sql_run(catalogue, error,
                     "INSERT INTO waveforms (audio_id, kind, channels, points, peaks) VALUES (?, ?, ?, ?, ?)"
                     " ON CONFLICT (audio_id, kind) DO UPDATE SET channels = excluded.channels,"
                     " points = excluded.points, peaks = excluded.peaks",
                     "itkkb", audio, wave->kind, (int)wave->channels, (int)wave->points, (const void *)wave->peaks,
                     bytes))
            return false;
    }
    return true;
}

/* Whether the current regions are those of the scan; if so, the scan gets their ids. */
static bool same_regions(const struct region_list *known, struct store_scan *scan) {
    if (known->n != scan->regions_count) return false;
    for (size_t i = 0; i < scan->regions_count; i++) {
        struct store_region old = known->items[i], new = scan->regions[i];
        if (old.start != new.start || old.end != new.end || old.sound_start != new.sound_start ||
            old.sound_end != new.sound_end || old.part != new.part || old.parts != new.parts)
            return false;
    }
    for (size_t i = 0; i < scan->regions_count; i++) scan->regions[i].region = known->items[i].region;
    return true;
}

static bool put_region(struct catalogue *catalogue, const struct store_scan *scan, int64_t audio, size_t i,
                       struct error *error) {
    struct store_region *region = &scan->regions[i];
    return sql_number(catalogue, error, &region->region,
                      "INSERT INTO regions (audio_id, current, position, part, parts, rate, start_frame, end_frame,"
                      " sound_start_frame, sound_end_frame, segmenter) VALUES (?, 1, ?, ?, ?, ?, ?, ?, ?, ?, ?)"
                      " ON CONFLICT (audio_id, start_frame, end_frame) DO UPDATE SET current = 1,"
                      " position = excluded.position, part = excluded.part, parts = excluded.parts,"
                      " sound_start_frame = excluded.sound_start_frame, sound_end_frame = excluded.sound_end_frame,"
                      " segmenter = excluded.segmenter RETURNING region_id",
                      "iikkiiiiit", audio, (int64_t)i, (int)region->part, (int)region->parts, scan->rate, region->start,
                      region->end, region->sound_start, region->sound_end, scan->segmenter);
}

static bool put_regions(struct catalogue *catalogue, struct store_scan *scan, int64_t audio, bool *known,
                        struct error *error) {
    struct region_list old = {0};
    bool fine = read_regions(catalogue, audio, &old, error);
    *known = fine && same_regions(&old, scan);
    bool replaces = old.n > 0;
    free(old.items);
    if (!fine || *known) return fine;
    if (replaces && !sql_run(catalogue, error, "UPDATE regions SET current = 0 WHERE audio_id = ?", "i", audio))
        return false;
    for (size_t i = 0; i < scan->regions_count; i++)
        if (!put_region(catalogue, scan, audio, i, error)) return false;
    return !replaces || (summary_forget(catalogue, audio, error) && anchor_update(catalogue, audio, error));
}

bool store_scan(struct catalogue *catalogue, int64_t file, struct store_scan *scan, int64_t *content, int64_t *audio,
                bool *known, struct error *error) {
    int64_t before = 0, was = 0; /* the audio, if it was there; what these bytes were until now */
    if (!sql_number(catalogue, error, &before,
                    "SELECT audio_id FROM audio WHERE audio_hash = ? AND rate = ? AND channels = ?", "tii",
                    scan->audio_hash, scan->rate, scan->channels) ||
        !sql_number(catalogue, error, &was, "SELECT audio_id FROM contents WHERE bytes_hash = ?", "t",
                    scan->bytes_hash))
        return false;
    bool same = false;
    bool fine = put_audio(catalogue, scan, audio, error) && put_content(catalogue, scan, *audio, content, error) &&
                put_waveforms(catalogue, scan, *audio, error) && put_regions(catalogue, scan, *audio, &same, error) &&
                (was == 0 || was == *audio || words_follow(catalogue, was, *audio, error)) &&
                store_file_content(catalogue, file, *content, error);
    *known = fine && before != 0 && same;
    return fine;
}
