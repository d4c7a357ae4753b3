/* sonde show: everything that the catalogue knows about a file. */
#include "engine/base/json.h"
#include "engine/catalogue/keys.h"
#include "engine/catalogue/lookup.h"
#include "engine/catalogue/sql.h"
#include "engine/cli/cells.h"
#include "engine/cli/commands.h"
#include "engine/cli/draw.h"
#include "engine/cli/file_json.h"
#include "engine/cli/show_results.h"

#include <stdio.h>
#include <string.h>

const char show_help[] =
    "usage: sonde show FILE[#REGION]... [--all] [--draw | --no-draw] [--json]\n\n"
    "Shows what the catalogue knows about a file: facts, summary, waveform and timeline, regions, and for each"
    " region the\n"
    "outcome of every plugin, with the reason where there is no result.\n\n"
    "  FILE          a path, or a file's name where only one in the catalogue has it\n"
    "  #REGION       only this region, counted from 0: drums.wav#2\n"
    "  --all         the results of all regions (otherwise of the first three)\n"
    "  --draw        waveform and timeline although the output is no terminal; --no-draw: without them\n"
    "  --json        one JSON object a file, with all results as they are stored\n\n"
    "Exit code 1 when a file isn't in the catalogue.\n";

struct view {
    struct catalogue *catalogue;
    const struct cli *cli;
    struct lookup file;
    bool all, draw, json;
};

/* "name value", when there is one. */
static void print_item(const char *name, const char *value, const char *behind) {
    if (!value || !value[0]) return;
    fputs(name, stdout);
    cells_put(stdout, value);
    fputs(behind, stdout);
}

/* ------------------------------------------------------------------------------------------------------------ facts */

static void print_size(int64_t bytes, char *out, size_t size) {
    static const char *const units[] = {"bytes", "kB", "MB", "GB", "TB"};
    double value = (double)bytes;
    int unit = 0;
    for (; value >= 1000 && unit < 4; unit++) value /= 1000;
    snprintf(out, size, unit ? "%.1f %s" : "%.0f %s", value, units[unit]);
}

static void print_format(sqlite3_stmt *from) {
    char duration[32], size[32];
    print_size(sqlite3_column_int64(from, 3), size, sizeof size);
    printf("  ");
    if (sqlite3_column_type(from, 6) != SQLITE_NULL) {
        const char *container = sql_text(from, 4), *codec = sql_text(from, 5);
        bool same = container && codec && strcmp(container, codec) == 0; /* "flac flac" says no more than "flac" */
        print_item("", container, same || !codec || !codec[0] ? ", " : " ");
        if (!same) print_item("", codec, ", ");
        printf("%lld Hz, %lld channel%s, ", sqlite3_column_int64(from, 6), sqlite3_column_int64(from, 7),
               sqlite3_column_int64(from, 7) == 1 ? "" : "s");
        print_item("", sql_text(from, 8), " bit, ");
        printf("%s, ", cli_duration(sqlite3_column_double(from, 9), duration, sizeof duration));
    }
    printf("%s\n", size);
}

static void print_metadata(sqlite3_stmt *from) {
    static const char *const names[] = {"title", "artist", "album", "bpm", "key"};
    bool any = false;
    for (int i = 0; i < 5; i++) {
        const char *value = sql_text(from, 10 + i);
        if (!value || !value[0]) continue;
        printf("%s%s \"", any ? ", " : "  embedded: ", names[i]);
        cells_put(stdout, value);
        putchar('"');
        any = true;
    }
    if (any) putchar('\n');
}

static bool print_facts(const struct view *view, struct error *error) {
    sqlite3_stmt *from = sql_bind(
        view->catalogue, error,
        "SELECT f.path_text, f.status, f.status_reason, f.size, c.container, c.codec, a.rate,"
        " a.channels, c.bit_depth, a.duration, c.title, c.artist, c.album, c.embedded_bpm,"
        " c.embedded_key, a.decoder || ' ' || a.decoder_version,"
        " datetime(f.finished, 'unixepoch', 'localtime'),"
        " (SELECT group_concat(name, ', ') FROM tags WHERE audio_id = a.audio_id AND NOT automatic),"
        " (SELECT group_concat(name, ', ') FROM tags WHERE audio_id = a.audio_id AND automatic AND source <> 'user'),"
        " (SELECT group_concat(value, '; ') FROM json_each(a.warnings)), a.nonfinite"
        " FROM files AS f LEFT JOIN contents AS c USING (content_id)"
        " LEFT JOIN audio AS a USING (audio_id) WHERE f.file_id = ?",
        "i", view->file.file);
    bool row = false;
    if (!from || !sql_step(view->catalogue, from, &row, error)) return false;
    if (!row) return error_set(error, "the file has just left the catalogue");
    const char *bold = view->cli->colour ? "\033[1m" : "", *plain = view->cli->colour ? "\033[0m" : "";
    print_item(bold, sql_text(from, 0), plain);
    putchar('\n');
    print_item("  ", sql_text(from, 1), sql_text(from, 2) ? ": " : "");
    print_item("", sql_text(from, 2), "");
    print_item(", analysed ", sql_text(from, 16), "");
    print_item(", decoded by ", sql_text(from, 15), "");
    putchar('\n');
    print_format(from);
    print_metadata(from);
    print_item("  tags: ", sql_text(from, 17), "\n");
    print_item("  heard: ", sql_text(from, 18), "\n");
    print_item("  warnings: ", sql_text(from, 19), "\n");
    if (sqlite3_column_int64(from, 20) > 0)
        printf("  %lld samples were NaN, infinite or beyond 1e10, and taken as 0\n", sqlite3_column_int64(from, 20));
    (void)sqlite3_reset(from);
    return true;
}

/* Users' words on stretches: where they are anchored, or that they aren't any more. */
static bool print_words(const struct view *view, struct error *error) {
    sqlite3_stmt *from = sql_bind(
        view->catalogue, error,
        "SELECT w.word, w.start_frame * 1.0 / a.rate, w.end_frame * 1.0 / a.rate, r.position FROM (SELECT audio_id,"
        " region_id, start_frame, end_frame, 'tag ' || name AS word FROM tags WHERE NOT automatic UNION ALL SELECT audio_id,"
        " region_id, start_frame, end_frame, field || ' ' || value FROM edits) AS w JOIN audio AS a USING (audio_id)"
        " LEFT JOIN regions AS r ON r.region_id = w.region_id WHERE w.audio_id = ?1 AND w.start_frame IS NOT NULL"
        " AND (?2 IS NULL OR w.region_id = ?2) ORDER BY w.start_frame, w.word",
        "io", view->file.audio, view->file.region);
    bool row = from != NULL;
    while (row) {
        char start[32], end[32];
        if (!sql_step(view->catalogue, from, &row, error)) return false;
        if (!row) break;
        print_item("  yours: ", sql_text(from, 0), "");
        printf(", %s to %s, ", cli_duration(sqlite3_column_double(from, 1), start, sizeof start),
               cli_duration(sqlite3_column_double(from, 2), end, sizeof end));
        if (sqlite3_column_type(from, 3) == SQLITE_NULL)
            puts("unanchored: there is no region any more");
        else
            printf("on region %lld\n", sqlite3_column_int64(from, 3));
    }
    return from != NULL;
}

/* ---------------------------------------------------------------------------------------------------------- summary */

/* "  bpm  120.0 (0.93, plugin)" */
static void print_value(const char *name, const char *value, const char *more, sqlite3_stmt *from, int confidence) {
    const char *source = sql_text(from, confidence + 1);
    bool yours = source && strcmp(source, "user") == 0;
    if (!value && !yours) return;
    printf("  %-9s ", name);
    cells_put(stdout, value ? value : "none");
    if (value && more[0]) printf(" %s", more);
    if (yours)
        printf(" (yours)");
    else if (sqlite3_column_type(from, confidence) != SQLITE_NULL)
        printf(" (confidence %.2f)", sqlite3_column_double(from, confidence));
    putchar('\n');
}

static void print_values(sqlite3_stmt *from) {
    char number[40];
    const char *key = sql_text(from, 3), *camelot = key ? keys_camelot(keys_parse(key)) : NULL;
    snprintf(number, sizeof number, "%.1f", sqlite3_column_double(from, 0));
    print_value("tempo", sqlite3_column_type(from, 0) == SQLITE_NULL ? NULL : number, "bpm", from, 1);
    print_value("key", key, camelot ? camelot : "", from, 4);
    print_value("label", sql_text(from, 6), "", from, 7);
    print_item("  content   ", sql_text(from, 9), "\n");
    if (sqlite3_column_type(from, 10) != SQLITE_NULL)
        printf("  %-9s %.1f LUFS\n", "loudness", sqlite3_column_double(from, 10));
}

static bool print_summary(const struct view *view, struct error *error) {
    sqlite3_stmt *from = sql_bind(
        view->catalogue, error,
        "SELECT bpm, bpm_confidence, bpm_source, key, key_confidence, key_source, label,"
        " label_confidence, label_source, content, loudness FROM audio_summary WHERE audio_id = ?",
        "i", view->file.audio);
    bool row = false;
    if (!from || !sql_step(view->catalogue, from, &row, error)) return false;
    if (!row) return true;
    putchar('\n');
    print_values(from);
    (void)sqlite3_reset(from);
    return true;
}

/* --------------------------------------------------------------------------------------------------------- pictures */

/* A letter for each label that occurs, and the line of what each means. */
struct legend {
    char letters[16][2];
    char labels[16][64];
    int n;
};

static const char *letter_for(struct legend *legend, const char *label) {
    for (int i = 0; i < legend->n; i++)
        if (strcmp(legend->labels[i], label) == 0) return legend->letters[i];
    if (legend->n == 16) return "?";
    char letter = '+';
    for (const char *c = label; *c && letter == '+'; c++) {
        letter = *c >= 'a' && *c <= 'z' ? *c : '+';
        for (int i = 0; i < legend->n && letter != '+'; i++)
            if (legend->letters[i][0] == letter) letter = '+';
    }
    snprintf(legend->labels[legend->n], sizeof legend->labels[0], "%s", label);
    legend->letters[legend->n][0] = letter;
    legend->letters[legend->n][1] = '\0';
    return legend->letters[legend->n++];
}

/* The content timeline of the summary (values named timeline: objects with start, end and label). */
static void draw_timeline(const cJSON *summary, int columns, double duration) {
    const cJSON *segment = NULL, *timeline = json_member(summary, "timeline");
    struct legend legend = {.n = 0};
    struct draw_line line;
    draw_line_init(&line, columns, duration);
    cJSON_ArrayForEach(segment, timeline) {
        const char *label = json_string(segment, "label", NULL);
        if (!label) continue;
        const char *letter = letter_for(&legend, label);
        draw_line_fill(&line, json_number(segment, "start", -1), json_number(segment, "end", -1), letter);
    }
    if (legend.n == 0) return;
    draw_line_print(stdout, &line);
    printf("  ");
    for (int i = 0; i < legend.n; i++) {
        printf("%s%s ", i ? ", " : "", legend.letters[i]);
        cells_put(stdout, legend.labels[i]);
    }
    putchar('\n');
}

static bool draw_regions(const struct view *view, int columns, double duration, struct error *error) {
    struct draw_line line;
    draw_line_init(&line, columns, duration);
    sqlite3_stmt *from = sql_bind(view->catalogue, error,
                                  "SELECT start, end FROM regions WHERE audio_id = ? AND current ORDER BY position",
                                  "i", view->file.audio);
    bool row = from != NULL;
    for (int i = 0; row; i++) {
        if (!sql_step(view->catalogue, from, &row, error)) return false;
        if (row)
            draw_line_fill(&line, sqlite3_column_double(from, 0), sqlite3_column_double(from, 1),
                           i % 2 ? "\u2509" : "\u2501");
    }
    if (from) draw_line_print(stdout, &line);
    return from != NULL;
}

static bool draw_pictures(const struct view *view, struct error *error) {
    int columns = view->cli->width - 4;
    if (columns > DRAW_MAX_COLUMNS) columns = DRAW_MAX_COLUMNS;
    sqlite3_stmt *from = sql_bind(view->catalogue, error,
                                  "SELECT w.peaks, w.points, w.channels, a.duration, s.summary FROM waveforms AS w"
                                  " JOIN audio AS a USING (audio_id) LEFT JOIN audio_summary AS s USING (audio_id)"
                                  " WHERE w.audio_id = ? AND w.kind = 'overview'",
                                  "i", view->file.audio);
    bool row = false;
    if (!from || !sql_step(view->catalogue, from, &row, error)) return false;
    if (!row) return true;
    int points = sqlite3_column_int(from, 1), channels = sqlite3_column_int(from, 2);
    double duration = sqlite3_column_double(from, 3);
    if (points < 0 || channels < 1 || sqlite3_column_bytes(from, 0) / 6 / channels < points) points = 0; /* damaged */
    putchar('\n');
    draw_waveform(stdout, sqlite3_column_blob(from, 0), points, channels, columns, 6, view->cli->colour);
    const char *text = sql_text(from, 4);
    cJSON *summary = text ? cJSON_Parse(text) : NULL;
    (void)sqlite3_reset(from);
    bool fine = draw_regions(view, columns, duration, error);
    if (fine && summary) draw_timeline(summary, columns, duration);
    cJSON_Delete(summary);
    return fine;
}

/* ---------------------------------------------------------------------------------------------------------- command */

static bool show_file(struct view *view, const char *name, struct error *error) {
    if (!lookup_find(view->catalogue, name, &view->file, error)) return false;
    if (view->json)
        return file_json_print(stdout, view->catalogue, view->file.file, view->file.region, error) &&
               putchar('\n') != EOF;
    const struct show_results results = {.catalogue = view->catalogue,
                                         .audio = view->file.audio,
                                         .region = view->file.region,
                                         .all = view->all,
                                         .width = view->cli->width,
                                         .colour = view->cli->colour};
    return print_facts(view, error) && print_words(view, error) && print_summary(view, error) &&
           (!view->draw || draw_pictures(view, error)) && show_results_print(&results, error);
}

static int show_files(struct view *view, int argc, char **argv) {
    int code = CLI_OK, shown = 0;
    bool words = false;
    for (int i = 1; i < argc; i++) {
        struct error error = {0};
        bool option = !words && strncmp(argv[i], "--", 2) == 0;
        if (strcmp(argv[i], "--") == 0) words = true;
        if (option) continue;
        if (shown++ && !view->json) putchar('\n');
        if (show_file(view, argv[i], &error)) continue;
        cli_complain("%s", error.text);
        code = CLI_SOME_FAILED;
    }
    return shown ? code : cli_usage("show", "name a file");
}

int show_command(int argc, char **argv, const struct cli *cli) {
    struct view view = {.cli = cli, .draw = cli->terminal};
    for (int i = 1; i < argc && strcmp(argv[i], "--") != 0; i++) {
        if (strcmp(argv[i], "--all") == 0)
            view.all = true;
        else if (strcmp(argv[i], "--draw") == 0)
            view.draw = true;
        else if (strcmp(argv[i], "--no-draw") == 0)
            view.draw = false;
        else if (strcmp(argv[i], "--json") == 0)
            view.json = true;
        else if (strncmp(argv[i], "--", 2) == 0)
            return cli_usage("show", "%s: no such option", argv[i]);
    }
    if (argc < 2) return cli_usage("show", "name a file");
    struct error error = {0};
    view.catalogue = catalogue_open(cli->catalogue, CATALOGUE_READ, &error);
    if (!view.catalogue) {
        cli_complain("%s", error.text);
        return CLI_CANNOT_RUN;
    }
    int code = show_files(&view, argc, argv);
    catalogue_close(view.catalogue);
    return code;
}
