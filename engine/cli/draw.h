/* Pictures made of characters: the waveform of a file and its timeline. One thread. */
#ifndef SONDE_CLI_DRAW_H
#define SONDE_CLI_DRAW_H

#include <stdbool.h>
#include <stdint.h>
#include <stdio.h>

#define DRAW_MAX_COLUMNS 400

/* Draws `points` points of a waveform (as in the catalogue: for each point and channel min, max, RMS, full scale 32767)
 * in `rows` lines of `columns`, scaled to its largest peak: peaks dim, RMS bright. Nothing for silence. */
void draw_waveform(FILE *out, const int16_t *peaks, int points, int channels, int columns, int rows, bool colour);

/* A line of `columns` for a file of `duration` seconds, to be filled with stretches and printed. */
struct draw_line {
    int columns;
    double duration;
    const char *cells[DRAW_MAX_COLUMNS]; /* each one character, UTF-8; NULL: a space */
};

void draw_line_init(struct draw_line *line, int columns, double duration);

/* Fills the stretch with a character (at least one column). */
void draw_line_fill(struct draw_line *line, double start, double end, const char *character);
void draw_line_print(FILE *out, const struct draw_line *line);

#endif
