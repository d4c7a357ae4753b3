/* sonde tag, untag and set: a user's words on sounds. */
#include "engine/base/json.h"
#include "engine/catalogue/edit.h"
#include "engine/catalogue/lookup.h"
#include "engine/catalogue/sql.h"
#include "engine/cli/commands.h"
#include "engine/cli/reach.h"

#include <errno.h>
#include <math.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/stat.h>

#define ATTEMPTS 3 /* of talking to an engine that ends just then */

const char tag_help[] =
    "usage: sonde tag FILE[#REGION] TAG...\n"
    "       sonde tag TAG... -- FILE[#REGION]...\n\n"
    "Gives a file, or one region of it, tags of yours; with --, each of several. They belong to the sound: copies, moved\n"
    "files and files with other metadata have them too, and analysing again keeps them. `sonde find --tag TAG` finds them.\n"
    "A file among the tags is refused.\n\n"
    "  sonde tag loops/break.wav favourite dusty\n"
    "  sonde tag field.wav#3 owl\n"
    "  sonde tag dusty -- loops/*.wav\n"
    "  sonde find --label kick -0 | xargs -0 sonde tag drums --\n\n"
    "A file whose name begins with a dash: sonde tag -- -x.wav TAG. Exit code 1 when a file isn't in the catalogue: then\n"
    "nothing is done.\n";

const char untag_help[] =
    "usage: sonde untag FILE[#REGION] TAG...\n"
    "       sonde untag TAG... -- FILE[#REGION]...\n\n"
    "Takes tags of yours away again. Exit code 1 when one of them wasn't there. A tag that is a file's name, too, stands\n"
    "before the --.\n";

const char set_help[] =
    "usage: sonde set FILE[#REGION] FIELD=VALUE...\n"
    "       sonde set FIELD=VALUE... -- FILE[#REGION]...\n\n"
    "Corrects what plugins say: bpm, key or label, of a file or of one region; with --, of several. Your word wins, belongs\n"
    "to the sound, and survives analysing again. On one of several regions it counts in the file's value in the place of what\n"
    "plugins say of that region. FIELD=none says that there is none, FIELD= (without a value) takes your word back.\n"
    "bpm=x2 doubles the tempo that there is, bpm=x1/2 halves it; so with x2/3, x1.5 ...\n\n"
    "  sonde set loop.wav bpm=121.5 key=\"A minor\"\n"
    "  sonde set field.wav#3 label=owl\n"
    "  sonde set label=kick -- kicks/*.wav\n"
    "  sonde set loop.wav key=\n"
    "  sonde find --label drums --bpm 60-80 -0 | xargs -0 sonde set bpm=x2 --\n\n"
    "Exit code 1 when a file isn't in the catalogue, or has no tempo to multiply: then nothing is done.\n";

/* Does one word; *missed: it is a tag that wasn't there. */
typedef bool (*word_function)(struct catalogue *catalogue, const struct edit_place *place, const char *word,
                              bool *missed, struct error *error);

static bool tag_word(struct catalogue *catalogue, const struct edit_place *place, const char *word, bool *missed,
                     struct error *error) {
    (void)missed;
    return edit_tag(catalogue, place, word, error);
}

static bool untag_word(struct catalogue *catalogue, const struct edit_place *place, const char *word, bool *missed,
                       struct error *error) {
    bool removed = false;
    if (!edit_untag(catalogue, place, word, &removed, error)) return false;
    *missed = !removed;
    return true;
}

static bool set_word(struct catalogue *catalogue, const struct edit_place *place, const char *word, bool *missed,
                     struct error *error) {
    (void)missed;
    return edit_set_word(catalogue, place, word, error);
}

/* What the command line said. */
struct request {
    const char *command;
    word_function function;
    char **words, **files;
    int words_count, files_count;
    bool listed;               /* in the form of many files: words are words, whatever they are called */
    struct edit_place *places; /* of the files */
    double factor;             /* of bpm=xFACTOR; 0: no word says so */
    double *tempi;             /* of the files, multiplied by it */
    int done;                  /* files that are through */
    bool missed;               /* a tag that was to go wasn't there */
};

/* ------------------------------------------------------------------------------------------------------ command line */

/* FILE WORD... with a -- before it or not, or WORD... -- FILE... */
static bool split(struct request *request, int argc, char **argv, struct error *error) {
    int dashes = 1;
    while (dashes < argc && strcmp(argv[dashes], "--") != 0) dashes++;
    for (int i = 1; i < dashes; i++)
        if (argv[i][0] == '-' && argv[i][1])
            return error_set(error, "%s: no such option (what begins with a dash stands behind --)", argv[i]);
    int first = dashes == 1 ? 2 : 1; /* word or file */
    request->listed = dashes > 1 && dashes < argc;
    request->files = argv + (request->listed ? dashes + 1 : first);
    request->files_count = request->listed ? argc - dashes - 1 : argc > first;
    request->words = argv + (request->listed ? 1 : first + 1);
    request->words_count = request->listed ? dashes - 1 : argc - first - 1;
    return (request->files_count > 0 && request->words_count > 0) ||
           error_set(error, "name a file and what to say about it");
}

/* "bpm=x2", "bpm=x2/3": by how much the tempo is to be multiplied; 0: it's another word. */
static double factor_of(const char *word) {
    char *end;
    if (strncmp(word, "bpm=x", 5) != 0) return 0;
    double factor = strtod(word + 5, &end);
    if (end == word + 5) return 0;
    if (*end == '/') factor /= strtod(end + 1, &end);
    return *end == '\0' && isfinite(factor) && factor > 0 ? factor : 0;
}

static bool check_word(struct request *request, const char *word, struct error *error) {
    if (request->function != set_word) return edit_check_tag(word, error);
    const double factor = factor_of(word);
    if (factor == 0) return edit_check_word(word, error);
    request->factor = factor;
    return true;
}

static bool check_words(struct request *request, struct error *error) {
    for (int i = 0; i < request->words_count; i++)
        if (!check_word(request, request->words[i], error)) return false;
    return true;
}

#define WORD 64 /* bytes of "bpm=NUMBER" */

/* The word as it is, or, of one that multiplies, the tempo which that makes of file `file`. Done but once, when nothing is edited
 * yet: asking again changes nothing more, nor does a second file of the same sound. */
static const char *word_for(const struct request *request, int file, const char *word, char made[WORD]) {
    if (request->function != set_word || factor_of(word) == 0) return word;
    snprintf(made, WORD, "bpm=%.9g", request->tempi[file]);
    return made;
}

/* A shell's *.wav, most likely: its second file is no tag. */
static bool is_file(struct catalogue *catalogue, const char *word) {
    struct lookup found;
    struct error ignored;
    struct stat status;
    return lookup_find(catalogue, word, &found, &ignored) || (stat(word, &status) == 0 && S_ISREG(status.st_mode));
}

static bool find_place(struct catalogue *catalogue, const char *name, struct edit_place *place, struct error *error) {
    struct lookup file;
    if (!lookup_find(catalogue, name, &file, error)) return false;
    if (file.audio == 0) return error_set(error, "%s has not been analysed, so it has no sound to speak of", name);
    *place = (struct edit_place){file.audio, file.region};
    return true;
}

/* What file `file` will have for its tempo. */
static bool multiply(struct request *request, struct catalogue *catalogue, int file, struct error *error) {
    const struct edit_place *place = &request->places[file];
    sqlite3_stmt *from = place->region ? sql_bind(catalogue, error,
                                                  "SELECT bpm FROM region_summary WHERE region_id = ? AND bpm > 0", "i",
                                                  place->region)
                                       : sql_bind(catalogue, error,
                                                  "SELECT bpm FROM audio_summary WHERE audio_id = ? AND bpm > 0", "i",
                                                  place->audio);
    bool row = false;
    char made[WORD];
    if (!from || !sql_step(catalogue, from, &row, error)) return false;
    if (row) request->tempi[file] = request->factor * sqlite3_column_double(from, 0);
    (void)sqlite3_reset(from);
    if (!row) return error_set(error, "%s has no tempo to multiply", request->files[file]);
    struct error why;
    snprintf(made, sizeof made, "bpm=%.9g", request->tempi[file]);
    return edit_check_word(made, &why) || error_set(error, "%s: %s", request->files[file], why.text);
}

/* Finds all files before anything is done. The exit code. */
static int resolve(struct request *request, struct catalogue *catalogue, struct error *error) {
    for (int i = 0; i < request->words_count && !request->listed; i++)
        if (is_file(catalogue, request->words[i]))
            return cli_usage(request->command, "%s is a file: for several of them, sonde %s WORD... -- FILE...",
                             request->words[i], request->command);
    for (int i = 0; i < request->files_count; i++)
        if (!find_place(catalogue, request->files[i], &request->places[i], error) ||
            (request->factor != 0 && !multiply(request, catalogue, i, error)))
            return CLI_SOME_FAILED;
    return CLI_OK;
}

/* ------------------------------------------------------------------------------------------------------------- doing */

static void miss(struct request *request, const char *word) {
    cli_complain("%s has no tag \"%s\" of yours", request->files[request->done], word);
    request->missed = true;
}

static bool edit_file(struct request *request, struct catalogue *catalogue, struct error *error) {
    for (int i = 0; i < request->words_count; i++) {
        bool missed = false;
        char made[WORD];
        const char *word = word_for(request, request->done, request->words[i], made);
        if (!request->function(catalogue, &request->places[request->done], word, &missed, error)) return false;
        if (missed) miss(request, request->words[i]);
    }
    return true;
}

/* All words on all files in one transaction: all of them or none. */
static bool edit_files(struct request *request, struct catalogue *catalogue, struct error *error) {
    if (!catalogue_execute(catalogue, "BEGIN IMMEDIATE", error)) return false;
    bool fine = true;
    for (; request->done < request->files_count && fine; request->done++) fine = edit_file(request, catalogue, error);
    if (fine && catalogue_execute(catalogue, "COMMIT", error)) return true;
    (void)catalogue_execute(catalogue, "ROLLBACK", NULL);
    return false;
}

/* One file by the engine that runs, whose writer does it. */
static bool send_file(struct request *request, struct control_link *link, struct error *error) {
    const struct edit_place *place = &request->places[request->done];
    cJSON *message = control_request(request->command);
    cJSON *words = message ? cJSON_AddArrayToObject(message, "words") : NULL;
    bool ok = words && cJSON_AddNumberToObject(message, "audio", (double)place->audio) &&
              cJSON_AddNumberToObject(message, "region", (double)place->region);
    for (int i = 0; ok && i < request->words_count; i++) {
        char made[WORD];
        ok = cJSON_AddItemToArray(words, cJSON_CreateString(word_for(request, request->done, request->words[i], made)));
    }
    if (!ok) {
        cJSON_Delete(message);
        return error_memory(error);
    }
    cJSON *reply = control_ask_once(link, message, error);
    const cJSON *word = NULL;
    cJSON_ArrayForEach(word, json_member(reply, "missed")) if (cJSON_IsString(word)) miss(request, word->valuestring);
    bool done = reply != NULL;
    cJSON_Delete(reply);
    return done;
}

static bool send_files(struct request *request, struct control_link *link, struct error *error) {
    bool fine = true;
    while (request->done < request->files_count && fine) {
        fine = send_file(request, link, error);
        if (fine) request->done++;
    }
    return fine;
}

/* One attempt; the exit code. *again: the engine was ending, and hung up. It has done nothing more, or just one file. */
static int edit_once(struct request *request, const struct cli *cli, bool *again, struct error *error) {
    struct catalogue *catalogue = NULL;
    struct control_link *link = NULL;
    *again = false;
    if (!reach_writer(cli->catalogue, &catalogue, &link, error)) return CLI_CANNOT_RUN;
    bool fine = link ? send_files(request, link, error) : edit_files(request, catalogue, error);
    *again = link && !fine && error->code == EPIPE;
    catalogue_close(catalogue);
    control_close(link);
    return fine && !request->missed ? CLI_OK : CLI_SOME_FAILED;
}

static int edit(struct request *request, const struct cli *cli, struct error *error) {
    struct catalogue *catalogue = catalogue_open(cli->catalogue, CATALOGUE_READ, error); /* never makes one */
    int code = catalogue ? resolve(request, catalogue, error) : CLI_CANNOT_RUN;
    catalogue_close(catalogue);
    bool again = code == CLI_OK;
    for (int attempt = 0; again && attempt < ATTEMPTS; attempt++) {
        *error = (struct error){0};
        code = edit_once(request, cli, &again, error);
    }
    return code;
}

static int edit_command(int argc, char **argv, const struct cli *cli, word_function function) {
    struct request request = {.command = argv[0], .function = function};
    struct error error = {0};
    if (!split(&request, argc, argv, &error) || !check_words(&request, &error))
        return cli_usage(argv[0], "%s", error.text);
    request.places = calloc((size_t)request.files_count, sizeof *request.places);
    request.tempi = calloc((size_t)request.files_count, sizeof *request.tempi);
    int code = CLI_CANNOT_RUN;
    if ((request.places && request.tempi) || error_memory(&error)) code = edit(&request, cli, &error);
    free(request.places);
    free(request.tempi);
    if (error.text[0]) cli_complain("%s", error.text);
    return code;
}

int tag_command(int argc, char **argv, const struct cli *cli) {
    return edit_command(argc, argv, cli, tag_word);
}

int untag_command(int argc, char **argv, const struct cli *cli) {
    return edit_command(argc, argv, cli, untag_word);
}

int set_command(int argc, char **argv, const struct cli *cli) {
    return edit_command(argc, argv, cli, set_word);
}
