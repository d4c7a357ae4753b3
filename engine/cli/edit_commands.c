/* sonde tag, untag and set: a user's words on sounds. */
#include "engine/base/json.h"
#include "engine/catalogue/edit.h"
#include "engine/catalogue/lookup.h"
#include "engine/cli/commands.h"
#include "engine/cli/reach.h"

#include <errno.h>
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
    "plugins say of that region. FIELD=none says that there is none, FIELD= (without a value) takes your word back.\n\n"
    "  sonde set loop.wav bpm=121.5 key=\"A minor\"\n"
    "  sonde set field.wav#3 label=owl\n"
    "  sonde set label=kick -- kicks/*.wav\n"
    "  sonde set loop.wav key=\n\n"
    "Exit code 1 when a file isn't in the catalogue: then nothing is done.\n";

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

static bool check_words(const struct request *request, struct error *error) {
    for (int i = 0; i < request->words_count; i++)
        if (!(request->function == set_word ? edit_check_word(request->words[i], error)
                                            : edit_check_tag(request->words[i], error)))
            return false;
    return true;
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

/* Finds all files before anything is done. The exit code. */
static int resolve(struct request *request, struct catalogue *catalogue, struct error *error) {
    for (int i = 0; i < request->words_count && !request->listed; i++)
        if (is_file(catalogue, request->words[i]))
            return cli_usage(request->command, "%s is a file: for several of them, sonde %s WORD... -- FILE...",
                             request->words[i], request->command);
    for (int i = 0; i < request->files_count; i++)
        if (!find_place(catalogue, request->files[i], &request->places[i], error)) return CLI_SOME_FAILED;
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
        if (!request->function(catalogue, &request->places[request->done], request->words[i], &missed, error))
            return false;
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
    for (int i = 0; ok && i < request->words_count; i++)
        ok = cJSON_AddItemToArray(words, cJSON_CreateString(request->words[i]));
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
    int code = CLI_CANNOT_RUN;
    if (request.places || error_memory(&error)) code = edit(&request, cli, &error);
    free(request.places);
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
