/* engine/ipc: the channel and its line, the run folder. */
#include "engine/base/json.h"
#include "engine/ipc/channel.h"
#include "engine/ipc/descriptors.h"
#include "engine/ipc/line.h"
#include "engine/ipc/memfd.h"
#include "engine/ipc/message.h"
#include "engine/ipc/note.h"
#include "engine/ipc/run_folder.h"

#include <dirent.h>
#include <errno.h>
#include <fcntl.h>
#include <nng/nng.h>
#include <nng/protocol/pair1/pair.h>
#include <setjmp.h>
#include <signal.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdint.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/mman.h>
#include <sys/socket.h>
#include <sys/stat.h>
#include <sys/un.h>
#include <sys/wait.h>
#include <time.h>
#include <unistd.h>

#include <cmocka.h>

static size_t open_descriptors(void) {
    DIR *dir = opendir("/proc/self/fd");
    assert_non_null(dir);
    size_t n = 0;
    while (readdir(dir)) n++;
    closedir(dir);
    return n;
}

/* -------------------------------------------------------------------------------------------- the channel and its line
 */

struct talk {
    uv_loop_t loop;
    uv_timer_t timer;
    struct run_folder folder;
    struct channel *channel;
    int messages, pings; /* come in all; of type ping */
    int in_a_row, most;  /* since the timer had its turn; the most of these so far */
    bool close_on_message;
    pid_t peer; /* killed before closing, or when it doesn't let the timer have its turn */
    struct error problem;
};

static void end_peer(pid_t peer) {
    kill(peer, SIGKILL);
    waitpid(peer, NULL, 0);
}

#define IN_A_ROW 20

static void on_event(void *context, cJSON *message, const struct error *problem) {
    struct talk *talk = context;
    if (message) {
        talk->messages++;
        if (++talk->in_a_row > talk->most) talk->most = talk->in_a_row;
        if (talk->in_a_row == IN_A_ROW && talk->peer) kill(talk->peer, SIGKILL);
        talk->pings += strcmp(json_string(message, "type", ""), "ping") == 0;
        cJSON_Delete(message);
        if (talk->close_on_message) {
            end_peer(talk->peer);
            channel_close(talk->channel);
            talk->channel = NULL;
        }
    } else {
        talk->problem = *problem;
    }
}

static void on_timer(uv_timer_t *timer) {
    struct talk *talk = timer->data;
    talk->in_a_row = 0;
}

static void talk_open(struct talk *talk) {
    memset(talk, 0, sizeof *talk);
    struct error error;
    assert_true(run_folder_open(&talk->folder, &error));
    assert_int_equal(uv_loop_init(&talk->loop), 0);
    uv_timer_init(&talk->loop, &talk->timer);
    talk->timer.data = talk;
    uv_timer_start(&talk->timer, on_timer, 10, 10);
    talk->channel = channel_open(&talk->loop, talk->folder.path, "t", on_event, talk, &error);
    if (!talk->channel) fail_msg("%s", error.text);
}

static void talk_close(struct talk *talk) {
    channel_close(talk->channel);
    uv_close((uv_handle_t *)&talk->timer, NULL);
    uv_run(&talk->loop, UV_RUN_DEFAULT);
    assert_int_equal(uv_loop_close(&talk->loop), 0);
    run_folder_close(&talk->folder);
    assert_int_not_equal(access(talk->folder.path, F_OK), 0);
}

/* Turns the loop for at most a minute, until `messages` have come or a problem has. */
static void turn(struct talk *talk, int messages) {
    uint64_t end = uv_hrtime() + 60000000000u;
    while (talk->messages < messages && talk->problem.code == 0 && uv_hrtime() < end) uv_run(&talk->loop, UV_RUN_ONCE);
}

/* The other end: this program started again with the name of its task, as NNG does not survive a fork. */
static pid_t start_peer(const char *task, const char *url) {
    pid_t child = vfork();
    assert_true(child >= 0);
    if (child == 0) {
        execl("/proc/self/exe", "test_ipc", task, url, (char *)NULL);
        _exit(127);
    }
    return child;
}

static int wait_peer(pid_t peer) {
    int status;
    assert_int_equal(waitpid(peer, &status, 0), peer);
    return WIFEXITED(status) ? WEXITSTATUS(status) : 1000 + WTERMSIG(status);
}

static void send_text(struct talk *talk, const char *type) {
    struct error error;
    cJSON *message = message_new(type);
    assert_non_null(message);
    if (!channel_send(talk->channel, message, &error)) fail_msg("%s", error.text);
    cJSON_Delete(message);
}

static void a_channel_carries_messages_both_ways(void **state) {
    (void)state;
    struct talk talk;
    talk_open(&talk);
    pid_t peer = start_peer("echo", channel_url(talk.channel));
    channel_expect(talk.channel, peer);
    for (int i = 0; i < 10; i++) send_text(&talk, "ping"); /* before it has dialled */
    turn(&talk, 10);
    assert_int_equal(talk.pings, 10);
    for (int i = 0; i < 500; i++) {
        send_text(&talk, "ping");
        turn(&talk, 11 + i);
    }
    assert_int_equal(talk.pings, 510);
    assert_int_equal(talk.problem.code, 0);
    end_peer(peer);
    turn(&talk, 1000);
    assert_int_equal(talk.problem.code, EPIPE); /* its death is noticed */
    talk_close(&talk);
}

static void a_flood_is_bounded_and_complete(void **state) {
    (void)state;
    struct talk talk;
    talk_open(&talk);
    pid_t peer = start_peer("flood", channel_url(talk.channel));
    channel_expect(talk.channel, peer);
    turn(&talk, 1);
    usleep(100 * 1000); /* the queue fills; the rest waits in the kernel and in the worker */
    turn(&talk, 5000);
    assert_int_equal(talk.pings, 5000);
    assert_int_equal(wait_peer(peer), 0);
    talk_close(&talk);
}

/* Reading a large message takes longer than sending it, so that the next has always come. */
static void an_endless_flood_leaves_the_loop_its_turn(void **state) {
    (void)state;
    struct talk talk;
    talk_open(&talk);
    talk.peer = start_peer("endless", channel_url(talk.channel));
    channel_expect(talk.channel, talk.peer);
    turn(&talk, IN_A_ROW + 5);
    assert_in_range(talk.most, 1, IN_A_ROW - 1);
    assert_int_equal(talk.problem.code, 0);
    end_peer(talk.peer);
    talk_close(&talk);
}

static void of_who_is_ignored_only_the_loss_is_told(void **state) {
    (void)state;
    struct talk talk;
    talk_open(&talk);
    pid_t peer = start_peer("endless", channel_url(talk.channel));
    channel_expect(talk.channel, peer);
    turn(&talk, 1);
    int before = talk.messages;
    channel_ignore(talk.channel);
    for (int i = 0; i < 50; i++) uv_run(&talk.loop, UV_RUN_ONCE);
    end_peer(peer);
    turn(&talk, before + 1);
    assert_int_equal(talk.messages, before);
    assert_int_equal(talk.problem.code, EPIPE);
    talk_close(&talk);
}

static void a_stranger_is_not_heard_and_not_in_the_way(void **state) {
    (void)state;
    struct talk talk;
    talk_open(&talk);
    pid_t stranger = start_peer("ping", channel_url(talk.channel)); /* connects before the worker is known */
    turn(&talk, 0);
    for (int i = 0; i < 30; i++) uv_run(&talk.loop, UV_RUN_ONCE);
    pid_t peer = start_peer("echo", channel_url(talk.channel));
    channel_expect(talk.channel, peer);
    for (int i = 0; i < 20; i++) uv_run(&talk.loop, UV_RUN_ONCE);
    assert_int_equal(talk.messages, 0);
    assert_int_equal(talk.problem.code, 0);
    send_text(&talk, "ping");
    turn(&talk, 1);
    pid_t late = start_peer("ping", channel_url(talk.channel)); /* and one that comes later */
    for (int i = 0; i < 20; i++) uv_run(&talk.loop, UV_RUN_ONCE);
    send_text(&talk, "ping");
    turn(&talk, 2);
    assert_int_equal(talk.messages, 2);
    assert_int_equal(talk.pings, 2);
    assert_int_equal(talk.problem.code, 0);
    end_peer(stranger), end_peer(peer), end_peer(late);
    talk_close(&talk);
}

static void check_misbehaviour(const char *task, int code) {
    struct talk talk;
    talk_open(&talk);
    pid_t peer = start_peer(task, channel_url(talk.channel));
    channel_expect(talk.channel, peer);
    turn(&talk, 1000000);
    if (talk.problem.code != code) fail_msg("%s: %d, %s", task, talk.problem.code, talk.problem.text);
    assert_int_equal(talk.messages, 0);
    end_peer(peer);
    talk_close(&talk);
}

static void garbage_and_oversized_messages_are_problems(void **state) {
    (void)state;
    check_misbehaviour("garbage", EPROTO);
    check_misbehaviour("nested", EPROTO);
    check_misbehaviour("empty", EPROTO);
    check_misbehaviour("oversized", EPIPE);
}

static void a_channel_can_be_closed_from_its_callback(void **state) {
    (void)state;
    struct talk talk;
    talk_open(&talk);
    talk.close_on_message = true;
    talk.peer = start_peer("flood", channel_url(talk.channel));
    channel_expect(talk.channel, talk.peer);
    turn(&talk, 1);
    assert_null(talk.channel);
    for (int i = 0; i < 10; i++) uv_run(&talk.loop, UV_RUN_ONCE);
    assert_int_equal(talk.messages, 1);
    talk_close(&talk);
}

/* Connects to the listener and leaves at once or in the middle of NNG's handshake. */
static void die_in_handshake(const char *url, size_t bytes) {
    struct sockaddr_un address = {.sun_family = AF_UNIX};
    snprintf(address.sun_path, sizeof address.sun_path, "%s", url + strlen("ipc://"));
    int fd = socket(AF_UNIX, SOCK_STREAM | SOCK_CLOEXEC, 0);
    assert_true(fd >= 0);
    if (connect(fd, (const struct sockaddr *)&address, sizeof address) == 0 && bytes > 0) {
        ssize_t n = write(fd, "\0SP\0\0\x11\0\0", bytes);
        assert_true(n != 0);
    }
    close(fd);
}

static void deaths_in_the_handshake_cost_nothing(void **state) {
    (void)state;
    struct talk talk;
    size_t before = 0, after = 0;
    for (int i = 0; i < 300; i++) {
        talk_open(&talk);
        if (i < 299) {
            die_in_handshake(channel_url(talk.channel), (size_t)(i % 3) * 4);
            channel_expect(talk.channel, getpid());
            uv_run(&talk.loop, UV_RUN_NOWAIT);
        } else {
            pid_t peer = start_peer("echo", channel_url(talk.channel));
            channel_expect(talk.channel, peer);
            send_text(&talk, "ping");
            turn(&talk, 1);
            assert_int_equal(talk.pings, 1);
            end_peer(peer);
        }
        talk_close(&talk);
        if (i == 10) before = open_descriptors();
    }
    for (int i = 0; i < 200 && (after = open_descriptors()) > before + 2; i++)
        usleep(10000); /* NNG closes in its time */
    if (after > before + 2) fail_msg("%zu descriptors, %zu before", after, before);
}

/* Workers die at any moment, before, in and after the handshake, while they send as fast as they can. */
static void deaths_at_any_moment_hang_and_leak_nothing(void **state) {
    (void)state;
    struct talk talk;
    size_t before = 0, after = 0;
    for (int i = 0; i < 200; i++) {
        talk_open(&talk);
        pid_t peer = start_peer("flood", channel_url(talk.channel));
        channel_expect(talk.channel, peer);
        uint64_t end = uv_hrtime() + (uint64_t)(i % 25) * 400000;
        while (uv_hrtime() < end) uv_run(&talk.loop, UV_RUN_NOWAIT);
        end_peer(peer);
        talk_close(&talk);
        if (i == 10) before = open_descriptors();
    }
    for (int i = 0; i < 200 && (after = open_descriptors()) > before + 2; i++) usleep(10000);
    if (after > before + 2) fail_msg("%zu descriptors, %zu before", after, before);
    assert_int_equal(waitpid(-1, NULL, WNOHANG), -1); /* no zombies */
    assert_int_equal(errno, ECHILD);
}

static void sending_to_a_deaf_worker_is_an_error(void **state) {
    (void)state;
    struct talk talk;
    talk_open(&talk);
    struct error error = {0};
    cJSON *message = message_new("ping");
    int sent = 0;
    while (sent < 1000 && channel_send(talk.channel, message, &error)) sent++;
    assert_in_range(sent, 16, 20);
    assert_int_equal(error.code, EAGAIN);
    cJSON_Delete(message);
    talk_close(&talk);
}

/* Sends a large message, over and over: an array of so many numbers. */
static int send_endlessly(nng_socket raw) {
    enum { NUMBERS = 300000 };
    static char text[40 + 2 * NUMBERS] = "{\"type\":\"ping\",\"padding\":[1";
    char *to = text + strlen(text);
    for (int i = 0; i < NUMBERS; i++, to += 2) memcpy(to, ",1", 2);
    memcpy(to, "]}", 2);
    while (nng_send(raw, text, (size_t)(to + 2 - text), 0) == 0) continue;
    return 0;
}

/* What start_peer's children do. */
static int be_peer(const char *task, const char *url) {
    struct error error;
    bool raw_bytes = strcmp(task, "echo") != 0 && strcmp(task, "ping") != 0 && strcmp(task, "flood") != 0;
    struct line *line = raw_bytes ? NULL : line_dial(url, &error);
    if (!line && !raw_bytes) return 2;
    if (strcmp(task, "echo") == 0 || strcmp(task, "ping") == 0) {
        cJSON *hello = message_new(task);
        bool ok = strcmp(task, "echo") == 0 || line_send(line, hello, &error);
        cJSON_Delete(hello);
        for (cJSON *message; ok && (message = line_receive(line, -1, &error));) {
            ok = line_send(line, message, &error);
            cJSON_Delete(message);
        }
        return 0;
    }
    if (strcmp(task, "flood") == 0) {
        cJSON *message = message_new("ping");
        char padding[3000];
        memset(padding, 'x', sizeof padding - 1);
        padding[sizeof padding - 1] = '\0';
        cJSON_AddStringToObject(message, "padding", padding);
        for (int i = 0; i < 5000; i++)
            if (!line_send(line, message, &error)) return 3;
        cJSON_Delete(message);
        line_finish(line);
        return 0;
    }
    /* What a line would not send. */
    nng_socket raw;
    if (nng_pair1_open(&raw) != 0 || nng_dial(raw, url, NULL, 0) != 0) return 4;
    if (strcmp(task, "endless") == 0) return send_endlessly(raw);
    size_t n = strcmp(task, "oversized") == 0 ? MESSAGE_FROM_WORKER + 1 : strcmp(task, "empty") == 0 ? 0 : 1 << 20;
    char *bytes = calloc(1, n + 1);
    if (!bytes) return 5;
    memset(bytes, strcmp(task, "nested") == 0 ? '[' : '\xfe', n);
    nng_send(raw, bytes, n, 0);
    sleep(30);
    return 0;
}

/* ------------------------------------------------------------------------------------------------------ the run folder
 */

static void a_dead_engines_folder_is_swept_up(void **state) {
    (void)state;
    char base[] = "/tmp/sonde-test-XXXXXX", path[128], name[200];
    assert_non_null(mkdtemp(base));
    assert_int_equal(setenv("XDG_RUNTIME_DIR", base, 1), 0);
    struct run_folder living, next;
    struct error error;
    assert_true(run_folder_open(&living, &error));
    assert_int_equal(strncmp(living.path, base, strlen(base)), 0);
    struct stat st;
    assert_int_equal(stat(living.path, &st), 0);
    assert_int_equal(st.st_mode & 07777, 0700);
    snprintf(path, sizeof path, "%s/sonde-run-dead00", base);
    assert_int_equal(mkdir(path, 0700), 0);
    snprintf(name, sizeof name, "%s/lock", path);
    close(open(name, O_CREAT | O_WRONLY | O_CLOEXEC, 0600));
    snprintf(name, sizeof name, "%s/1", path);
    close(open(name, O_CREAT | O_WRONLY | O_CLOEXEC, 0600));
    static const char *const folders[] = {"plugins", "plugins/hash", "plugins/hash/x.resources"};
    for (size_t i = 0; i < sizeof folders / sizeof *folders; i++) { /* copies of plugins */
        snprintf(name, sizeof name, "%s/%s", path, folders[i]);
        assert_int_equal(mkdir(name, 0700), 0);
    }
    snprintf(name, sizeof name, "%s/plugins/hash/x.so", path);
    close(open(name, O_CREAT | O_WRONLY | O_CLOEXEC, 0500));
    snprintf(name, sizeof name, "%s/plugins/hash/x.resources/outside", path);
    assert_int_equal(symlink(living.path, name), 0); /* not to be followed */
    assert_true(run_folder_open(&next, &error));
    assert_int_not_equal(access(path, F_OK), 0);    /* the dead one's is gone */
    assert_int_equal(access(living.path, F_OK), 0); /* the living one's is not */
    run_folder_close(&next);
    run_folder_close(&living);
    assert_int_equal(rmdir(base), 0);
    assert_int_equal(setenv("XDG_RUNTIME_DIR", "/nonexistent/sonde", 1), 0);
    assert_true(run_folder_open(&next, &error)); /* falls back to /tmp */
    run_folder_close(&next);
    unsetenv("XDG_RUNTIME_DIR");
}

/* Engines that start and end all the time, below the same folder: each finds its own folder whole. */
static int open_and_close_folders(const char *base) {
    if (setenv("XDG_RUNTIME_DIR", base, 1) != 0) return 1;
    for (int i = 0; i < 500; i++) {
        struct run_folder folder;
        char lock[128];
        if (!run_folder_open(&folder, NULL)) return 2;
        bool below = strncmp(folder.path, base, strlen(base)) == 0;
        snprintf(lock, sizeof lock, "%s/lock", folder.path);
        bool whole = access(lock, F_OK) == 0;
        run_folder_close(&folder);
        if (!below || !whole) return 3;
    }
    return 0;
}

static void engines_that_start_together_spare_each_other(void **state) {
    (void)state;
    char base[] = "/tmp/sonde-test-XXXXXX";
    pid_t peers[4];
    assert_non_null(mkdtemp(base));
    for (size_t i = 0; i < 4; i++) peers[i] = start_peer("folders", base);
    for (size_t i = 0; i < 4; i++) assert_int_equal(wait_peer(peers[i]), 0);
    assert_int_equal(rmdir(base), 0);
}

int main(int argc, char **argv) {
    if (argc == 3 && strcmp(argv[1], "folders") == 0) return open_and_close_folders(argv[2]);
    if (argc == 3) return be_peer(argv[1], argv[2]);
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(a_channel_carries_messages_both_ways),
        cmocka_unit_test(a_flood_is_bounded_and_complete),
        cmocka_unit_test(an_endless_flood_leaves_the_loop_its_turn),
        cmocka_unit_test(of_who_is_ignored_only_the_loss_is_told),
        cmocka_unit_test(a_stranger_is_not_heard_and_not_in_the_way),
        cmocka_unit_test(garbage_and_oversized_messages_are_problems),
        cmocka_unit_test(a_channel_can_be_closed_from_its_callback),
        cmocka_unit_test(deaths_in_the_handshake_cost_nothing),
        cmocka_unit_test(deaths_at_any_moment_hang_and_leak_nothing),
        cmocka_unit_test(sending_to_a_deaf_worker_is_an_error),
        cmocka_unit_test(a_dead_engines_folder_is_swept_up),
        cmocka_unit_test(engines_that_start_together_spare_each_other),
    };
    return cmocka_run_group_tests_name("ipc", tests, NULL, NULL);
}
