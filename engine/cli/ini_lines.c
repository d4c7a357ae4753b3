#include "engine/cli/ini_lines.h"

#include <ctype.h>
#include <errno.h>
#include <stdlib.h>
#include <string.h>

struct lines {
    FILE *stream;
    ini_handler take;
    void *user;
    char *text; /* the line, of any length */
    size_t room;
    int number, refused; /* of lines, from 1; 0: none was refused */
    char section[200];
    const char *value; /* what inih can't hold of the line; NULL: it has all */
    int code;          /* an errno value: the stream can't be read */
};

static char *strip(char *text) {
    while (isspace((unsigned char)*text)) text++;
    size_t n = strlen(text);
    while (n > 0 && isspace((unsigned char)text[n - 1])) n--;
    text[n] = '\0';
    return text;
}

/* Without its comment, which begins with a semicolon behind a space: as inih reads the values of short lines. */
static const char *strip_value(char *value) {
    for (char *at = value; *at; at++) {
        if (!isspace((unsigned char)at[0]) || at[1] != ';') continue;
        *at = '\0';
        break;
    }
    return strip(value);
}

/* Of a line that is too long for inih, as much as it needs: up to the value. What has no value there is wrong, and is so without its
 * end, too. */
static size_t cut(struct lines *lines, char *text, size_t most) {
    size_t n = strcspn(text, "=:");
    if (strchr(";#[", text[0]) || text[n] == '\0' || n >= most) return most;
    lines->value = strip_value(text + n + 1);
    return n + 1;
}

/* inih's reader: one whole line a call. */
static char *next_line(char *line, int size, void *stream) {
    struct lines *lines = stream;
    errno = 0;
    ssize_t got = getline(&lines->text, &lines->room, lines->stream);
    if (got < 0) {
        lines->code = feof(lines->stream) ? 0 : errno ? errno : EIO;
        return NULL;
    }
    lines->number++;
    if (strlen(lines->text) != (size_t)got) {
        lines->refused = lines->number;
        return NULL;
    }
    bool marked = lines->number == 1 && strncmp(lines->text, "\xef\xbb\xbf", 3) == 0;
    char *text = strip(lines->text + (marked ? 3 : 0));
    size_t n = strlen(text), most = (size_t)size - 2;
    if (text[0] == '[')
        (void)snprintf(lines->section, sizeof lines->section, "%.*s", (int)strcspn(text + 1, "]"), text + 1);
    lines->value = NULL;
    if (n > most) n = cut(lines, text, most);
    memcpy(line, text, n);
    line[n] = '\0';
    return line;
}

static int take_line(void *user, const char *section, const char *name, const char *value) {
    const struct lines *lines = user;
    (void)section; /* ours is whole */
    return lines->take(lines->user, lines->section, name, lines->value ? lines->value : value);
}

int ini_lines_read(FILE *stream, ini_handler take, void *user, struct error *error) {
    struct lines lines = {.stream = stream, .take = take, .user = user};
    int line = ini_parse_stream(next_line, &lines, take_line, &lines);
    free(lines.text);
    if (line > 0) return line;
    if (lines.refused) {
        error_set(error, "holds a zero byte: this is no text file");
        return lines.refused;
    }
    errno = line < 0 ? ENOMEM : lines.code;
    return errno ? -1 : 0;
}
