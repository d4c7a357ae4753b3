#include "engine/cli/cells.h"

#include "engine/base/text.h"

#include <stdbool.h>
#include <string.h>

/* Ranges from Unicode's EastAsianWidth (W, F) and general categories (Mn, Me, Cf), to the precision that a table needs.
 */
static int width_of(unsigned c) {
    static const unsigned none[][2] = {{0x0300, 0x036f}, {0x0483, 0x0489}, {0x0591, 0x05bd},  {0x0610, 0x061a},
                                       {0x064b, 0x065f}, {0x0900, 0x0902}, {0x1ab0, 0x1aff},  {0x1dc0, 0x1dff},
                                       {0x200b, 0x200f}, {0x2060, 0x2064}, {0x20d0, 0x20f0},  {0xfe00, 0xfe0f},
                                       {0xfe20, 0xfe2f}, {0xfeff, 0xfeff}, {0xe0100, 0xe01ef}};
    static const unsigned two[][2] = {{0x1100, 0x115f},   {0x231a, 0x231b},   {0x2e80, 0x303e},   {0x3041, 0x33ff},
                                      {0x3400, 0x4dbf},   {0x4e00, 0x9fff},   {0xa000, 0xa4cf},   {0xac00, 0xd7a3},
                                      {0xf900, 0xfaff},   {0xfe30, 0xfe6f},   {0xff00, 0xff60},   {0xffe0, 0xffe6},
                                      {0x1f300, 0x1f64f}, {0x1f680, 0x1f6ff}, {0x1f900, 0x1f9ff}, {0x20000, 0x3fffd}};
    for (size_t i = 0; i < sizeof none / sizeof *none; i++)
        if (c >= none[i][0] && c <= none[i][1]) return 0;
    for (size_t i = 0; i < sizeof two / sizeof *two; i++)
        if (c >= two[i][0] && c <= two[i][1]) return 2;
    return 1;
}

/* The character at `text` and its length in bytes; a byte that isn't UTF-8 counts as a character of its own. */
static unsigned decode(const char *text, size_t *n) {
    const unsigned char *s = (const unsigned char *)text;
    *n = text_character(text, strlen(text) < 4 ? strlen(text) : 4);
    if (*n <= 1) {
        *n = 1;
        return s[0];
    }
    unsigned c = s[0] & (0xffu >> (*n + 1));
    for (size_t i = 1; i < *n; i++) c = c << 6 | (s[i] & 0x3fu);
    return c;
}

int cells_width(const char *text) {
    int width = 0;
    for (size_t n = 0; *text; text += n) width += width_of(decode(text, &n));
    return width;
}

static void put_bytes(FILE *out, const char *text, size_t length) {
    const char *end = text + length;
    for (size_t n = 0; text < end; text += n) {
        unsigned c = decode(text, &n);
        if (text_is_control(text, n) || (n == 1 && c >= 0x80 && c < 0xa0)) /* a byte of C1, too */
            fputs("\xef\xbf\xbd", out);
        else
            fwrite(text, 1, n, out);
    }
}

void cells_put(FILE *out, const char *text) {
    if (text) put_bytes(out, text, strlen(text));
}

static void pad(FILE *out, int n) {
    for (int i = 0; i < n; i++) fputc(' ', out);
}

void cells_print(FILE *out, const char *text, int width, int keep_end) {
    int whole = cells_width(text), used = 0;
    size_t n = 0;
    if (whole <= width) {
        cells_put(out, text);
        pad(out, width - whole);
    } else if (keep_end) {
        for (; whole > width - 1; text += n) whole -= width_of(decode(text, &n));
        fputs("\xe2\x80\xa6", out);
        cells_put(out, text);
        pad(out, width - 1 - whole);
    } else {
        const char *end = text;
        for (; used + width_of(decode(end, &n)) <= width - 1; end += n) used += width_of(decode(end, &n));
        put_bytes(out, text, (size_t)(end - text));
        fputs("\xe2\x80\xa6", out);
        pad(out, width - 1 - used);
    }
}

/* How a shell has to be told of text: the worst that is in it. */
enum quotes { PLAIN, QUOTED, ESCAPED };

static bool is_shown(const char *text, size_t n) {
    return n > 0 && !text_is_control(text, n);
}

static enum quotes quotes_for(const char *text, size_t length) {
    static const char plain[] = "abcdefghijklmnopqrstuvwxyzABCDEFGHIJKLMNOPQRSTUVWXYZ0123456789%+,-./:=@_";
    enum quotes quotes = length == 0 ? QUOTED : PLAIN;
    for (size_t i = 0, n; i < length; i += n) {
        n = text_character(text + i, length - i);
        if (!is_shown(text + i, n)) return ESCAPED;
        if (n == 1 && !memchr(plain, text[i], sizeof plain - 1)) quotes = QUOTED;
    }
    return quotes;
}

static void put_escaped(FILE *out, const char *text, size_t length) {
    for (size_t i = 0, n; i < length; i += n) {
        n = text_character(text + i, length - i);
        if (is_shown(text + i, n)) {
            if (text[i] == '\'' || text[i] == '\\') fputc('\\', out);
            fwrite(text + i, 1, n, out);
            continue;
        }
        if (n == 0) n = 1;
        for (size_t k = 0; k < n; k++) fprintf(out, "\\%03o", (unsigned char)text[i + k]);
    }
}

void cells_shell(FILE *out, const char *text, size_t n) {
    enum quotes quotes = quotes_for(text, n);
    if (quotes == PLAIN) {
        fwrite(text, 1, n, out);
        return;
    }
    fputs(quotes == ESCAPED ? "$'" : "'", out);
    if (quotes == ESCAPED) put_escaped(out, text, n);
    for (size_t i = 0; quotes == QUOTED && i < n; i++)
        if (text[i] == '\'')
            fputs("'\\''", out);
        else
            fputc(text[i], out);
    fputc('\'', out);
}

void cells_json(FILE *out, const char *text) {
    fputc('"', out);
    for (; *text; text++) {
        unsigned char c = (unsigned char)*text;
        if (c == '"' || c == '\\')
            fprintf(out, "\\%c", c);
        else if (c < 0x20)
            fprintf(out, "\\u%04x", c);
        else
            fputc(c, out);
    }
    fputc('"', out);
}

void cells_csv(FILE *out, const char *text) {
    if (!text) return;
    if (!strpbrk(text, ",\"\r\n")) {
        fputs(text, out);
        return;
    }
    fputc('"', out);
    for (; *text; text++) {
        if (*text == '"') fputc('"', out);
        fputc(*text, out);
    }
    fputc('"', out);
}
