#include "engine/cli/draw.h"

#include <math.h>
#include <stdlib.h>
#include <string.h>

struct level {
    double peak, rms; /* 0..1 */
};

/* The loudest of a column's points, over all channels. */
static struct level column_level(const int16_t *peaks, int points, int channels, int columns, int column) {
    int first = (int)((int64_t)column * points / columns), end = (int)((int64_t)(column + 1) * points / columns);
    struct level level = {0, 0};
    if (end <= first) end = first + 1;
    for (int i = first * channels; i < end * channels && i < points * channels; i++) {
        double peak = fmax(abs(peaks[3 * i]), abs(peaks[3 * i + 1])) / 32768.0, rms = peaks[3 * i + 2] / 32768.0;
        level.peak = fmax(level.peak, peak);
        level.rms = fmax(level.rms, rms);
    }
    return level;
}

static void print_cell(FILE *out, struct level level, double scale, int row, int rows, bool colour) {
    static const char *const blocks[] = {" ",      "\u2581", "\u2582", "\u2583", "\u2584",
                                         "\u2585", "\u2586", "\u2587", "\u2588"};
    double filled = level.peak * scale * rows - (rows - 1 - row);
    int eighths = (int)lround(8 * fmin(fmax(filled, 0), 1));
    bool loud = level.rms * scale * rows > rows - 1 - row;
    if (row == rows - 1 && eighths == 0) eighths = 1;
    if (colour && eighths > 0) fputs(loud ? "\033[36m" : "\033[2;36m", out);
    fputs(blocks[eighths], out);
    if (colour && eighths > 0) fputs("\033[0m", out);
}

void draw_waveform(FILE *out, const int16_t *peaks, int points, int channels, int columns, int rows, bool colour) {
    struct level levels[DRAW_MAX_COLUMNS];
    double largest = 0;
    if (columns > DRAW_MAX_COLUMNS) columns = DRAW_MAX_COLUMNS;
    if (points < 1 || columns < 1) return;
    for (int i = 0; i < columns; i++) {
        levels[i] = column_level(peaks, points, channels, columns, i);
        largest = fmax(largest, levels[i].peak);
    }
    if (largest <= 0) return;
    for (int row = 0; row < rows; row++) {
        fputs("  ", out);
        for (int i = 0; i < columns; i++) print_cell(out, levels[i], 1 / largest, row, rows, colour);
        fputc('\n', out);
    }
}

void draw_line_init(struct draw_line *line, int columns, double duration) {
    *line = (struct draw_line){.columns = columns > DRAW_MAX_COLUMNS ? DRAW_MAX_COLUMNS : columns,
                               .duration = duration};
}

void draw_line_fill(struct draw_line *line, double start, double end, const char *character) {
    if (!(line->duration > 0) || !(start >= 0) || !(end <= line->duration * 1.01) || line->columns < 1) return;
    int first = (int)(start / line->duration * line->columns), last = (int)ceil(end / line->duration * line->columns);
    if (first >= line->columns) first = line->columns - 1;
    if (last <= first) last = first + 1;
    for (int i = first; i < last && i < line->columns; i++) line->cells[i] = character;
}

void draw_line_print(FILE *out, const struct draw_line *line) {
    int end = line->columns;
    while (end > 0 && !line->cells[end - 1]) end--;
    fputs("  ", out);
    for (int i = 0; i < end; i++) fputs(line->cells[i] ? line->cells[i] : " ", out);
    fputc('\n', out);
}
