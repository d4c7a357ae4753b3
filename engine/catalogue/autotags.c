#include "engine/catalogue/autotags.h"

#include "engine/base/json.h"
#include "engine/base/text.h"
#include "engine/catalogue/edit.h"
#include "engine/catalogue/segments.h"
#include "engine/catalogue/sql.h"

#include <math.h>
#include <stdio.h>
#include <string.h>

/* Values that hold words worth finding a sound by, where their confidence is, and whether they name groups. */
static const struct {
    const char *value, *confidence;
    bool group;
} sources[] = {
    {"label", "label_confidence", false},
    {"content", "content_confidence", false},
    {"classes", NULL, false},
    {"groups", NULL, true},
    {"kind", NULL, false},
    {"instruments", NULL, false},
    {"moods", NULL, false},
    {"genres", NULL, false},
};

static bool add(struct catalogue *catalogue, int64_t audio, const char *word, const char *source, double confidence,
                struct error *error) {
    if (word[0] == '\0') return true;
    return sql_run(
        catalogue, error,
        "INSERT INTO tags (audio_id, name, source, automatic, confidence, created)"
        " SELECT ?1, ?2, ?3, 1, ?4, ?5 WHERE NOT EXISTS (SELECT 1 FROM tags WHERE audio_id = ?1 AND name = ?2"
        " AND start_frame IS NULL)",
        "ittdd", audio, word, source, confidence, sql_now());
}

/* A group of several things goes by its first: who looks for fire isn't helped by all "weather, water and fire". */
static bool add_group(struct catalogue *catalogue, int64_t audio, const char *group, const char *source,
                      struct error *error) {
    char name[128];
    (void)snprintf(name, sizeof name, "%.*s", (int)strcspn(group, ","), group);
    text_cut(name, 100);
    return add(catalogue, audio, name, source, NAN, error);
}

/* A label of the timeline; of two sounds at once, also the one that is over the other. */
static bool add_heard(struct catalogue *catalogue, int64_t audio, const char *label, const char *source,
                      struct error *error) {
    char above[64];
    const size_t n = segment_above(label);
    if (n > 0 && n < sizeof above) {
        memcpy(above, label, n);
        above[n] = '\0';
        if (!add(catalogue, audio, above, source, NAN, error)) return false;
    }
    return add(catalogue, audio, label, source, NAN, error);
}

#define MOST_HEARD 16 /* labels of a timeline */

/* What was heard at any time: objects with a label each. Most labels come again and again. */
static bool add_timeline(struct catalogue *catalogue, int64_t audio, const cJSON *timeline, const char *source,
                         struct error *error) {
    const char *known[MOST_HEARD];
    size_t n = 0;
    const cJSON *segment = NULL;
    cJSON_ArrayForEach(segment, timeline) {
        const char *label = json_string(segment, "label", NULL);
        size_t i = 0;
        while (label && i < n && strcmp(known[i], label) != 0) i++;
        if (!label || i < n) continue;
        if (!add_heard(catalogue, audio, label, source, error)) return false;
        known[n++] = label;
        if (n == MOST_HEARD) break;
    }
    return true;
}

/* What users call it, or one of its regions: behind what plugins heard, which stays theirs. */
static bool add_labels(struct catalogue *catalogue, int64_t audio, struct error *error) {
    return sql_run(
        catalogue, error,
        "INSERT INTO tags (audio_id, name, source, automatic, confidence, created)"
        " SELECT ?1, e.value, 'user', 1, 1, ?2 FROM edits AS e WHERE e.audio_id = ?1 AND e.field = 'label' AND e.value <> '" EDIT_NONE
        "'"
        " AND (e.start_frame IS NULL OR e.region_id IS NOT NULL) AND NOT EXISTS (SELECT 1 FROM tags AS t"
        " WHERE t.audio_id = ?1 AND t.name = e.value AND t.start_frame IS NULL) ON CONFLICT DO NOTHING",
        "id", audio, sql_now());
}

bool autotags_update(struct catalogue *catalogue, int64_t audio, const cJSON *summary, const cJSON *origins,
                     struct error *error) {
    if (!sql_run(catalogue, error, "DELETE FROM tags WHERE audio_id = ? AND automatic", "i", audio)) return false;
    for (size_t i = 0; i < sizeof sources / sizeof *sources; i++) {
        const cJSON *value = cJSON_GetObjectItemCaseSensitive(summary, sources[i].value), *word = NULL;
        const char *source = json_string(origins, sources[i].value, "");
        if (strcmp(source, "user") == 0) continue; /* below */
        double confidence = sources[i].confidence ? json_number(summary, sources[i].confidence, NAN) : NAN;
        if (!cJSON_IsArray(value)) {
            if (cJSON_IsString(value) && !add(catalogue, audio, value->valuestring, source, confidence, error))
                return false;
            continue;
        }
        cJSON_ArrayForEach(word, value) {
            if (!cJSON_IsString(word)) continue;
            if (!(sources[i].group ? add_group(catalogue, audio, word->valuestring, source, error)
                                   : add(catalogue, audio, word->valuestring, source, confidence, error)))
                return false;
        }
    }
    return add_timeline(catalogue, audio, json_member(summary, "timeline"), json_string(origins, "timeline", ""),
                        error) &&
           add_labels(catalogue, audio, error);
}
