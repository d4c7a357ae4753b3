/* The conditions of `sonde find` and `sonde export`: which sounds, in what order, how many. One thread.
 *
 *     selection_init(&selection);
 *     for each argument: selection_take(...); what isn't *taken is an option of the command's own
 *     selection_finish(&selection, &error);              after the last argument
 *     selection_resolve(&selection, catalogue, &error);  looks up the sound of --similar
 *     query_open(catalogue, &selection.query, &error);
 */
#ifndef SONDE_CLI_SELECTION_H
#define SONDE_CLI_SELECTION_H

#include "engine/catalogue/query.h"

#include <limits.h>

/* The part of a command's help that explains the conditions. */
#define SELECTION_HELP                                                                                                       \
    "  TEXT...              words, each the beginning of one in path, tags, labels, title, artist, album or comment\n"       \
    "  --text TEXT          the same, also where it begins with a dash\n"                                                    \
    "  --bpm RANGE          118-122, 120 (within 1 %), 90- (from), ..100 (up to)\n"                                          \
    "  --octaves            with --bpm: half and double of it too\n"                                                         \
    "  --key KEY            Am, \"A minor\", F#, Bb, 8A (Camelot), 1m (Open Key); several with commas between them\n"        \
    "  --compatible         with --key: the keys that mix well with it too (relative, fifth above and below)\n"              \
    "  --label LABEL        drums, speech, music, loop ...: what plugins heard; given more than once: any of them\n"         \
    "  --tag TAG            a tag of yours or a plugin's; given more than once: all of them\n"                               \
    "  --duration RANGE     seconds (within 5 %), or 1:30-2:00, 90s, 10m-\n"                                                 \
    "  --loudness RANGE     LUFS: -20..-10, -14 (within 5 %), -14.. (from), ..-30 (up to)\n"                                 \
    "  --value NAME=RANGE   a value that a plugin has made, by the name that sonde find --json shows it under: crest=18-,\n" \
    "                       f0_median=440 (within 5 %), meter=3/4 (text, or any entry of a list); NAME alone: where there\n" \
    "                       is one. Every summary is read, half a second for 100,000 sounds, unless --bpm, --key or a\n"     \
    "                       folder leaves few\n"                                                                             \
    "  --modified RANGE     date of the file: 2024-05-01, 2024-01..2024-06, 7d.. (the last seven days), today\n"             \
    "  --added RANGE        date on which sonde first saw it, in the same way\n"                                             \
    "  --similar FILE       sounds alike, the most alike first (20 of them), copies of it included; FILE#2: like its\n"      \
    "                       region 2\n"                                                                                      \
    "  --under FOLDER       below this folder\n"                                                                             \
    "  --missing            files that are gone, too\n"                                                                      \
    "  --duplicates         only sounds that more than one file has, whatever the files are called and hold besides:\n"      \
    "                       the same audio to the last sample, its files one after the other, with their sizes\n\n"          \
    "  --regions            a row for each region instead of each file\n"                                                    \
    "  --sort ORDER         path, name, bpm, key, label, duration, loudness, added, modified, confidence (of the\n"          \
    "                       tempo) or value (the first --value); -ORDER: descending\n"                                       \
    "  --limit N            at most N rows\n"

struct selection {
    struct query query; /* points into what follows, and into argv */
    bool compatible;
    char text[4096];
    char folder[3 * PATH_MAX];              /* as text */
    const char *similar;                    /* the name of a file or region */
    bool unknown;                           /* selection_resolve found no such file or region, or several */
    char measures[QUERY_WORDS][QUERY_NAME]; /* the names of values */
    struct similar vector;
};

void selection_init(struct selection *selection);

/* Takes argv[*i], with argv[*i + 1] (and then counts *i up) where it is its value. A word without a dash is text to search
 * for. *taken is false for an option that is no condition. False with a sentence when a condition is wrong. */
bool selection_take(struct selection *selection, int argc, char **argv, int *i, bool *taken, struct error *error);

/* Adds a word to search for, whatever it looks like. */
bool selection_add_text(struct selection *selection, const char *word, struct error *error);

bool selection_finish(struct selection *selection, struct error *error);
bool selection_resolve(struct selection *selection, struct catalogue *catalogue, struct error *error);

/* Whether plugins make values of all these names (as in query_measure). Says on standard error which they don't, and
 * which there are. */
bool selection_knows_values(struct catalogue *catalogue, const char *const *names, size_t count);

/* Says on standard error that nothing was found; that there is no such label, and which there are; and, where words were
 * sought, that some files failed, which are never found. */
void selection_found_nothing(const struct selection *selection, struct catalogue *catalogue);

#endif
