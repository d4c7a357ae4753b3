#include "engine/catalogue/check.h"

#include "engine/catalogue/sql.h"
#include "engine/catalogue/summary.h"
#include "engine/catalogue/vectors.h"

#include <stdio.h>

#define MOST 20 /* of one kind are named */

struct check {
    struct catalogue *catalogue;
    check_report report;
    void *context;
    int64_t wrong;
};

/* Each row of a rule is a thing that is wrong: its columns fill the sentence's %s. */
struct rule {
    const char *sentence; /* with one or two %s */
    const char *sql;      /* two columns */
};

/* What was analysed with other plugins than the last whole run had (--only, or on another machine) needs no outcome of all. */
static const struct rule rules[] = {
    {"%s refers to a row of %s that isn't there", "SELECT \"table\", parent FROM pragma_foreign_key_check"},
    {"%s: the region at %s s lacks an outcome of an enabled plugin",
     "SELECT f.path_text, r.start FROM files AS f JOIN contents AS c USING (content_id) JOIN regions AS r USING"
     " (audio_id)"
     " WHERE f.status = 'done' AND r.current AND ifnull(f.profile, '') IN"
     " ('', ifnull((SELECT value FROM engine_state WHERE name = 'profile'), f.profile))"
     " AND EXISTS (SELECT 1 FROM plugins AS p WHERE p.enabled AND p.state ="
     " 'ready'"
     " AND p.last_seen <= f.finished AND NOT EXISTS (SELECT 1 FROM region_analysis AS x WHERE x.region_id ="
     " r.region_id AND"
     " x.plugin = p.plugin AND x.current))"},
    {"%s is done, but has no regions%.0s",
     "SELECT f.path_text, '' FROM files AS f LEFT JOIN contents AS c USING (content_id) WHERE f.status = 'done' AND"
     " NOT EXISTS"
     " (SELECT 1 FROM regions AS r WHERE r.audio_id = c.audio_id AND r.current)"},
    {"%s is %s, but not in the queue",
     "SELECT path_text, status FROM files WHERE status IN ('queued', 'working') AND file_id NOT IN (SELECT file_id"
     " FROM queue)"},
    {"%s is in the queue, but its status is %s",
     "SELECT path_text, status FROM files JOIN queue USING (file_id) WHERE status NOT IN ('queued', 'working')"},
    {"%s has been analysed, but search doesn't know it%.0s",
     "SELECT path_text, '' FROM files WHERE status IN ('done', 'empty', 'failed') AND file_id NOT IN (SELECT rowid"
     " FROM search)"},
    {"the sound of %s has no summary%.0s",
     "SELECT f.path_text, '' FROM files AS f JOIN contents USING (content_id) WHERE f.status IN ('done', 'empty')"
     " AND audio_id NOT IN (SELECT audio_id FROM audio_summary)"},
    {"%s: the region of number %s has a summary, but isn't current",
     "SELECT r.audio_id, r.region_id FROM region_summary JOIN regions AS r USING (region_id) WHERE NOT r.current"},
    {"the row of %s has other values than the summary of its sound%.0s",
     "SELECT f.path_text, '' FROM files AS f LEFT JOIN audio AS a ON a.audio_id = f.file_audio_id LEFT JOIN audio_summary AS"
     " s ON s.audio_id = f.file_audio_id WHERE (f.duration, f.regions, f.bpm, f.bpm_confidence, f.key, f.label, f.content,"
     " f.loudness, f.centroid) IS NOT (a.duration, s.regions, s.bpm, s.bpm_confidence, s.key, s.label, s.content,"
     " s.loudness, s.centroid)"},
    {"what %s has cost isn't what its results say%.0s",
     "SELECT plugin, '' FROM plugin_costs AS p LEFT JOIN plugin_costs_counted AS c USING (plugin) WHERE p.results IS NOT"
     " ifnull(c.results, 0) OR abs(p.cpu - ifnull(c.cpu, 0)) > 1e-3 * (1 + p.cpu)"
     " OR abs(p.audio - ifnull(c.audio, 0)) > 1e-3 * (1 + p.audio)"},
    {"two results of %s of the same identity (%s) differ",
     "SELECT plugin, identity FROM region_analysis WHERE outcome IN ('ok', 'empty') GROUP BY identity"
     " HAVING count(DISTINCT outcome || ifnull(result, '')) > 1"},
    {"%s: %s is anchored to a region of another sound",
     "SELECT t.audio_id, t.name FROM tags AS t JOIN regions AS r USING (region_id) WHERE r.audio_id <> t.audio_id"},
};

static void complain(struct check *check, const char *sentence) {
    check->wrong++;
    check->report(check->context, sentence);
}

static void complain_rows(struct check *check, const struct rule *rule, const char *first, const char *second) {
    char text[600];
#pragma GCC diagnostic push
#pragma GCC diagnostic ignored "-Wformat-nonliteral"
    snprintf(text, sizeof text, rule->sentence, first ? first : "?", second ? second : "?");
#pragma GCC diagnostic pop
    check->report(check->context, text);
}

static bool check_rule(struct check *check, const struct rule *rule, struct error *error) {
    sqlite3_stmt *from = sql_bind(check->catalogue, error, rule->sql, "");
    bool row = from != NULL;
    int64_t found = 0;
    while (row) {
        if (!sql_step(check->catalogue, from, &row, error)) return false;
        if (row && found++ < MOST)
            complain_rows(check, rule, (const char *)sqlite3_column_text(from, 0),
                          (const char *)sqlite3_column_text(from, 1));
    }
    if (found > MOST) {
        char text[80];
        snprintf(text, sizeof text, "... and %lld more like that", (long long)(found - MOST));
        check->report(check->context, text);
    }
    check->wrong += found;
    return from != NULL;
}

static bool check_summaries(struct check *check, struct error *error) {
    int64_t audio = 0, different = 0;
    while (true) {
        int64_t next = 0;
        bool same = true;
        if (!sql_number(check->catalogue, error, &next, "SELECT min(audio_id) FROM audio_summary WHERE audio_id > ?",
                        "i", audio))
            return false;
        if (next == 0) break;
        if (!summary_verify(check->catalogue, next, &same, error)) return false;
        if (!same && different++ < MOST) {
            char text[100];
            snprintf(text, sizeof text, "the summary of audio %lld isn't what its results make", (long long)next);
            complain(check, text);
        }
        audio = next;
    }
    if (different > MOST) check->wrong += different - MOST;
    return true;
}

static bool check_vectors(struct check *check, struct error *error) {
    static const char *const kinds[] = {"sounds", "regions"};
    for (int kind = VECTORS_AUDIO; kind <= VECTORS_REGION; kind++) {
        int64_t wrong = 0;
        char text[100];
        if (!vectors_check(check->catalogue, (enum vectors_kind)kind, &wrong, error)) return false;
        if (wrong == 0) continue;
        snprintf(text, sizeof text, "`find --similar` would miss %lld %s: their short vectors are wrong",
                 (long long)wrong, kinds[kind]);
        complain(check, text);
        check->wrong += wrong - 1;
    }
    return true;
}

bool check_catalogue(struct catalogue *catalogue, check_report report, void *context, int64_t *wrong,
                     struct error *error) {
    struct check check = {catalogue, report, context, 0};
    struct error damage = {0};
    *wrong = 0;
    if (!catalogue_check_integrity(catalogue, &damage)) {
        complain(&check, damage.text);
        *wrong = check.wrong;
        return true; /* the rest would only repeat it */
    }
    bool fine = true;
    for (size_t i = 0; i < sizeof rules / sizeof *rules && fine; i++) fine = check_rule(&check, &rules[i], error);
    fine = fine && check_summaries(&check, error) && check_vectors(&check, error);
    *wrong = check.wrong;
    return fine;
}
