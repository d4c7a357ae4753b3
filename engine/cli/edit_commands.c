/* sonde tag, untag and set: a user's words on sounds. */
#include "engine/catalogue/edit.h"
#include "engine/catalogue/lookup.h"
#include "engine/cli/commands.h"

#include <stdio.h>
#include <string.h>

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
    char field[16];
    const char *equals = strchr(word, '=');
    size_t n = equals ? (size_t)(equals - word) : 0;
    (void)missed;
    if (n == 0 || n >= sizeof field) return error_set(error, "%s: should be FIELD=VALUE, with bpm, key or label", word);
    memcpy(field, word, n);
    field[n] = '\0';
    return edit_set(catalogue, place, field, equals[1] ? equals + 1 : NULL, error);
}

/* All words in one transaction: all of them or none. */
static bool edit_words(struct catalogue *catalogue, int argc, char **argv, word_function function, bool *missed,
                       struct error *error) {
    struct lookup file;
    if (!lookup_find(catalogue, argv[1], &file, error)) return false;
    if (file.audio == 0) return error_set(error, "%s has not been analysed, so it has no sound to speak of", argv[1]);
    const struct edit_place place = {file.audio, file.region};
    if (!catalogue_execute(catalogue, "BEGIN IMMEDIATE", error)) return false;
    bool fine = true;
    for (int i = 2; i < argc && fine; i++) fine = function(catalogue, &place, argv[i], missed, error);
    if (fine && catalogue_execute(catalogue, "COMMIT", error)) return true;
    (void)catalogue_execute(catalogue, "ROLLBACK", NULL);
    return false;
}

static int edit_command(int argc, char **argv, const struct cli *cli, word_function function) {
    if (argc < 3) return cli_usage(argv[0], "name a file and what to say about it");
    struct error error = {0};
    bool missed = false;
    struct catalogue *catalogue = catalogue_open(cli->catalogue, CATALOGUE_WRITE, &error);
    if (!catalogue) {
        cli_complain("%s", error.text);
        return CLI_CANNOT_RUN;
    }
    bool fine = edit_words(catalogue, argc, argv, function, &missed, &error);
    catalogue_close(catalogue);
    if (!fine) cli_complain("%s", error.text);
    return fine && !missed ? CLI_OK : CLI_SOME_FAILED;
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
