#include "engine/catalogue/words.h"

#include "engine/catalogue/anchor.h"
#include "engine/catalogue/search.h"
#include "engine/catalogue/sql.h"
#include "engine/catalogue/summary.h"

/* The words `w` of the audio ?1, and their stretches as frames of the audio ?2, whose rate may be another. */
#define STRETCH                                                                                                        \
    "CAST(round(w.start_frame * 1.0 * n.rate / o.rate) AS INTEGER),"                                                   \
    " CAST(round(w.end_frame * 1.0 * n.rate / o.rate) AS INTEGER)"
#define OF_FIRST " AS w, audio AS o, audio AS n WHERE w.audio_id = ?1 AND o.audio_id = ?1 AND n.audio_id = ?2"

static const char copy_edits[] =
    "INSERT INTO edits (audio_id, start_frame, end_frame, field, value, created)"
    " SELECT ?2, " STRETCH ", w.field, w.value, w.created FROM edits" OF_FIRST
    " ON CONFLICT (audio_id, ifnull(start_frame, -1), ifnull(end_frame, -1), field) DO UPDATE SET value = excluded.value,"
    " created = excluded.created WHERE (excluded.created, excluded.value) > (created, value)";

static const char copy_tags[] =
    "INSERT INTO tags (audio_id, start_frame, end_frame, name, source, automatic, confidence, created)"
    " SELECT ?2, " STRETCH ", w.name, w.source, 0, w.confidence, w.created FROM tags" OF_FIRST " AND NOT w.automatic"
    " ON CONFLICT (audio_id, name, source, ifnull(start_frame, -1), ifnull(end_frame, -1)) DO UPDATE SET automatic = 0,"
    " created = excluded.created WHERE automatic OR excluded.created < created";

bool words_copy(struct catalogue *catalogue, int64_t from, int64_t to, struct error *error) {
    return sql_run(catalogue, error, copy_edits, "ii", from, to) &&
           sql_run(catalogue, error, copy_tags, "ii", from, to);
}

static bool remove_words(struct catalogue *catalogue, int64_t audio, struct error *error) {
    return sql_run(catalogue, error, "DELETE FROM edits WHERE audio_id = ?", "i", audio) &&
           sql_run(catalogue, error, "DELETE FROM tags WHERE audio_id = ? AND NOT automatic", "i", audio) &&
           summary_update(catalogue, audio, error);
}

bool words_follow(struct catalogue *catalogue, int64_t from, int64_t to, struct error *error) {
    int64_t any = 0, used = 0;
    if (!sql_number(catalogue, error, &any,
                    "SELECT EXISTS (SELECT 1 FROM edits WHERE audio_id = ?1) OR"
                    " EXISTS (SELECT 1 FROM tags WHERE audio_id = ?1 AND NOT automatic)",
                    "i", from) ||
        !sql_number(catalogue, error, &used, "SELECT EXISTS (SELECT 1 FROM contents WHERE audio_id = ?)", "i", from))
        return false;
    return !any || (words_copy(catalogue, from, to, error) && (used || remove_words(catalogue, from, error)) &&
                    anchor_update(catalogue, to, error) && summary_update(catalogue, to, error) &&
                    search_update_audio(catalogue, to, error));
}
