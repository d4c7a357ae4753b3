#include "engine/catalogue/edit.h"

#include "engine/base/text.h"
#include "engine/catalogue/keys.h"
#include "engine/catalogue/search.h"
#include "engine/catalogue/sql.h"
#include "engine/catalogue/summary.h"

#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <strings.h>

/* The stretch of the place's region in frames; -1 for the whole audio. */
struct stretch {
    int64_t start, end;
};

static bool find_stretch(struct catalogue *catalogue, const struct edit_place *place, struct stretch *stretch,
                         struct error *error) {
    *stretch = (struct stretch){-1, -1};
    return place->region == 0 ||
           (sql_number(catalogue, error, &stretch->start, "SELECT start_frame FROM regions WHERE region_id = ?", "i",
                       place->region) &&
            sql_number(catalogue, error, &stretch->end, "SELECT end_frame FROM regions WHERE region_id = ?", "i",
                       place->region));
}

static bool refresh(struct catalogue *catalogue, int64_t audio, struct error *error) {
    return summary_update(catalogue, audio, error) && search_update_audio(catalogue, audio, error);
}

/* Checks a word and brings it into the form that is stored; NULL is one of any field. */
static bool read_value(const char *field, const char *value, char out[120], struct error *error) {
    if (strcmp(field, "bpm") != 0 && strcmp(field, "key") != 0 && strcmp(field, "label") != 0)
        return error_set(error, "%s: only bpm, key and label can be set", field);
    if (!value) return true;
    if (strcasecmp(value, EDIT_NONE) == 0) {
        strcpy(out, EDIT_NONE);
        return true;
    }
    if (!text_is_utf8(value, strlen(value))) return error_set(error, "%s: the value isn't UTF-8", field);
    if (strcmp(field, "bpm") == 0) {
        char *end = NULL;
        double bpm = strtod(value, &end);
        if (end == value || *end != '\0' || !(bpm >= 10 && bpm <= 999))
            return error_set(error, "bpm=%s: should be a number from 10 to 999, or none", value);
        snprintf(out, 120, "%.9g", bpm);
        return true;
    }
    if (strcmp(field, "key") == 0) {
        int key = keys_parse(value);
        if (key < 0)
            return error_set(error, "key=%s: no key that I know; say Am, \"A minor\", F#, Bb, 8A or none", value);
        snprintf(out, 120, "%s", keys_name(key));
        return true;
    }
    if (value[0] == '\0' || strlen(value) > 100) return error_set(error, "label: should be 1 to 100 bytes long");
    snprintf(out, 120, "%s", value);
    return true;
}

bool edit_set(struct catalogue *catalogue, const struct edit_place *place, const char *field, const char *value,
              struct error *error) {
    char stored[120] = "";
    struct stretch stretch;
    if (!read_value(field, value, stored, error)) return false;
    if (!find_stretch(catalogue, place, &stretch, error)) return false;
    bool fine = sql_run(catalogue, error,
                        "DELETE FROM edits WHERE audio_id = ? AND field = ? AND ifnull(start_frame, -1) = ? AND"
                        " ifnull(end_frame, -1) = ?",
                        "itii", place->audio, field, stretch.start, stretch.end);
    if (fine && value)
        fine = sql_run(catalogue, error,
                       "INSERT INTO edits (audio_id, region_id, start_frame, end_frame, field, value, created)"
                       " VALUES (?, ?, nullif(?, -1), nullif(?, -1), ?, ?, ?)",
                       "ioiittd", place->audio, place->region, stretch.start, stretch.end, field, stored, sql_now());
    return fine && refresh(catalogue, place->audio, error);
}

bool edit_check_tag(const char *name, struct error *error) {
    size_t n = strlen(name);
    if (n == 0 || n > 100) return error_set(error, "a tag should be 1 to 100 bytes long");
    if (!text_is_utf8(name, n)) return error_set(error, "a tag should be UTF-8");
    for (const char *c = name; *c; c++)
        if ((unsigned char)*c < 0x20 || *c == ',')
            return error_set(error, "%s: a tag has no commas and no line breaks", name);
    return true;
}

/* The field's name before the "="; what stands behind that is the value, NULL when it is empty. */
static bool split_word(const char *word, char field[16], const char **value, struct error *error) {
    const char *equals = strchr(word, '=');
    size_t n = equals ? (size_t)(equals - word) : 0;
    if (n == 0 || n >= 16) return error_set(error, "%s: should be FIELD=VALUE, with bpm, key or label", word);
    memcpy(field, word, n);
    field[n] = '\0';
    *value = equals[1] ? equals + 1 : NULL;
    return true;
}

bool edit_check_word(const char *word, struct error *error) {
    char field[16], stored[120];
    const char *value = NULL;
    return split_word(word, field, &value, error) && read_value(field, value, stored, error);
}

bool edit_set_word(struct catalogue *catalogue, const struct edit_place *place, const char *word, struct error *error) {
    char field[16];
    const char *value = NULL;
    return split_word(word, field, &value, error) && edit_set(catalogue, place, field, value, error);
}

bool edit_tag(struct catalogue *catalogue, const struct edit_place *place, const char *name, struct error *error) {
    struct stretch stretch;
    return edit_check_tag(name, error) && find_stretch(catalogue, place, &stretch, error) &&
           /* the user's word takes the place of an automatic one */
           sql_run(catalogue, error, "DELETE FROM tags WHERE audio_id = ? AND name = ? AND automatic AND ? < 0", "iti",
                   place->audio, name, stretch.start) &&
           sql_run(catalogue, error,
                   "INSERT INTO tags (audio_id, region_id, start_frame, end_frame, name, source, automatic, created)"
                   " VALUES (?, ?, nullif(?, -1), nullif(?, -1), ?, 'user', 0, ?) ON CONFLICT DO NOTHING",
                   "ioiitd", place->audio, place->region, stretch.start, stretch.end, name, sql_now()) &&
           search_update_audio(catalogue, place->audio, error);
}

bool edit_untag(struct catalogue *catalogue, const struct edit_place *place, const char *name, bool *removed,
                struct error *error) {
    struct stretch stretch;
    int64_t found = 0;
    *removed = false;
    if (!find_stretch(catalogue, place, &stretch, error) ||
        !sql_number(catalogue, error, &found,
                    "DELETE FROM tags WHERE audio_id = ? AND name = ? AND NOT automatic AND ifnull(start_frame, -1) = ?"
                    " AND ifnull(end_frame, -1) = ? RETURNING tag_id",
                    "itii", place->audio, name, stretch.start, stretch.end))
        return false;
    *removed = found != 0;
    return !*removed || refresh(catalogue, place->audio, error); /* an automatic one may come back */
}
