/* engine/ipc: what crosses between the processes: shared memory, descriptors, the note, messages. */
#include "engine/base/json.h"
#include "engine/ipc/descriptors.h"
#include "engine/ipc/memfd.h"
#include "engine/ipc/message.h"
#include "engine/ipc/note.h"

#include <dirent.h>
#include <errno.h>
#include <fcntl.h>
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
#include <sys/uio.h>
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
    assert_int_equal(pwrite(fd, "x", 1, 9999), 1);
    assert_int_equal(pwrite(fd, "x", 1, 10000), -1); /* no memory that nobody counts */
    assert_int_equal(ftruncate(fd, 20000), -1);
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
    float value = 0;
    assert_true(memfd_read(fd, &value, sizeof value, 3 * sizeof value, &error));
    assert_true(value == 0.25f);
    assert_false(memfd_read(fd, &value, sizeof value, 7998, &error)); /* half of it lies beyond the end */
    assert_false(memfd_write(fd, &value, sizeof value, 0, &error));   /* sealed */
    close(fd);
    assert_int_equal(memfd_new("test", 0, &error), -1);
    assert_int_equal(memfd_new("test", UINT64_MAX, &error), -1);
}

/* Somebody else than the worker has hold of a page: here a pipe, which is drained after longer than Linux waits by itself. */
static void a_page_that_is_held_for_a_moment_is_waited_for(void **state) {
    (void)state;
    struct error error = {0};
    int fd = memfd_new("test", 10000, &error), ends[2];
    char *filled = memfd_map(fd, 10000, true, &error);
    assert_non_null(filled);
    filled[0] = 1;
    assert_int_equal(pipe(ends), 0);
    const struct iovec page = {filled, 4096};
    assert_int_equal(vmsplice(ends[1], &page, 1, 0), 4096);
    memfd_unmap(filled, 10000);
    pid_t reader = fork();
    assert_true(reader >= 0);
    if (reader == 0) {
        static char drained[4096];
        const struct timespec moment = {0, 300000000};
        (void)nanosleep(&moment, NULL);
        _exit(read(ends[0], drained, sizeof drained) == sizeof drained ? 0 : 1);
    }
    if (!memfd_seal(fd, 10000, &error)) fail_msg("%s", error.text);
    int status = 1;
    assert_int_equal(waitpid(reader, &status, 0), reader);
    assert_int_equal(status, 0);
    close(ends[0]);
    close(ends[1]);
    close(fd);
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
    assert_int_equal(pass(pair, DESCRIPTOR_SHORTS, 1000, pcm), 0);
    assert_int_equal(pass(pair, DESCRIPTOR_SHORTS, 2000, pcm), 0);
    assert_int_equal(pass(pair, DESCRIPTOR_ARRAY, 0, pcm), 0);
    assert_int_equal(pass(pair, DESCRIPTOR_FILL, 0, fill), 0);
    assert_int_equal(pass(pair, DESCRIPTOR_FILE, 0, file), 0);

    assert_int_equal(pass(pair, DESCRIPTOR_PCM, 0, pcm), EPROTO);
    assert_int_equal(pass(pair, DESCRIPTOR_PCM, 1001, pcm), EPROTO);
    assert_int_equal(pass(pair, DESCRIPTOR_SHORTS, 2001, pcm), EPROTO);
    assert_int_equal(pass(pair, DESCRIPTOR_SHORTS, UINT64_MAX / 2 + 2, pcm), EPROTO);
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

int main(void) {
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(sealed_memory_cannot_be_changed),
        cmocka_unit_test(a_page_that_is_held_for_a_moment_is_waited_for),
        cmocka_unit_test(fixed_memory_keeps_its_size_and_gives_pages_back),
        cmocka_unit_test(only_what_fits_its_kind_is_received),
        cmocka_unit_test(odd_packets_are_refused_and_nothing_leaks),
        cmocka_unit_test(sending_never_blocks),
        cmocka_unit_test(the_note_says_what_was_written),
        cmocka_unit_test(a_scribbled_note_is_harmless),
        cmocka_unit_test(messages_have_limits),
    };
    return cmocka_run_group_tests_name("ipc_parts", tests, NULL, NULL);
}
