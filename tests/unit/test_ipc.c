/* engine/ipc: shared memory, descriptors, the note, messages, the channel and its line, the run folder. */
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

/* ------------------------------------------------------------------------------------------------------ shared memory
 */

static void sealed_memory_cannot_be_changed(void **state) {
    (void)state;
    struct error error;
    int fd = memfd_new("test", 10000, &error);
    assert_true(fd >= 0);
    float *filled = memfd_map(fd, 10000, true, &error);
    assert_non_null(filled);
    filled[3] = 0.25f;
    assert_false(memfd_is_sealed(fd, NULL));
    assert_false(memfd_seal(fd, 8000, &error)); /* still mapped by the one who fills it */
    assert_int_equal(error.code, EBUSY);
    memfd_unmap(filled, 10000);
    assert_false(memfd_seal(fd, 10001, &error));
    assert_false(memfd_seal(fd, 0, &error));
    assert_true(memfd_seal(fd, 8000, &error));
    uint64_t bytes;
    assert_true(memfd_is_sealed(fd, &bytes));
    assert_int_equal(bytes, 8000);
    assert_null(memfd_map(fd, 8000, true, &error));
    assert_null(memfd_map(fd, 8001, false, &error)); /* would be a SIGBUS to touch */
    const float *read = memfd_map(fd, 8000, false, &error);
    assert_non_null(read);
    assert_true(read[3] > 0.2f);
    assert_int_not_equal(ftruncate(fd, 0), 0);
    assert_true(pwrite(fd, "x", 1, 0) < 0);
    memfd_unmap((void *)read, 8000);
    close(fd);
    assert_int_equal(memfd_new("test", 0, &error), -1);
    assert_int_equal(memfd_new("test", UINT64_MAX, &error), -1);
}

static void fixed_memory_keeps_its_size_and_gives_pages_back(void **state) {
    (void)state;
    struct error error;
    int fd = memfd_new_fixed("test", OUT_BYTES, &error);
    assert_true(fd >= 0);
    assert_int_not_equal(ftruncate(fd, 0), 0);
    assert_int_not_equal(ftruncate(fd, (off_t)OUT_BYTES * 2), 0);
    uint8_t *memory = memfd_map(fd, OUT_BYTES, true, &error);
    assert_non_null(memory);
    memset(memory, 7, 1 << 20);
    struct stat st;
    assert_int_equal(fstat(fd, &st), 0);
    assert_true(st.st_blocks * 512 >= 1 << 20);
    assert_true(memfd_punch(fd, 0, OUT_BYTES, &error));
    assert_int_equal(fstat(fd, &st), 0);
    assert_int_equal(st.st_blocks, 0);
    assert_int_equal(memory[5], 0);
    memfd_unmap(memory, OUT_BYTES);
    close(fd);
}

/* -------------------------------------------------------------------------------------------------------- descriptors
 */

static int sealed_floats(uint64_t count) {
    int fd = memfd_new("test", count * 4, NULL);
    assert_true(fd >= 0 && memfd_seal(fd, count * 4, NULL));
    return fd;
}

/* Sends and receives one; the code of the refusal, or 0. */
static int pass(int pair[2], uint32_t kind, uint64_t frames, int fd) {
    const struct descriptor_packet packet = {.kind = kind, .job = 7, .serial = 2, .start = 100, .frames = frames};
    struct descriptor got;
    struct error error = {0};
    assert_true(descriptors_send(pair[0], &packet, fd, &error));
    if (!descriptors_receive(pair[1], 1000, &got, &error)) {
        assert_int_equal(got.fd, -1);
        return error.code;
    }
    assert_int_equal(got.packet.job, 7);
    assert_int_equal(got.packet.start, 100);
    assert_true(fcntl(got.fd, F_GETFD) & FD_CLOEXEC);
    close(got.fd);
    return 0;
}

static void only_what_fits_its_kind_is_received(void **state) {
    (void)state;
    struct error error;
    int pair[2];
    assert_true(descriptors_pair(pair, &error));
    size_t before = open_descriptors();
    int pcm = sealed_floats(1000), fill = memfd_new("test", 4000, NULL), file = open("/proc/self/exe", O_RDONLY);
    int pipes[2];
    assert_int_equal(pipe(pipes), 0);

    assert_int_equal(pass(pair, DESCRIPTOR_PCM, 500, pcm), 0);
    assert_int_equal(pass(pair, DESCRIPTOR_PCM, 1000, pcm), 0);
    assert_int_equal(pass(pair, DESCRIPTOR_ARRAY, 0, pcm), 0);
    assert_int_equal(pass(pair, DESCRIPTOR_FILL, 0, fill), 0);
    assert_int_equal(pass(pair, DESCRIPTOR_FILE, 0, file), 0);

    assert_int_equal(pass(pair, DESCRIPTOR_PCM, 0, pcm), EPROTO);
    assert_int_equal(pass(pair, DESCRIPTOR_PCM, 1001, pcm), EPROTO);
    assert_int_equal(pass(pair, DESCRIPTOR_PCM, 300, pcm), EPROTO); /* no whole number of channels */
    assert_int_equal(pass(pair, DESCRIPTOR_PCM, UINT64_MAX / 4 + 2, pcm), EPROTO);
    assert_int_equal(pass(pair, DESCRIPTOR_PCM, 500, fill), EPROTO); /* not sealed */
    assert_int_equal(pass(pair, DESCRIPTOR_FILL, 0, pcm), EPROTO);   /* sealed */
    assert_int_equal(pass(pair, DESCRIPTOR_FILE, 0, pipes[0]), EPROTO);
    assert_int_equal(pass(pair, DESCRIPTOR_FILE, 0, fill), EPROTO); /* could be written to */
    assert_int_equal(pass(pair, DESCRIPTOR_FILL, 0, file), EPROTO);
    assert_int_equal(pass(pair, 0, 0, file), EPROTO);
    assert_int_equal(pass(pair, DESCRIPTOR_KINDS, 0, file), EPROTO);

    close(pcm), close(fill), close(file), close(pipes[0]), close(pipes[1]);
    assert_int_equal(open_descriptors(), before); /* refused ones were closed */
    close(pair[0]), close(pair[1]);
}

/* Sends `bytes` of payload with `count` descriptors (all the same one). */
static void send_raw(int socket, const void *payload, size_t bytes, int fd, size_t count) {
    union {
        struct cmsghdr header;
        char bytes[CMSG_SPACE(32 * sizeof(int))];
    } control;
    memset(&control, 0, sizeof control);
    struct iovec part = {(void *)payload, bytes};
    struct msghdr message = {.msg_iov = &part, .msg_iovlen = 1};
    if (count > 0) {
        message.msg_control = control.bytes;
        message.msg_controllen = CMSG_SPACE(count * sizeof(int));
        struct cmsghdr *header = CMSG_FIRSTHDR(&message);
        header->cmsg_level = SOL_SOCKET;
        header->cmsg_type = SCM_RIGHTS;
        header->cmsg_len = CMSG_LEN(count * sizeof(int));
        for (size_t i = 0; i < count; i++) memcpy(CMSG_DATA(header) + i * sizeof fd, &fd, sizeof fd);
    }
    assert_int_equal(sendmsg(socket, &message, 0), bytes);
}

static void odd_packets_are_refused_and_nothing_leaks(void **state) {
    (void)state;
    int pair[2];
    struct error error;
    struct descriptor got;
    assert_true(descriptors_pair(pair, &error));
    int fd = sealed_floats(100);
    size_t before = open_descriptors();
    struct descriptor_packet good = {.magic = DESCRIPTOR_MAGIC, .kind = DESCRIPTOR_ARRAY}, bad = good;
    bad.magic ^= 1;
    char longer[200] = {0};
    memcpy(longer, &good, sizeof good);
    const struct {
        const void *payload;
        size_t bytes, count;
    } cases[] = {
        {&good, sizeof good, 0},     {&good, sizeof good, 2}, {&good, sizeof good, 3},    {&good, sizeof good, 9},
        {&good, sizeof good, 30}, /* more than the receiver's control buffer holds: truncated */
        {&good, sizeof good - 1, 1}, {&good, 1, 1},           {longer, sizeof longer, 1}, {&bad, sizeof bad, 1},
    };
    for (size_t i = 0; i < sizeof cases / sizeof *cases; i++) {
        send_raw(pair[0], cases[i].payload, cases[i].bytes, fd, cases[i].count);
        assert_false(descriptors_receive(pair[1], 1000, &got, &error));
        assert_int_equal(error.code, EPROTO);
        assert_int_equal(open_descriptors(), before);
    }
    assert_false(descriptors_receive(pair[1], 20, &got, &error));
    assert_int_equal(error.code, ETIMEDOUT);
    send_raw(pair[0], &good, sizeof good, fd, 1); /* and it still works */
    assert_true(descriptors_receive(pair[1], 1000, &got, &error));
    close(got.fd);
    close(pair[0]);
    assert_false(descriptors_receive(pair[1], 1000, &got, &error));
    assert_int_equal(error.code, EPIPE);
    close(pair[1]), close(fd);
}

static void sending_never_blocks(void **state) {
    (void)state;
    int pair[2];
    struct error error = {0};
    assert_true(descriptors_pair(pair, &error));
    int fd = sealed_floats(1);
    const struct descriptor_packet packet = {.kind = DESCRIPTOR_ARRAY};
    int sent = 0;
    while (sent < 100000 && descriptors_send(pair[0], &packet, fd, &error)) sent++;
    assert_in_range(sent, 8, 99999);
    assert_int_equal(error.code, EAGAIN);
    close(pair[1]);
    assert_false(descriptors_send(pair[0], &packet, fd, &error)); /* no SIGPIPE */
    assert_true(error.code == EPIPE || error.code == ECONNRESET);
    close(pair[0]), close(fd);
}

/* ----------------------------------------------------------------------------------------------------------- the note
 */

static void the_note_says_what_was_written(void **state) {
    (void)state;
    struct note_reader reader;
    struct note_copy copy;
    struct error error;
    assert_true(note_open(&reader, &error));
    note_read(&reader, &copy);
    assert_false(copy.valid); /* nobody has written yet */
    struct note *note = note_map(reader.fd, &error);
    assert_non_null(note);
    note_set(note, 12, "org.example.loud", NOTE_PROCESS);
    note_read(&reader, &copy);
    assert_true(copy.valid);
    assert_int_equal(copy.job, 12);
    assert_string_equal(copy.plugin, "org.example.loud");
    assert_string_equal(note_phase_name(copy.phase), "process");
    assert_int_equal(copy.forbidden, -1);
    char longest[300];
    memset(longest, 'x', sizeof longest);
    longest[sizeof longest - 1] = '\0';
    note_set(note, 13, longest, NOTE_FINISH);
    note_read(&reader, &copy);
    assert_int_equal(strlen(copy.plugin), NOTE_PLUGIN - 1);
    note_set(note, 0, NULL, NOTE_NONE);
    note_read(&reader, &copy);
    assert_string_equal(copy.plugin, "");
    assert_int_equal(copy.beats, 3);
    munmap(note, NOTE_BYTES);
    note_close(&reader);
    note_close(&reader); /* closing twice is fine */
}

static void a_scribbled_note_is_harmless(void **state) {
    (void)state;
    struct note_reader reader;
    struct note_copy copy;
    struct error error;
    char name[64];
    assert_true(note_open(&reader, &error));
    struct note *note = note_map(reader.fd, &error);
    assert_non_null(note);
    uint32_t seed = 1;
    for (int round = 0; round < 2000; round++) {
        for (size_t i = 0; i < sizeof *note; i++)
            ((uint8_t *)note)[i] = (uint8_t)((seed = seed * 1664525u + 1013904223u) >> 24);
        if (round % 2) note->magic = NOTE_MAGIC;
        if (round % 4 == 3) atomic_store(&note->died, 11);
        note_read(&reader, &copy);
        assert_true((unsigned)copy.phase < NOTE_PHASES);
        assert_true(memchr(copy.plugin, 0, sizeof copy.plugin) != NULL);
        assert_true(copy.frame_count <= NOTE_FRAMES && copy.died >= 0 && copy.died <= 64);
        for (const char *c = copy.plugin; *c; c++) assert_true((unsigned char)*c >= 0x20);
        note_system_call_name(&copy, name, sizeof name);
        assert_true(name[0] != '\0');
    }
    munmap(note, NOTE_BYTES);
    note_close(&reader);
}

/* ----------------------------------------------------------------------------------------------------------- messages
 */

static void messages_have_limits(void **state) {
    (void)state;
    struct error error;
    cJSON *message = message_new_job("chunk", 5, 9);
    assert_non_null(message);
    size_t n;
    char *text = message_print(message, 1000, &n, &error);
    assert_non_null(text);
    assert_string_equal(text, "{\"type\":\"chunk\",\"job\":5,\"nonce\":9}");
    assert_null(message_print(message, 10, &n, &error));
    cJSON_Delete(message);
    message = message_parse(text, strlen(text), 1000, &error);
    assert_non_null(message);
    assert_int_equal(json_integer(message, "nonce", 0), 9);
    cJSON_Delete(message);
    assert_null(message_parse(text, strlen(text), 10, &error));
    cJSON_free(text);
    assert_null(message_parse("[]", 2, 100, &error));
    assert_null(message_parse("{\"type\":1}", 10, 100, &error));
    assert_null(message_parse("", 0, 100, &error));
}

/* -------------------------------------------------------------------------------------------- the channel and its line
 */

struct talk {
    uv_loop_t loop;
    uv_timer_t timer;
    struct run_folder folder;
    struct channel *channel;
    int messages, pings; /* come in all; of type ping */
    bool close_on_message;
    pid_t peer; /* killed before closing */
    struct error problem;
};

static void end_peer(pid_t peer) {
    kill(peer, SIGKILL);
    waitpid(peer, NULL, 0);
}

static void on_event(void *context, cJSON *message, const struct error *problem) {
    struct talk *talk = context;
    if (message) {
        talk->messages++;
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
    (void)timer;
}

static void talk_open(struct talk *talk) {
    memset(talk, 0, sizeof *talk);
    struct error error;
    assert_true(run_folder_open(&talk->folder, &error));
    assert_int_equal(uv_loop_init(&talk->loop), 0);
    uv_timer_init(&talk->loop, &talk->timer);
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

/* Turns the loop for at most 5 seconds, until `messages` have come or a problem has. */
static void turn(struct talk *talk, int messages) {
    uint64_t end = uv_hrtime() + 5000000000u;
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

int main(int argc, char **argv) {
    if (argc == 3) return be_peer(argv[1], argv[2]);
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(sealed_memory_cannot_be_changed),
        cmocka_unit_test(fixed_memory_keeps_its_size_and_gives_pages_back),
        cmocka_unit_test(only_what_fits_its_kind_is_received),
        cmocka_unit_test(odd_packets_are_refused_and_nothing_leaks),
        cmocka_unit_test(sending_never_blocks),
        cmocka_unit_test(the_note_says_what_was_written),
        cmocka_unit_test(a_scribbled_note_is_harmless),
        cmocka_unit_test(messages_have_limits),
        cmocka_unit_test(a_channel_carries_messages_both_ways),
        cmocka_unit_test(a_flood_is_bounded_and_complete),
        cmocka_unit_test(a_stranger_is_not_heard_and_not_in_the_way),
        cmocka_unit_test(garbage_and_oversized_messages_are_problems),
        cmocka_unit_test(a_channel_can_be_closed_from_its_callback),
        cmocka_unit_test(deaths_in_the_handshake_cost_nothing),
        cmocka_unit_test(deaths_at_any_moment_hang_and_leak_nothing),
        cmocka_unit_test(sending_to_a_deaf_worker_is_an_error),
        cmocka_unit_test(a_dead_engines_folder_is_swept_up),
    };
    return cmocka_run_group_tests_name("ipc", tests, NULL, NULL);
}
