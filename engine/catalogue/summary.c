#include "engine/catalogue/summary.h"

#include "engine/base/json.h"
#include "engine/catalogue/autotags.h"
#include "engine/catalogue/edit.h"
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
    size_t *room;              /* by plugin: bytes that its rules may still keep */
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
    free(sums->room);
    *sums = (struct sums){0};
}

static bool sums_begin(struct sums *sums, const struct ruleset *ruleset, struct error *error) {
    *sums = (struct sums){.ruleset = ruleset,
                          .rules = calloc(ruleset->n + 1, sizeof *sums->rules),
                          .longest = calloc(ruleset->n + 1, sizeof *sums->longest),
                          .room = calloc(ruleset->n + 1, sizeof *sums->room)};
    for (size_t p = 0; sums->room && p < ruleset->n; p++) sums->room[p] = RULES_MAX_BYTES;
    return (sums->rules && sums->longest && sums->room) || error_memory(error);
}

/* Takes in what plugin `p` found in the part. */
static bool sums_add(struct sums *sums, size_t p, const struct part *part, const cJSON *result, struct error *error) {
    const struct schema *schema = sums->ruleset->plugins[p].schema;
    size_t count = schema_summary_count(schema);
    if (!sums->rules[p]) sums->rules[p] = calloc(count + 1, sizeof *sums->rules[p]);
    if (!sums->rules[p]) return error_memory(error);
    for (size_t i = 0; i < count; i++) {
        if (!sums->rules[p][i]) sums->rules[p][i] = rules_begin(schema_summary_at(schema, i), &sums->room[p]);
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

/* ------------------------------------------------------------------------------------------------------ users' words */

enum { BPM, KEY, LABEL, FIELDS };
static const char *const fields[FIELDS] = {"bpm", "key", "label"};
static const char *const confidences[FIELDS] = {"bpm_confidence", "key_confidence", "label_confidence"};

struct words {
    char *of[FIELDS]; /* NULL: nothing has been said */
};

static void words_free(struct words *words) {
    for (int i = 0; i < FIELDS; i++) free(words->of[i]);
    *words = (struct words){0};
}

/* What has been said of a part, or (NULL) of the whole. Where there is but one region, either counts for both, each with its
 * own first. words_free also after a failure. */
static bool read_words(struct catalogue *catalogue, int64_t audio, const struct material *material,
                       const struct part *part, struct words *words, struct error *error) {
    const bool lone = material->n == 1;
    const int64_t region = part ? part->region : lone ? material->parts[0].region : 0;
    *words = (struct words){0};
    for (int i = 0; i < FIELDS; i++) {
        sqlite3_stmt *from = sql_bind(catalogue, error,
                                      "SELECT value FROM edits WHERE audio_id = ?1 AND field = ?2 AND"
                                      " ((region_id = ?3 AND start_frame IS NOT NULL) OR (start_frame IS NULL AND ?4))"
                                      " ORDER BY (start_frame IS NULL) <> ?5, created DESC LIMIT 1",
                                      "itikk", audio, fields[i], region, (int)(!part || lone), (int)!part);
        bool row = false;
        if (!from || !sql_step(catalogue, from, &row, error)) return false;
        if (!row) continue;
        const char *value = sql_text(from, 0);
        words->of[i] = value ? strdup(value) : NULL;
        (void)sqlite3_reset(from);
        if (!words->of[i]) return error_memory(error);
    }
    return true;
}

static bool add_item(cJSON *object, const char *name, cJSON *item, struct error *error) {
    if (item && cJSON_AddItemToObject(object, name, item)) return true;
    cJSON_Delete(item);
    return error_memory(error);
}

/* What a word other than "none" makes of its field. */
static cJSON *value_of(int field, const char *word) {
    return field == BPM ? cJSON_CreateNumber(strtod(word, NULL)) : cJSON_CreateString(word);
}

/* A word in the place of what the plugin says of its region, without a doubt: so it counts among the other regions. */
static bool impose(cJSON *result, const struct schema_summary *rule, int field, const char *value,
                   struct error *error) {
    cJSON_DeleteItemFromObjectCaseSensitive(result, rule->property);
    if (rule->candidates) cJSON_DeleteItemFromObjectCaseSensitive(result, rule->candidates);
    if (rule->weight) cJSON_DeleteItemFromObjectCaseSensitive(result, rule->weight);
    if (strcmp(value, EDIT_NONE) == 0) return true;
    return add_item(result, rule->property, value_of(field, value), error) &&
           (!rule->weight || add_item(result, rule->weight, cJSON_CreateNumber(1), error));
}

static bool impose_all(cJSON *result, const struct schema *schema, const struct words *words, struct error *error) {
    for (size_t i = 0; i < schema_summary_count(schema); i++) {
        const struct schema_summary *rule = schema_summary_at(schema, i);
        for (int field = 0; field < FIELDS; field++)
            if (words->of[field] && strcmp(rule->as, fields[field]) == 0 &&
                !impose(result, rule, field, words->of[field], error))
                return false;
    }
    return true;
}

/* --------------------------------------------------------------------------------------------------------- results */

/* True: a result that didn't parse is none. False: memory was wanting. cJSON doesn't tell, but SQLite knows whether it is JSON. */
static bool is_broken(struct catalogue *catalogue, const char *json, const struct error *why, struct error *error) {
    int64_t valid = why->code == ENOMEM;
    if (why->code == EBADMSG && !sql_number(catalogue, error, &valid, "SELECT json_valid(?)", "t", json)) return false;
    return !valid || error_memory(error);
}

/* Takes in one row, of a plugin and what it found, if the plugin has rules: into the sums of the part alone, and into those
 * of the whole. A result that is broken (it was checked before it was stored) says nothing. */
static bool take_result(struct catalogue *catalogue, struct sums *alone, struct sums *whole, const struct part *part,
                        const struct words *words, sqlite3_stmt *from, struct error *error) {
    const char *plugin = (const char *)sqlite3_column_text(from, 0), *json = (const char *)sqlite3_column_text(from, 1);
    const struct ruleset *ruleset = whole->ruleset;
    size_t p = 0;
    while (plugin && p < ruleset->n && strcmp(plugin, ruleset->plugins[p].plugin) != 0) p++;
    if (!plugin || !json || p == ruleset->n || alone->rules[p]) return true;
    struct error why = {0};
    cJSON *result = json_parse(json, (size_t)sqlite3_column_bytes(from, 1), 4 * RESULT_MAX_BYTES, RESULT_MAX_DEPTH + 1,
                               &why);
    if (!result) return is_broken(catalogue, json, &why, error);
    bool fine = impose_all(result, ruleset->plugins[p].schema, words, error) &&
                sums_add(alone, p, part, result, error) && sums_add(whole, p, part, result, error);
    cJSON_Delete(result);
    return fine;
}

/* The results of one part, one after the other: those of all parts of a long recording would fill hundreds of megabytes. */
static bool take_part(struct catalogue *catalogue, struct sums *alone, struct sums *whole, const struct part *part,
                      const struct words *words, struct error *error) {
    sqlite3_stmt *from = sql_bind(
        catalogue, error,
        "SELECT plugin, result FROM region_analysis WHERE region_id = ? AND current AND outcome = 'ok'", "i",
        part->region);
    bool row = from != NULL, fine = row;
    while (fine && row) {
        fine = sql_step(catalogue, from, &row, error);
        if (fine && row) fine = take_result(catalogue, alone, whole, part, words, from, error);
    }
    if (from) (void)sqlite3_reset(from);
    return fine;
}

/* -------------------------------------------------------------------------------------------------------- computing */

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

/* ------------------------------------------------------------------------------------------------------- overriding */

/* One user's word over the values. */
static bool override(struct values *values, int field, const char *value, struct error *error) {
    cJSON_DeleteItemFromObjectCaseSensitive(values->summary, fields[field]);
    cJSON_DeleteItemFromObjectCaseSensitive(values->summary, confidences[field]);
    cJSON_DeleteItemFromObjectCaseSensitive(values->origins, fields[field]);
    if (!add_item(values->origins, fields[field], cJSON_CreateString("user"), error)) return false;
    return strcmp(value, EDIT_NONE) == 0 ||
           (add_item(values->summary, fields[field], value_of(field, value), error) &&
            add_item(values->summary, confidences[field], cJSON_CreateNumber(1), error));
}

static bool override_all(const struct words *words, struct values *values, struct error *error) {
    for (int i = 0; i < FIELDS; i++)
        if (words->of[i] && !override(values, i, words->of[i], error)) return false;
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
        columns->source[i] = user ? "user" : has[i] ? "plugin" : NULL;
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
                   const struct words *words, struct sums *sums, bool *same, struct error *error) {
    struct columns columns = {0};
    struct values values;
    bool fine = compute(sums, part != NULL, &values, error);
    cJSON *embedding = cJSON_DetachItemFromObjectCaseSensitive(values.summary, "embedding");
    const char *plugin = json_string(values.origins, "embedding", "");
    if (fine && !same)
        fine = similar_store(catalogue, part ? 0 : audio, part ? part->region : longest_with(sums, plugin), plugin,
                             embedding, error);
    cJSON_Delete(embedding);
    fine = fine && override_all(words, &values, error) && fill_columns(&values, &columns, error);
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

static bool do_part(struct catalogue *catalogue, int64_t audio, const struct material *material,
                    const struct part *part, struct sums *whole, bool *same, struct error *error) {
    struct sums alone;
    struct words words;
    bool fine = sums_begin(&alone, material->ruleset, error);
    fine = read_words(catalogue, audio, material, part, &words, error) && fine &&
           take_part(catalogue, &alone, whole, part, &words, error) &&
           do_one(catalogue, audio, material, part, &words, &alone, same, error);
    words_free(&words);
    sums_free(&alone);
    return fine;
}

/* All of them, whole audio last; stops at the first that differs. */
static bool do_all(struct catalogue *catalogue, int64_t audio, bool *same, struct error *error) {
    struct material material;
    struct sums whole;
    struct words words = {0};
    if (!read_material(catalogue, audio, &material, error)) return false;
    bool fine = sums_begin(&whole, material.ruleset, error);
    for (size_t i = 0; i < material.n && fine && (!same || *same); i++)
        fine = do_part(catalogue, audio, &material, &material.parts[i], &whole, same, error);
    if (fine && (!same || *same))
        fine = read_words(catalogue, audio, &material, NULL, &words, error) &&
               do_one(catalogue, audio, &material, NULL, &words, &whole, same, error);
    words_free(&words);
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
