/* sonde catalogue: keeping it safe, sound and small. */
#include "engine/catalogue/check.h"
#include "engine/catalogue/merge.h"
#include "engine/catalogue/upkeep.h"
#include "engine/cli/commands.h"

#include <stdio.h>
#include <string.h>

const char catalogue_help[] =
    "usage: sonde catalogue backup FILE | check | merge FILE | prune [--missing] | vacuum | recover FILE\n\n"
    "  backup FILE      a complete copy in a new file, also while sonde is writing\n"
    "  check            reads everything, and says what isn't as it should be: damage, missing results, wrong"
    " summaries\n"
    "  merge FILE       takes in what another catalogue holds, made by another machine for example; the newer of two"
    " wins,\n"
    "                   and the order of merging doesn't matter\n"
    "  prune            deletes results that have been replaced, and sounds that no file has any more (not those"
    " that you\n"
    "                   have tagged or corrected); with --missing, files that are gone too\n"
    "  vacuum           gives the room of what was deleted back to the disk\n"
    "  recover FILE     copies what can be read of a damaged catalogue into a new one; files whose results are not"
    " whole\n"
    "                   are analysed again by the next `sonde analyze` or `sonde watch`\n\n"
    "Exit code 1 when check finds something wrong.\n";

static void report(void *context, const char *sentence) {
    (void)context;
    puts(sentence);
}

static int do_check(struct catalogue *catalogue, struct error *error) {
    int64_t wrong = 0;
    if (!check_catalogue(catalogue, report, NULL, &wrong, error)) return CLI_CANNOT_RUN;
    if (wrong == 0)
        puts("everything is as it should be");
    else
        printf("%lld %s wrong\n", (long long)wrong, wrong == 1 ? "thing is" : "things are");
    return wrong ? CLI_SOME_FAILED : CLI_OK;
}

static int do_prune(struct catalogue *catalogue, bool missing, struct error *error) {
    struct upkeep_pruned pruned;
    if (!upkeep_prune(catalogue, missing, &pruned, error)) return CLI_CANNOT_RUN;
    printf("deleted: %lld replaced results, %lld old regions, %lld contents, %lld sounds, %lld missing files\n",
           (long long)pruned.results, (long long)pruned.regions, (long long)pruned.contents, (long long)pruned.audio,
           (long long)pruned.files);
    return CLI_OK;
}

static int do_merge(struct catalogue *catalogue, const char *from, struct error *error) {
    struct merge_counts merged;
    if (!merge_catalogue(catalogue, from, &merged, error)) return CLI_CANNOT_RUN;
    printf("new or newer: %lld files, %lld contents, %lld sounds, %lld regions, %lld results, %lld edits, %lld tags\n",
           (long long)merged.files, (long long)merged.contents, (long long)merged.audio, (long long)merged.regions,
           (long long)merged.results, (long long)merged.edits, (long long)merged.tags);
    return CLI_OK;
}

static int do_recover(const struct cli *cli, const char *to) {
    struct upkeep_recovered recovered;
    struct error error = {0};
    if (!upkeep_recover(cli->catalogue, to, &recovered, &error)) {
        cli_complain("%s", error.text);
        return CLI_CANNOT_RUN;
    }
    printf("%s: %lld rows copied, %lld left out because what they belong to is lost, %d tables damaged\n"
           "Look at it (`sonde status --catalogue %s`), then put it in the place of %s.\n",
           to, (long long)recovered.rows, (long long)recovered.lost, recovered.tables, to, cli->catalogue);
    if (recovered.queued > 0)
        printf("%lld files wait: the next `sonde analyze` or `sonde watch` makes anew what their results lack.\n",
               (long long)recovered.queued);
    return CLI_OK;
}

/* Those that work on the open catalogue. */
static int do_open(const struct cli *cli, const char *what, const char *argument) {
    struct error error = {0};
    bool writes = strcmp(what, "prune") == 0 || strcmp(what, "vacuum") == 0 || strcmp(what, "merge") == 0;
    struct catalogue *catalogue = catalogue_open(cli->catalogue, writes ? CATALOGUE_WRITE : CATALOGUE_READ, &error);
    int code = CLI_CANNOT_RUN;
    if (catalogue && strcmp(what, "backup") == 0)
        code = upkeep_backup(catalogue, argument, &error) ? CLI_OK : CLI_CANNOT_RUN;
    else if (catalogue && strcmp(what, "check") == 0)
        code = do_check(catalogue, &error);
    else if (catalogue && strcmp(what, "merge") == 0)
        code = do_merge(catalogue, argument, &error);
    else if (catalogue && strcmp(what, "prune") == 0)
        code = do_prune(catalogue, argument != NULL, &error);
    else if (catalogue)
        code = upkeep_vacuum(catalogue, &error) ? CLI_OK : CLI_CANNOT_RUN;
    if (code == CLI_CANNOT_RUN) cli_complain("%s", error.text);
    catalogue_close(catalogue);
    return code;
}

int catalogue_command(int argc, char **argv, const struct cli *cli) {
    const char *what = argc > 1 ? argv[1] : "", *argument = argc > 2 ? argv[2] : NULL;
    bool takes_file = strcmp(what, "backup") == 0 || strcmp(what, "recover") == 0 || strcmp(what, "merge") == 0;
    bool prune = strcmp(what, "prune") == 0;
    if (!takes_file && !prune && strcmp(what, "check") != 0 && strcmp(what, "vacuum") != 0)
        return cli_usage("catalogue", "say backup, check, merge, prune, vacuum or recover");
    if (argc > 3 || (takes_file && !argument)) return cli_usage("catalogue", "%s: name one file", what);
    if (!takes_file && argument && !(prune && strcmp(argument, "--missing") == 0))
        return cli_usage("catalogue", "%s: takes no %s", what, argument);
    return strcmp(what, "recover") == 0 ? do_recover(cli, argument) : do_open(cli, what, argument);
}
