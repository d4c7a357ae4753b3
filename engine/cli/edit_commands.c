/* sonde tag, untag and set: a user's words on sounds. */
#include "engine/base/json.h"
#include "engine/catalogue/edit.h"
#include "engine/catalogue/lookup.h"
#include "engine/cli/commands.h"
#include "engine/cli/reach.h"

#include <errno.h>
#include <stdio.h>
#include <string.h>

#define ATTEMPTS 3 /* of talking to an engine that ends just then */

const char tag_help[] =
    "usage: sonde tag FILE[#REGION] TAG...\n\n"
    "Gives a file, or one region of it, tags of yours. They belong to the sound: copies, moved files and files with"
    " other\n"
    "metadata have them too, and analysing again keeps them. `sonde find --tag TAG` finds them.\n\n"
    "  sonde tag loops/break.wav favourite dusty\n"
    "  sonde tag field.wav#3 owl\n";

const char untag_help[] = "usage: sonde untag FILE[#REGION] TAG...\n\n"
                          "Takes tags of yours away again. Exit code 1 when one of them wasn't there.\n";

const char set_help[] =
    "usage: sonde set FILE[#REGION] FIELD=VALUE...\n\n"
    "Corrects what plugins say: bpm, key or label, of a file or of one region. Your word wins, belongs to the sound,"
    " and\n"
    "survives analysing again. FIELD= (without a value) takes your word back.\n\n"
    "  sonde set loop.wav bpm=121.5 key=\"A minor\"\n"
    "  sonde set field.wav#3 label=owl\n"
    "  sonde set loop.wav key=\n";

/* What is done with each word behind the file. */
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
    if (!removed) cli_complain("there is no tag \"%s\" of yours there", word);
    *missed |= !removed;
    return true;
}

static bool set_word(struct catalogue *catalogue, const struct edit_place *place, const char *word, bool *missed,
                     struct error *error) {
    (void)missed;
    return edit_set_word(catalogue, place, word, error);
}

static bool find_place(struct catalogue *catalogue, const char *name, struct edit_place *place, struct error *error) {
    struct lookup file;
    if (!lookup_find(catalogue, name, &file, error)) return false;
    if (file.audio == 0) return error_set(error, "%s has not been analysed, so it has no sound to speak of", name);
    *place = (struct edit_place){file.audio, file.region};
    return true;
}

/* All words in one transaction: all of them or none. */
static bool edit_words(struct catalogue *catalogue, int argc, char **argv, word_function function, bool *missed,
                       struct error *error) {
    struct edit_place place;
    if (!find_place(catalogue, argv[1], &place, error)) return false;
    if (!catalogue_execute(catalogue, "BEGIN IMMEDIATE", error)) return false;
    bool fine = true;
    for (int i = 2; i < argc && fine; i++) fine = function(catalogue, &place, argv[i], missed, error);
    if (fine && catalogue_execute(catalogue, "COMMIT", error)) return true;
    (void)catalogue_execute(catalogue, "ROLLBACK", NULL);
    return false;
}

/* The same by the engine that runs, whose writer does it. */
static bool send_words(const char *path, struct control_link *link, int argc, char **argv, bool *missed,
                       struct error *error) {
    struct edit_place place = {0};
    struct catalogue *catalogue = catalogue_open(path, CATALOGUE_READ, error);
    bool found = catalogue && find_place(catalogue, argv[1], &place, error);
    catalogue_close(catalogue);
    if (!found) return false;
    cJSON *request = control_request(argv[0]), *words = request ? cJSON_AddArrayToObject(request, "words") : NULL;
    bool ok = words && cJSON_AddNumberToObject(request, "audio", (double)place.audio) &&
              cJSON_AddNumberToObject(request, "region", (double)place.region);
    for (int i = 2; ok && i < argc; i++) ok = cJSON_AddItemToArray(words, cJSON_CreateString(argv[i]));
    if (!ok) {
        cJSON_Delete(request);
        return error_memory(error);
    }
    cJSON *reply = control_ask_once(link, request, error);
    const cJSON *word = NULL;
    cJSON_ArrayForEach(word, json_member(reply, "missed")) {
        if (cJSON_IsString(word)) cli_complain("there is no tag \"%s\" of yours there", word->valuestring);
        *missed = true;
    }
    bool done = reply != NULL;
    cJSON_Delete(reply);
    return done;
}

/* One attempt; the exit code. *again: the engine was ending, and hung up. It has done nothing, or just this. */
static int edit_once(int argc, char **argv, const struct cli *cli, word_function function, bool *again,
                     struct error *error) {
    bool missed = false;
    struct catalogue *catalogue = NULL;
    struct control_link *link = NULL;
    *again = false;
    if (!reach_writer(cli->catalogue, &catalogue, &link, error)) return CLI_CANNOT_RUN;
    bool fine = link ? send_words(cli->catalogue, link, argc, argv, &missed, error)
                     : edit_words(catalogue, argc, argv, function, &missed, error);
    *again = link && !fine && error->code == EPIPE;
    catalogue_close(catalogue);
    control_close(link);
    return fine && !missed ? CLI_OK : CLI_SOME_FAILED;
}

static int edit_command(int argc, char **argv, const struct cli *cli, word_function function) {
    if (argc < 3) return cli_usage(argv[0], "name a file and what to say about it");
    struct error error = {0};
    bool again = true;
    int code = CLI_OK;
    for (int attempt = 0; again && attempt < ATTEMPTS; attempt++) {
        error = (struct error){0};
        code = edit_once(argc, argv, cli, function, &again, &error);
    }
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
