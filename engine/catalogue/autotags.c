#include "engine/catalogue/autotags.h"

#include "engine/base/json.h"
#include "engine/catalogue/sql.h"

#include <math.h>

/* Values that hold words worth finding a sound by, and where their confidence is. */
static const struct {
    const char *value, *confidence;
} sources[] = {
    {"label", "label_confidence"},
    {"content", "content_confidence"},
    {"classes", NULL},
    {"kind", NULL},
    {"instruments", NULL},
    {"moods", NULL},
    {"genres", NULL},
};

static bool add(struct catalogue *catalogue, int64_t audio, const cJSON *word, const char *source, double confidence,
                struct error *error) {
    if (!cJSON_IsString(word) || word->valuestring[0] == '\0') return true;
    return sql_run(
        catalogue, error,
        "INSERT INTO tags (audio_id, name, source, automatic, confidence, created)"
        " SELECT ?1, ?2, ?3, 1, ?4, ?5 WHERE NOT EXISTS (SELECT 1 FROM tags WHERE audio_id = ?1 AND name = ?2"
        " AND start_frame IS NULL)",
        "ittdd", audio, word->valuestring, source, confidence, sql_now());
}

bool autotags_update(struct catalogue *catalogue, int64_t audio, const cJSON *summary, const cJSON *origins,
                     struct error *error) {
    if (!sql_run(catalogue, error, "DELETE FROM tags WHERE audio_id = ? AND automatic", "i", audio)) return false;
    for (size_t i = 0; i < sizeof sources / sizeof *sources; i++) {
        const cJSON *value = cJSON_GetObjectItemCaseSensitive(summary, sources[i].value), *word = NULL;
        const char *source = json_string(origins, sources[i].value, "");
        double confidence = sources[i].confidence ? json_number(summary, sources[i].confidence, NAN) : NAN;
        if (!cJSON_IsArray(value)) {
            if (value && !add(catalogue, audio, value, source, confidence, error)) return false;
            continue;
        }
        cJSON_ArrayForEach(word, value) {
            if (!add(catalogue, audio, word, source, confidence, error)) return false;
        }
    }
    return true;
}
