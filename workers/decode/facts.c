#include "workers/decode/facts.h"

#include "engine/base/text.h"

#include <stdlib.h>
#include <string.h>
#include <strings.h>

/* Appends the UTF-8 form of the character at `s` to `to`; returns the bytes consumed. */
static size_t append_character(char *to, size_t size, size_t *used, const char *s, size_t n, int latin1) {
    char utf8[4];
    size_t length = text_character(s, n), taken = length;
    unsigned char byte = (unsigned char)s[0];
    if (latin1 && byte >= 0x80) {
        utf8[0] = (char)(0xc0 | (byte >> 6));
        utf8[1] = (char)(0x80 | (byte & 0x3f));
        length = 2;
        taken = 1;
    } else {
        memcpy(utf8, s, length);
    }
    int control = byte < 0x20 || byte == 0x7f || (length == 2 && utf8[0] == '\xc2' && (unsigned char)utf8[1] < 0xa0);
    if (control || byte == ' ') {
        if (*used == 0 || to[*used - 1] == ' ') return taken;
        utf8[0] = ' ';
        length = 1;
    }
    if (*used + length >= size) return n; /* full: the rest is cut */
    memcpy(to + *used, utf8, length);
    *used += length;
    return taken;
}

void facts_set_text(char *to, size_t size, const char *from, size_t n) {
    if (to[0] != '\0' || !from) return;
    n = strnlen(from, n);
    if (n > 4 * size) { /* far more than is kept; cut where a character begins, or the rest would look like Latin-1 */
        n = 4 * size;
        while (n > 0 && ((unsigned char)from[n] & 0xc0) == 0x80) n--;
    }
    int latin1 = !text_is_utf8(from, n);
    size_t used = 0;
    for (size_t i = 0; i < n;) i += append_character(to, size, &used, from + i, n - i, latin1);
    while (used > 0 && to[used - 1] == ' ') used--;
    to[used] = '\0';
}

/* Digits with at most one decimal mark: strtod would ask the locale, and take "inf" and "0x1p3". */
static double parse_number(const char *s, size_t n) {
    double value = 0, scale = 0;
    size_t i = 0;
    while (i < n && (s[i] == ' ' || s[i] == '\t')) i++;
    for (; i < n && value < 1e6; i++) {
        if (s[i] >= '0' && s[i] <= '9') {
            value = value * 10 + (s[i] - '0');
            scale *= 10;
        } else if ((s[i] == '.' || s[i] == ',') && scale == 0) {
            scale = 1;
        } else {
            break;
        }
        if (scale > 1e6) break;
    }
    return scale > 1 ? value / scale : value;
}

void facts_set_bpm(struct facts *facts, const char *text, size_t n) {
    double bpm = parse_number(text, strnlen(text, n));
    if (facts->bpm == 0 && bpm >= 1 && bpm <= 999) facts->bpm = bpm;
}

void facts_set_tag(struct facts *facts, const char *name, const char *value, size_t n) {
    enum target { TITLE, ARTIST, ALBUM, COMMENT, KEY, BPM };
    static const struct {
        const char *name;
        enum target target;
    } names[] = {
        {"title", TITLE}, {"TIT2", TITLE},      {"TT2", TITLE},           {"artist", ARTIST},
        {"TPE1", ARTIST}, {"TP1", ARTIST},      {"album", ALBUM},         {"TALB", ALBUM},
        {"TAL", ALBUM},   {"comment", COMMENT}, {"description", COMMENT}, {"COMM", COMMENT},
        {"COM", COMMENT}, {"key", KEY},         {"initialkey", KEY},      {"initial_key", KEY},
        {"TKEY", KEY},    {"TKE", KEY},         {"key signature", KEY},   {"bpm", BPM},
        {"TBPM", BPM},    {"TBP", BPM},         {"tempo", BPM},           {"tmpo", BPM},
        {"fBPM", BPM},
    };
    for (size_t i = 0; i < sizeof names / sizeof *names; i++) {
        if (strcasecmp(names[i].name, name) != 0) continue;
        switch (names[i].target) {
        case TITLE: facts_set_text(facts->title, sizeof facts->title, value, n); break;
        case ARTIST: facts_set_text(facts->artist, sizeof facts->artist, value, n); break;
        case ALBUM: facts_set_text(facts->album, sizeof facts->album, value, n); break;
        case COMMENT: facts_set_text(facts->comment, sizeof facts->comment, value, n); break;
        case KEY: facts_set_text(facts->key, sizeof facts->key, value, n); break;
        case BPM: facts_set_bpm(facts, value, n); break;
        }
        return;
    }
}

void facts_add_loop(struct facts *facts, int64_t start, int64_t end) {
    if (start < 0 || end <= start || facts->loops_count >= FACTS_LOOPS) return;
    facts->loops[facts->loops_count++] = (struct facts_loop){start, end};
}

static bool add_text(cJSON *object, const char *key, const char *text) {
    return text[0] == '\0' || cJSON_AddStringToObject(object, key, text);
}

static bool add_number(cJSON *object, const char *key, double value) {
    return value == 0 || cJSON_AddNumberToObject(object, key, value);
}

static bool add_loops(cJSON *object, const struct facts *facts) {
    if (facts->loops_count == 0) return true;
    cJSON *loops = cJSON_AddArrayToObject(object, "loops");
    for (int i = 0; loops && i < facts->loops_count; i++) {
        cJSON *loop = cJSON_CreateObject();
        if (!loop || !cJSON_AddItemToArray(loops, loop)) return false;
        if (!cJSON_AddNumberToObject(loop, "start", (double)facts->loops[i].start)) return false;
        if (!cJSON_AddNumberToObject(loop, "end", (double)facts->loops[i].end)) return false;
    }
    return loops != NULL;
}

cJSON *facts_to_json(const struct facts *facts) {
    cJSON *o = cJSON_CreateObject();
    bool ok = o && add_text(o, "container", facts->container) && add_text(o, "codec", facts->codec) &&
              add_number(o, "rate", facts->rate) && add_number(o, "channels", facts->channels) &&
              add_text(o, "layout", facts->layout) && add_number(o, "bit_depth", facts->bit_depth) &&
              add_text(o, "sample_format", facts->sample_format) &&
              cJSON_AddNumberToObject(o, "frames", (double)facts->frames) &&
              cJSON_AddNumberToObject(o, "duration", facts->rate > 0 ? (double)facts->frames / facts->rate : 0) &&
              add_text(o, "decoder", facts->decoder) && add_text(o, "decoder_version", facts->decoder_version) &&
              add_text(o, "title", facts->title) && add_text(o, "artist", facts->artist) &&
              add_text(o, "album", facts->album) && add_text(o, "comment", facts->comment) &&
              add_number(o, "bpm", facts->bpm) && add_text(o, "key", facts->key) && add_loops(o, facts);
    if (ok) return o;
    cJSON_Delete(o);
    return NULL;
}
