/* Text in the columns of a terminal. Any thread. */
#ifndef SONDE_CLI_CELLS_H
#define SONDE_CLI_CELLS_H

#include <stddef.h>
#include <stdio.h>

/* Columns that UTF-8 text takes: 0 for combining marks, 2 for wide characters. */
int cells_width(const char *text);

/* Prints text with every control character replaced (U+FFFD): a title in a file, or a plugin's sentence, must not be
 * able to command the terminal. NULL prints nothing. */
void cells_put(FILE *out, const char *text);

/* Prints text in exactly `width` columns: padded with spaces, or cut with an ellipsis at its end (at its beginning with
 * `keep_end`: the end of a path says most). Control characters as cells_put. */
void cells_print(FILE *out, const char *text, int width, int keep_end);

/* Prints `n` bytes as a word that a shell (bash, zsh, ksh) takes for just them: as they are where nothing in them means
 * anything to it, else in quotes. Control characters and bytes that aren't UTF-8 come as $'\033', so that they don't
 * command the terminal. */
void cells_shell(FILE *out, const char *text, size_t n);

/* Prints a string as a JSON string, quotes included. */
void cells_json(FILE *out, const char *text);

/* Prints a field of a CSV line (RFC 4180). NULL is empty. */
void cells_csv(FILE *out, const char *text);

#endif
