/* sonde pause, resume, drain and reload: said to the running engine. */
#include "engine/catalogue/store.h"
#include "engine/cli/commands.h"
#include "engine/cli/reach.h"

#include <errno.h>
#include <stdio.h>
#include <string.h>
#include <unistd.h>

const char pause_help[] =
    "usage: sonde pause\n\n"
    "The running engine begins nothing new: what is under way comes to the end of its regions, what comes in waits in the\n"
    "queue. `sonde resume` goes on. A pause of `sonde watch` outlasts it: started again, it begins paused, and says so.\n"
    "(`sonde analyze`, when nothing watches, does what it is asked for.) Exit code 1 when no engine runs.\n";

const char resume_help[] =
    "usage: sonde resume\n\n"
    "The running engine goes on after `sonde pause`; when none is running, the next `sonde watch` doesn't begin paused. Exit code\n"
    "1 when there was nothing to resume.\n";

const char drain_help[] =
    "usage: sonde drain\n\n"
    "The running engine lets the files under way come to their end, begins no others, and ends. Waits for that. What is in\n"
    "the queue stays there for the next one. (SIGTERM does the same, but waits only as long as engine.drain says.)\n"
    "Exit code 1 when no engine runs.\n";

const char reload_help[] =
    "usage: sonde reload\n\n"
    "The running `sonde watch` reads its configuration again and looks for plugins, as with SIGHUP. What new plugins, versions\n"
    "or parameters make stale is analysed again, behind new files. What can't be used of the configuration changes nothing, and is\n"
    "told in the log. Exit code 1 when no `sonde watch` runs.\n";

/* The engine that runs, or NULL with a complaint. */
static struct control_link *find_engine(const struct cli *cli, const char *what) {
    struct error error = {0};
    bool running = false;
    struct control_link *link = reach_engine(cli->catalogue, &running, &error);
    if (!link && running) cli_complain("%s", error.text);
    if (!link && !running) cli_complain("no engine is running for %s: there is nothing to %s", cli->catalogue, what);
    return link;
}

static int say_to(struct control_link *link, char **argv, const char *done) {
    struct error error = {0};
    cJSON *reply = control_ask_once(link, control_request(argv[0]), &error);
    if (reply)
        puts(done);
    else
        cli_complain("%s", error.text);
    control_close(link);
    bool ok = reply != NULL;
    cJSON_Delete(reply);
    return ok ? CLI_OK : CLI_SOME_FAILED;
}

static int say(int argc, char **argv, const struct cli *cli, const char *done) {
    if (argc > 1) return cli_usage(argv[0], "%s: takes nothing", argv[1]);
    struct control_link *link = find_engine(cli, argv[0]);
    return link ? say_to(link, argv, done) : CLI_SOME_FAILED;
}

int pause_command(int argc, char **argv, const struct cli *cli) {
    return say(argc, argv, cli, "paused: `sonde resume` goes on");
}

/* Takes the pause that an engine left behind out of the catalogue. */
static bool forget_pause(struct catalogue *catalogue, bool *paused, struct error *error) {
    return store_paused(catalogue, paused, error) && (!*paused || store_pause(catalogue, false, error));
}

int resume_command(int argc, char **argv, const struct cli *cli) {
    struct error error = {0};
    struct catalogue *catalogue = NULL;
    struct control_link *link = NULL;
    bool paused = false;
    if (argc > 1) return cli_usage(argv[0], "%s: takes nothing", argv[1]);
    bool ok = access(cli->catalogue, F_OK) != 0 || reach_writer(cli->catalogue, &catalogue, &link, &error);
    if (link) return say_to(link, argv, "it goes on");
    ok = ok && (!catalogue || forget_pause(catalogue, &paused, &error));
    catalogue_close(catalogue);
    if (!ok)
        cli_complain("%s", error.text);
    else if (paused)
        puts("no engine is running; the next one won't begin paused");
    else
        cli_complain("no engine is running for %s, and none would begin paused: there is nothing to resume",
                     cli->catalogue);
    return ok && paused ? CLI_OK : CLI_SOME_FAILED;
}

int reload_command(int argc, char **argv, const struct cli *cli) {
    return say(argc, argv, cli, "it reads its configuration again");
}

int drain_command(int argc, char **argv, const struct cli *cli) {
    struct error error = {0};
    if (argc > 1) return cli_usage(argv[0], "%s: takes nothing", argv[1]);
    struct control_link *link = find_engine(cli, argv[0]);
    if (!link) return CLI_SOME_FAILED;
    cJSON *request = control_request("drain"), *answer = NULL;
    bool ok = request && cJSON_AddTrueToObject(request, "follow");
    ok = control_ask(link, request, &error) && ok;
    while (ok && (answer = control_next(link, 0, &error))) cJSON_Delete(answer);
    control_close(link);
    ok = ok && error.code == EPIPE; /* the engine has ended */
    if (ok)
        puts("drained: the engine has ended");
    else
        cli_complain("%s", error.text);
    return ok ? CLI_OK : CLI_SOME_FAILED;
}
