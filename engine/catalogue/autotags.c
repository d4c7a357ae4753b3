#include "engine/catalogue/autotags.h"

#include "engine/base/json.h"
#include "engine/base/text.h"
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

bool autotags_update(struct catalogue *catalogue, int64_t audio, const cJSON *summary, const cJSON *origins,
                     struct error *error) {
    if (!sql_run(catalogue, error, "DELETE FROM tags WHERE audio_id = ? AND automatic", "i", audio)) return false;
    for (size_t i = 0; i < sizeof sources / sizeof *sources; i++) {
        const cJSON *value = cJSON_GetObjectItemCaseSensitive(summary, sources[i].value), *word = NULL;
        const char *source = json_string(origins, sources[i].value, "");
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
    return true;
}
