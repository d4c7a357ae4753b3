/* sonde pause, resume, drain and reload: said to the running engine. */
#include "engine/cli/commands.h"
#include "engine/cli/reach.h"

#include <errno.h>
#include <stdio.h>
#include <string.h>

const char pause_help[] =
    "usage: sonde pause\n\n"
    "The running engine begins nothing new: what is under way comes to the end of its regions, what comes in waits in the\n"
    "queue. `sonde resume` goes on; so does an engine that is started again.\n";

const char resume_help[] = "usage: sonde resume\n\nThe running engine goes on after `sonde pause`.\n";

const char drain_help[] =
    "usage: sonde drain\n\n"
    "The running engine lets the files under way come to their end, begins no others, and ends. Waits for that. What is in\n"
    "the queue stays there for the next one. (SIGTERM does the same, but waits only as long as engine.drain says.)\n";

const char reload_help[] =
    "usage: sonde reload\n\n"
    "The running `sonde watch` reads its configuration again and looks for plugins, as with SIGHUP. What new plugins, versions\n"
    "or parameters make stale is analysed again, behind new files.\n";

/* The engine that runs, or NULL with a complaint. */
static struct control_link *find_engine(const struct cli *cli, const char *what) {
    struct error error = {0};
    bool running = false;
    struct control_link *link = reach_engine(cli->catalogue, &running, &error);
    if (!link && running) cli_complain("%s", error.text);
    if (!link && !running) cli_complain("no engine is running for %s: there is nothing to %s", cli->catalogue, what);
    return link;
}

static int say(int argc, char **argv, const struct cli *cli, const char *done) {
    struct error error = {0};
    if (argc > 1) return cli_usage(argv[0], "%s: takes nothing", argv[1]);
    struct control_link *link = find_engine(cli, argv[0]);
    if (!link) return CLI_SOME_FAILED;
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

int pause_command(int argc, char **argv, const struct cli *cli) {
    return say(argc, argv, cli, "paused: `sonde resume` goes on");
}

int resume_command(int argc, char **argv, const struct cli *cli) {
    return say(argc, argv, cli, "it goes on");
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
