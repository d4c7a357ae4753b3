#include "engine/catalogue/summary.h"

#include "engine/base/json.h"
#include "engine/catalogue/autotags.h"
#include "engine/catalogue/rules.h"
#include "engine/catalogue/ruleset.h"
#include "engine/catalogue/similar.h"
#include "engine/catalogue/sql.h"

#include <errno.h>
#include <math.h>
#include <stdlib.h>
#include <string.h>

/* A current region. */
struct part {
    int64_t region;
    double duration;
};

/* What the rules make of a number of regions: all of an audio, or one. */
struct sums {
    const struct ruleset *ruleset;
    struct rules_sum ***rules; /* by plugin of the ruleset, then by rule; NULL: its plugin has said nothing yet */
    struct part *longest;      /* by plugin: its longest region with an embedding */
};

struct material {
    const struct ruleset *ruleset;
    struct part *parts; /* in time */
    size_t n;
    double duration; /* s, of the whole audio */
};

static void material_free(struct material *material) {
    free(material->parts);
    *material = (struct material){0};
}

static void sums_free(struct sums *sums) {
    for (size_t p = 0; sums->rules && p < sums->ruleset->n; p++) {
        size_t count = schema_summary_count(sums->ruleset->plugins[p].schema);
        for (size_t i = 0; sums->rules[p] && i < count; i++) rules_free(sums->rules[p][i]);
        free(sums->rules[p]);
    }
    free(sums->rules);
    free(sums->longest);
    *sums = (struct sums){0};
}

static bool sums_begin(struct sums *sums, const struct ruleset *ruleset, struct error *error) {
    *sums = (struct sums){.ruleset = ruleset,
                          .rules = calloc(ruleset->n + 1, sizeof *sums->rules),
                          .longest = calloc(ruleset->n + 1, sizeof *sums->longest)};
    return (sums->rules && sums->longest) || error_memory(error);
}

/* Takes in what plugin `p` found in the part. */
static bool sums_add(struct sums *sums, size_t p, const struct part *part, const cJSON *result, struct error *error) {
    const struct schema *schema = sums->ruleset->plugins[p].schema;
    size_t count = schema_summary_count(schema);
    if (!sums->rules[p]) sums->rules[p] = calloc(count + 1, sizeof *sums->rules[p]);
    if (!sums->rules[p]) return error_memory(error);
    for (size_t i = 0; i < count; i++) {
        if (!sums->rules[p][i]) sums->rules[p][i] = rules_begin(schema_summary_at(schema, i));
        if (!sums->rules[p][i] || !rules_add(sums->rules[p][i], part->duration, result)) return error_memory(error);
    }
    if (json_member(result, "embedding") && part->duration > sums->longest[p].duration) sums->longest[p] = *part;
    return true;
}

void summary_rules_changed(struct catalogue *catalogue) {
    struct ruleset **rules = catalogue_rules(catalogue);
    ruleset_free(*rules);
    *rules = NULL;
}

static const struct ruleset *rules_of(struct catalogue *catalogue, struct error *error) {
    struct ruleset **rules = catalogue_rules(catalogue);
    if (!*rules) *rules = ruleset_load(catalogue, error);
    return *rules;
}

/* ---------------------------------------------------------------------------------------------------------- reading */

static bool add_part(struct material *material, size_t *room, int64_t region, double duration, struct error *error) {
    if (material->n == *room) {
        size_t more = *room ? 2 * *room : 16;
        struct part *grown = realloc(material->parts, more * sizeof *grown);
        if (!grown) return error_memory(error);
        material->parts = grown;
        *room = more;
    }
    material->parts[material->n++] = (struct part){region, duration};
    return true;
}

static bool read_material(struct catalogue *catalogue, int64_t audio, struct material *material, struct error *error) {
    *material = (struct material){.ruleset = rules_of(catalogue, error)};
    sqlite3_stmt *from = sql_bind(catalogue, error, "SELECT duration FROM audio WHERE audio_id = ?", "i", audio);
    bool row = false;
    if (!material->ruleset || !from || !sql_step(catalogue, from, &row, error)) return false;
    if (!row) return error_set(error, "the catalogue has no audio of number %lld", (long long)audio);
    material->duration = sqlite3_column_double(from, 0);
    (void)sqlite3_reset(from);
    from = sql_bind(catalogue, error,
                    "SELECT region_id, duration FROM regions WHERE audio_id = ? AND current ORDER BY position", "i",
                    audio);
    size_t room = 0;
    bool fine = from != NULL;
    row = fine;
    while (fine && row) {
        fine = sql_step(catalogue, from, &row, error);
        if (fine && row)
            fine = add_part(material, &room, sqlite3_column_int64(from, 0), sqlite3_column_double(from, 1), error);
    }
    if (from) (void)sqlite3_reset(from);
    if (!fine) material_free(material);
    return fine;
}

/* Takes in one row, of a plugin and what it found, if the plugin has rules: into the sums of the part alone, and into those
 * of the whole. A result that doesn't parse (it was checked before it was stored) says nothing. */
static bool take_result(struct sums *alone, struct sums *whole, const struct part *part, sqlite3_stmt *from,
                        struct error *error) {
    const char *plugin = (const char *)sqlite3_column_text(from, 0), *json = (const char *)sqlite3_column_text(from, 1);
    const struct ruleset *ruleset = whole->ruleset;
    size_t p = 0;
    while (plugin && p < ruleset->n && strcmp(plugin, ruleset->plugins[p].plugin) != 0) p++;
    if (!plugin || !json || p == ruleset->n || alone->rules[p]) return true;
    cJSON *result = json_parse(json, (size_t)sqlite3_column_bytes(from, 1), 4 * RESULT_MAX_BYTES, RESULT_MAX_DEPTH + 1,
                               NULL);
    bool fine = !result || (sums_add(alone, p, part, result, error) && sums_add(whole, p, part, result, error));
    cJSON_Delete(result);
    return fine;
}

/* The results of one part, one after the other: those of all parts of a long recording would fill hundreds of megabytes. */
static bool take_part(struct catalogue *catalogue, struct sums *alone, struct sums *whole, const struct part *part,
                      struct error *error) {
    sqlite3_stmt *from = sql_bind(
        catalogue, error,
        "SELECT plugin, result FROM region_analysis WHERE region_id = ? AND current AND outcome = 'ok'", "i",
        part->region);
    bool row = from != NULL, fine = row;
    while (fine && row) {
        fine = sql_step(catalogue, from, &row, error);
        if (fine && row) fine = take_result(alone, whole, part, from, error);
    }
    if (from) (void)sqlite3_reset(from);
    return fine;
}

/* -------------------------------------------------------------------------------------------------------- computing */

static bool add_item(cJSON *object, const char *name, cJSON *item, struct error *error) {
    if (item && cJSON_AddItemToObject(object, name, item)) return true;
    cJSON_Delete(item);
    return error_memory(error);
}

/* Values by name, and for each the id of the plugin that made it. */
struct values {
    cJSON *summary, *origins;
};

static void values_free(struct values *values) {
    cJSON_Delete(values->summary);
    cJSON_Delete(values->origins);
    *values = (struct values){0};
}

/* Says in the summary that a list is too long to stand there. */
static bool leave_out(cJSON *summary, const char *name, struct error *error) {
    cJSON *list = cJSON_GetObjectItemCaseSensitive(summary, "left_out");
    if (!list) list = cJSON_AddArrayToObject(summary, "left_out");
    return (list && cJSON_AddItemToArray(list, cJSON_CreateString(name))) || error_memory(error);
}

static bool compute_value(const struct schema_summary *rule, const char *plugin, struct rules_sum *sum,
                          struct values *values, struct error *error) {
    struct error failure = {0};
    double confidence = NAN;
    cJSON *value = rules_end(sum, &confidence, &failure);
    if (!value && failure.code == EOVERFLOW) return leave_out(values->summary, rule->as, error);
    if (!value) return failure.code == 0 || error_memory(error);
    if (!add_item(values->summary, rule->as, value, error) ||
        !add_item(values->origins, rule->as, cJSON_CreateString(plugin), error))
        return false;
    return !rule->confidence_as || !isfinite(confidence) ||
           cJSON_GetObjectItemCaseSensitive(values->summary, rule->confidence_as) ||
           add_item(values->summary, rule->confidence_as, cJSON_CreateNumber(confidence), error);
}

/* All values of the sums (values_free also after a failure), each of the first plugin that makes one of that name. Lists that
 * are only joined (concat) are left out for a single region: they stand in its results. */
static bool compute(struct sums *sums, bool single, struct values *values, struct error *error) {
    *values = (struct values){cJSON_CreateObject(), cJSON_CreateObject()};
    bool fine = (values->summary && values->origins) || error_memory(error);
    for (size_t p = 0; p < sums->ruleset->n; p++) {
        const struct ruleset_plugin *plugin = &sums->ruleset->plugins[p];
        for (size_t i = 0; fine && sums->rules[p] && i < schema_summary_count(plugin->schema); i++) {
            const struct schema_summary *rule = schema_summary_at(plugin->schema, i);
            if (cJSON_GetObjectItemCaseSensitive(values->summary, rule->as)) continue;
            if (single && strcmp(rule->rule, "concat") == 0) continue;
            fine = compute_value(rule, plugin->plugin, sums->rules[p][i], values, error);
        }
    }
    return fine;
}

/* ------------------------------------------------------------------------------------------------------------ edits */

enum { BPM, KEY, LABEL, FIELDS };
static const char *const fields[FIELDS] = {"bpm", "key", "label"};
static const char *const confidences[FIELDS] = {"bpm_confidence", "key_confidence", "label_confidence"};

/* One user's word over the values. */
static bool override(struct values *values, int field, const char *value, struct error *error) {
    cJSON *item = field == BPM ? cJSON_CreateNumber(strtod(value, NULL)) : cJSON_CreateString(value);
    cJSON_DeleteItemFromObjectCaseSensitive(values->summary, fields[field]);
    cJSON_DeleteItemFromObjectCaseSensitive(values->summary, confidences[field]);
    cJSON_DeleteItemFromObjectCaseSensitive(values->origins, fields[field]);
    return add_item(values->summary, fields[field], item, error) &&
           add_item(values->summary, confidences[field], cJSON_CreateNumber(1), error) &&
           add_item(values->origins, fields[field], cJSON_CreateString("user"), error);
}

/* Users' words that apply: of the whole audio (region 0, and a lone region too), or of one region. */
static bool override_all(struct catalogue *catalogue, int64_t audio, int64_t region, bool lone, struct values *values,
                         struct error *error) {
    for (int i = 0; i < FIELDS; i++) {
        sqlite3_stmt *from = sql_bind(catalogue, error,
                                      "SELECT value FROM edits WHERE audio_id = ?1 AND field = ?2 AND"
                                      " ((region_id = ?3 AND start_frame IS NOT NULL) OR (start_frame IS NULL AND ?4))"
                                      " ORDER BY start_frame IS NULL, created DESC LIMIT 1",
                                      "itik", audio, fields[i], region, (int)(region == 0 || lone));
        bool row = false;
        if (!from || !sql_step(catalogue, from, &row, error)) return false;
        if (!row) continue;
        bool fine = override(values, i, (const char *)sqlite3_column_text(from, 0), error);
        (void)sqlite3_reset(from);
        if (!fine) return false;
    }
    return true;
}

/* ---------------------------------------------------------------------------------------------------------- storing */

/* What the columns get. */
struct columns {
    double bpm, bpm_confidence, key_confidence, label_confidence, loudness, centroid; /* NaN: NULL */
    const char *key, *label, *content, *source[FIELDS];
    char *json;
};

static double number_of(const cJSON *summary, const char *name) {
    return json_number(summary, name, NAN);
}

static bool fill_columns(const struct values *values, struct columns *columns, struct error *error) {
    const cJSON *summary = values->summary;
    *columns = (struct columns){.bpm = number_of(summary, "bpm"),
                                .bpm_confidence = number_of(summary, "bpm_confidence"),
                                .key = json_string(summary, "key", NULL),
                                .key_confidence = number_of(summary, "key_confidence"),
                                .label = json_string(summary, "label", NULL),
                                .label_confidence = number_of(summary, "label_confidence"),
                                .content = json_string(summary, "content", NULL),
                                .loudness = number_of(summary, "lufs"),
                                .centroid = number_of(summary, "centroid"),
                                .json = json_print(summary)};
    bool has[FIELDS] = {!isnan(columns->bpm), columns->key != NULL, columns->label != NULL};
    for (int i = 0; i < FIELDS; i++) {
        bool user = strcmp(json_string(values->origins, fields[i], ""), "user") == 0;
        columns->source[i] = !has[i] ? NULL : user ? "user" : "plugin";
    }
    return columns->json || error_memory(error);
}

#define VALUES "ddttdttdtdtdt"
#define BIND(c, duration)                                                                                              \
    (c)->bpm, (c)->bpm_confidence, (c)->source[BPM], (c)->key, (c)->key_confidence, (c)->source[KEY], (c)->label,      \
        (c)->label_confidence, (c)->source[LABEL], (duration), (c)->content, (c)->loudness, (c)->json
#define NAMES                                                                                                          \
    "bpm, bpm_confidence, bpm_source, key, key_confidence, key_source, label, label_confidence, label_source,"         \
    " duration, content, loudness, summary"
#define SAME                                                                                                           \
    " bpm IS ? AND bpm_confidence IS ? AND bpm_source IS ? AND key IS ? AND key_confidence IS ? AND key_source IS ?"   \
    " AND label IS ? AND label_confidence IS ? AND label_source IS ? AND duration IS ? AND content IS ?"               \
    " AND loudness IS ? AND summary IS ?"

static bool put_audio(struct catalogue *catalogue, int64_t audio, const struct material *material,
                      const struct columns *columns, struct error *error) {
    return sql_run(catalogue, error,
                   "INSERT OR REPLACE INTO audio_summary (" NAMES ", centroid, audio_id, regions, updated)"
                   " VALUES (?, ?, ?, ?, ?, ?, ?, ?, ?, ?, ?, ?, ?, ?, ?, ?, ?)",
                   VALUES "diid", BIND(columns, material->duration), columns->centroid, audio, (int64_t)material->n,
                   sql_now());
}

static bool put_region(struct catalogue *catalogue, const struct part *part, const struct columns *columns,
                       struct error *error) {
    return sql_run(catalogue, error,
                   "INSERT OR REPLACE INTO region_summary (" NAMES ", region_id, audio_id, start_frame)"
                   " SELECT ?, ?, ?, ?, ?, ?, ?, ?, ?, ?, ?, ?, ?, region_id, audio_id, start_frame FROM regions"
                   " WHERE region_id = ?",
                   VALUES "i", BIND(columns, part->duration), part->region);
}

static bool same_audio(struct catalogue *catalogue, int64_t audio, const struct material *material,
                       const struct columns *columns, bool *same, struct error *error) {
    int64_t found = 0;
    bool fine = sql_number(
        catalogue, error, &found,
        "SELECT 1 FROM audio_summary WHERE" SAME " AND centroid IS ? AND audio_id = ? AND regions = ?", VALUES "dii",
        BIND(columns, material->duration), columns->centroid, audio, (int64_t)material->n);
    *same = found == 1;
    return fine;
}

static bool same_region(struct catalogue *catalogue, const struct part *part, const struct columns *columns, bool *same,
                        struct error *error) {
    int64_t found = 0;
    bool fine = sql_number(
        catalogue, error, &found,
        "SELECT 1 FROM region_summary AS s WHERE" SAME " AND region_id = ? AND EXISTS (SELECT 1 FROM regions"
        " AS r WHERE (r.region_id, r.audio_id, r.start_frame) = (s.region_id, s.audio_id, s.start_frame))",
        VALUES "i", BIND(columns, part->duration), part->region);
    *same = found == 1;
    return fine;
}

/* The longest region with an embedding from this plugin: the one that the rule "longest" has taken it from. */
static int64_t longest_with(const struct sums *sums, const char *plugin) {
    for (size_t p = 0; p < sums->ruleset->n; p++)
        if (strcmp(sums->ruleset->plugins[p].plugin, plugin) == 0) return sums->longest[p].region;
    return 0;
}

/* Stores the summary that the sums make, of a part or (NULL) of the whole; or, with `same`, compares it. */
static bool do_one(struct catalogue *catalogue, int64_t audio, const struct material *material, const struct part *part,
                   struct sums *sums, bool *same, struct error *error) {
    struct columns columns = {0};
    struct values values;
    bool fine = compute(sums, part != NULL, &values, error);
    cJSON *embedding = cJSON_DetachItemFromObjectCaseSensitive(values.summary, "embedding");
    const char *plugin = json_string(values.origins, "embedding", "");
    if (fine && !same)
        fine = similar_store(catalogue, part ? 0 : audio, part ? part->region : longest_with(sums, plugin), plugin,
                             embedding, error);
    cJSON_Delete(embedding);
    fine = fine && override_all(catalogue, audio, part ? part->region : 0, material->n == 1, &values, error) &&
           fill_columns(&values, &columns, error);
    if (fine && !part)
        fine = same ? same_audio(catalogue, audio, material, &columns, same, error)
                    : put_audio(catalogue, audio, material, &columns, error) &&
                          autotags_update(catalogue, audio, values.summary, values.origins, error);
    else if (fine)
        fine = same ? same_region(catalogue, part, &columns, same, error)
                    : put_region(catalogue, part, &columns, error);
    cJSON_free(columns.json);
    values_free(&values);
    return fine;
}

/* All of them, whole audio last; stops at the first that differs. */
static bool do_all(struct catalogue *catalogue, int64_t audio, bool *same, struct error *error) {
    struct material material;
    struct sums whole;
    if (!read_material(catalogue, audio, &material, error)) return false;
    bool fine = sums_begin(&whole, material.ruleset, error);
    for (size_t i = 0; i < material.n && fine && (!same || *same); i++) {
        const struct part *part = &material.parts[i];
        struct sums alone;
        fine = sums_begin(&alone, material.ruleset, error) && take_part(catalogue, &alone, &whole, part, error) &&
               do_one(catalogue, audio, &material, part, &alone, same, error);
        sums_free(&alone);
    }
    if (fine && (!same || *same)) fine = do_one(catalogue, audio, &material, NULL, &whole, same, error);
    sums_free(&whole);
    material_free(&material);
    return fine;
}

bool summary_forget(struct catalogue *catalogue, int64_t audio, struct error *error) {
    return sql_run(catalogue, error,
                   "DELETE FROM region_summary WHERE region_id IN (SELECT region_id FROM regions WHERE audio_id = ? AND"
                   " NOT current)",
                   "i", audio) &&
           sql_run(catalogue, error,
                   "DELETE FROM region_vectors WHERE region_id IN (SELECT region_id FROM regions WHERE audio_id = ? AND"
                   " NOT current)",
                   "i", audio);
}

bool summary_update(struct catalogue *catalogue, int64_t audio, struct error *error) {
    return summary_forget(catalogue, audio, error) && do_all(catalogue, audio, NULL, error);
}

bool summary_verify(struct catalogue *catalogue, int64_t audio, bool *same, struct error *error) {
    *same = true;
    return do_all(catalogue, audio, same, error);
}
