/* The parts of the scheduler that can be taken apart: chunks, errands, opening, walking, the plugin table, identities. */
#include "engine/errands/errands.h"
#include "engine/ipc/memfd.h"
#include "engine/schedule/chunks.h"
#include "engine/schedule/identity.h"
#include "engine/schedule/opener.h"
#include "engine/schedule/registry.h"
#include "engine/schedule/walk.h"

#include <errno.h>
#include <fcntl.h>
#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdint.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/mman.h>
#include <sys/stat.h>
#include <unistd.h>

#include <cmocka.h>

/* --------------------------------------------------------------------------------------------------------------- chunks */

/* The only one of a budget of 1 MiB. */
static struct chunk *first_chunk(struct chunks *chunks, uint64_t bytes) {
    struct error error = {0};
    chunks_init(chunks, 1 << 20);
    struct chunk *chunk = chunk_new(chunks, bytes, &error);
    if (!chunk) fail_msg("%s", error.text);
    assert_int_equal(chunks->used, bytes);
    return chunk;
}

static void test_chunk_life(void **state) {
    (void)state;
    struct chunks chunks;
    struct error error;
    struct chunk *chunk = first_chunk(&chunks, 4000);
    float *map = mmap(NULL, 4000, PROT_READ | PROT_WRITE, MAP_SHARED, chunk->fd, 0);
    assert_ptr_not_equal(map, MAP_FAILED);
    map[0] = 0.5f;
    assert_false(chunk_seal(chunk, 0, 100, 2, &error)); /* somebody can still write */
    assert_int_equal(munmap(map, 4000), 0);
    assert_false(chunk_seal(chunk, 0, 501, 2, &error)); /* 501 x 2 x 4 bytes don't fit */
    assert_false(chunk_seal(chunk, -1, 10, 2, &error));
    assert_false(chunk_seal(chunk, 0, UINT64_MAX, 4096, &error));
    assert_true(chunk_seal(chunk, 7, 100, 2, &error));
    assert_int_equal(chunk->bytes, 800);
    assert_int_equal(chunks.used, 800);
    assert_true(memfd_is_sealed(chunk->fd, NULL));
    assert_ptr_equal(mmap(NULL, 800, PROT_READ | PROT_WRITE, MAP_SHARED, chunk->fd, 0), MAP_FAILED);
    struct chunk *again = chunk_ref(chunk);
    chunk_unref(chunk);
    chunk_unref(again);
    assert_int_equal(chunks.used, 0);
}

static void test_chunk_of_shorts(void **state) {
    (void)state;
    struct chunks chunks;
    struct error error;
    struct chunk *chunk = first_chunk(&chunks, 4000);
    chunk->sample_bytes = sizeof(int16_t);
    assert_false(chunk_seal(chunk, 0, 1001, 2, &error));
    assert_true(chunk_seal(chunk, 0, 1000, 2, &error));
    assert_int_equal(chunks.used, 4000);
    chunk_unref(chunk);
}

static void test_budget(void **state) {
    (void)state;
    struct chunks chunks;
    chunks_init(&chunks, 1000);
    assert_true(chunks_fit(&chunks, 1000, 0));
    assert_false(chunks_fit(&chunks, 1000, 1));
    assert_false(chunks_fit(&chunks, UINT64_MAX, 0));
    struct chunk *chunk = chunk_new(&chunks, 1500, NULL); /* the oldest reader may exceed it */
    assert_non_null(chunk);
    assert_false(chunks_fit(&chunks, 0, 0));
    chunk_unref(chunk);
    assert_true(chunks_fit(&chunks, 600, 400));
    assert_null(chunk_new(&chunks, 0, NULL));
    assert_null(chunk_new(&chunks, CHUNK_MAX + 1, NULL));
}

/* -------------------------------------------------------------------------------------------------------------- errands */

struct errand {
    int gate; /* read end of a pipe; -1: done at once */
    int *done, *late, *dropped;
};

static void errand_work(void *argument) {
    struct errand *errand = argument;
    char byte;
    if (errand->gate >= 0) (void)!read(errand->gate, &byte, 1);
}

static void errand_done(void *argument, bool returned) {
    struct errand *errand = argument;
    ++*(returned ? errand->done : errand->late);
    if (returned) free(errand);
}

static void errand_drop(void *argument) {
    struct errand *errand = argument;
    __atomic_add_fetch(errand->dropped, 1, __ATOMIC_SEQ_CST);
    free(errand);
}

static const struct errand_calls errand_calls = {errand_work, errand_done, errand_drop};

static void on_errands_closed(void *context) {
    *(bool *)context = true;
}

static void test_errands(void **state) {
    (void)state;
    uv_loop_t loop;
    int done = 0, late = 0, dropped = 0, pipes[2];
    assert_int_equal(uv_loop_init(&loop), 0);
    assert_int_equal(pipe(pipes), 0);
    struct errands *errands = errands_new(&loop, 2, NULL);
    assert_non_null(errands);
    /* Four hang, two at a time; forty don't, and all of those are done although only two threads are for them. */
    for (int i = 0; i < 44; i++) {
        struct errand *errand = malloc(sizeof *errand);
        assert_non_null(errand);
        *errand = (struct errand){i % 11 == 0 ? pipes[0] : -1, &done, &late, &dropped};
        assert_true(errands_post(errands, &errand_calls, errand, 0.2));
    }
    while (errands_pending(errands) > 0) (void)uv_run(&loop, UV_RUN_ONCE);
    assert_int_equal(done, 40);
    assert_int_equal(late, 4);
    assert_int_equal(dropped, 0);
    assert_int_equal(write(pipes[1], "1234", 4), 4); /* the hanging calls return at last */
    for (int i = 0; i < 500 && __atomic_load_n(&dropped, __ATOMIC_SEQ_CST) < 4; i++) usleep(10000);
    assert_int_equal(dropped, 4);
    struct errand *errand = malloc(sizeof *errand);
    assert_non_null(errand);
    *errand = (struct errand){pipes[0], &done, &late, &dropped};
    assert_true(errands_post(errands, &errand_calls, errand, 100));
    bool closed = false;
    errands_free(errands, on_errands_closed, &closed);
    while (!closed) (void)uv_run(&loop, UV_RUN_ONCE);
    assert_int_equal(write(pipes[1], "x", 1), 1);
    for (int i = 0; i < 500 && __atomic_load_n(&dropped, __ATOMIC_SEQ_CST) < 5; i++) usleep(10000);
    assert_int_equal(dropped, 5);
    assert_int_equal(uv_loop_close(&loop), 0);
    close(pipes[0]);
    close(pipes[1]);
}

/* ------------------------------------------------------------------------------------------------------ opening, walking */

struct seen {
    struct opened opened;
    bool here;
};

static void on_opened(void *context, struct opened *opened) {
    struct seen *seen = context;
    seen->opened = *opened;
    seen->here = true;
}

/* `hanging`: a path that did not answer before, or NULL. */
static struct opened open_beside(const char *folder, const char *name, enum opener_mode mode, const char *hanging) {
    uv_loop_t loop;
    char path[512];
    struct seen seen = {0};
    bool closed = false;
    (void)snprintf(path, sizeof path, "%s/%s", folder, name);
    assert_int_equal(uv_loop_init(&loop), 0);
    struct errands *errands = errands_new(&loop, 1, NULL);
    struct opener *opener = opener_new(errands, 5, NULL);
    if (hanging) opener_note_hanging(opener, hanging);
    assert_true(opener_open(opener, path, 0, mode, on_opened, &seen));
    while (!seen.here) (void)uv_run(&loop, UV_RUN_ONCE);
    errands_free(errands, on_errands_closed, &closed);
    while (!closed) (void)uv_run(&loop, UV_RUN_ONCE);
    opener_free(opener);
    assert_int_equal(uv_loop_close(&loop), 0);
    return seen.opened;
}

static struct opened open_path(const char *folder, const char *name, enum opener_mode mode) {
    return open_beside(folder, name, mode, NULL);
}

static void write_file(const char *folder, const char *name, const char *text) {
    char path[1024];
    (void)snprintf(path, sizeof path, "%.500s/%.100s", folder, name);
    FILE *file = fopen(path, "we");
    assert_non_null(file);
    (void)fputs(text, file);
    assert_int_equal(fclose(file), 0);
}

static int make_folder(void **state) {
    char *folder = strdup("/tmp/sonde-schedule-XXXXXX"), path[512];
    if (!folder || !mkdtemp(folder)) return -1;
    write_file(folder, "a.wav", "sound");
    (void)snprintf(path, sizeof path, "%s/pipe", folder);
    if (mkfifo(path, 0600) != 0) return -1;
    (void)snprintf(path, sizeof path, "%s/dangling", folder);
    if (symlink("/nowhere", path) != 0) return -1;
    (void)snprintf(path, sizeof path, "%s/deep", folder);
    if (mkdir(path, 0700) != 0) return -1;
    write_file(path, "b.flac", "sound");
    write_file(path, "cover.JPG", "picture");
    write_file(path, ".hidden.wav", "hidden");
    (void)snprintf(path, sizeof path, "%s/deep/circle", folder);
    if (symlink("..", path) != 0) return -1;
    *state = folder;
    return 0;
}

static int remove_folder(void **state) {
    static const char *const names[] = {
        "deep/circle", "deep/.hidden.wav", "deep/cover.JPG", "deep/b.flac", "deep", "dangling", "pipe", "a.wav", ""};
    char path[512];
    for (size_t i = 0; i < sizeof names / sizeof *names; i++) {
        (void)snprintf(path, sizeof path, "%s/%s", (char *)*state, names[i]);
        (void)remove(path);
    }
    free(*state);
    return 0;
}

static void test_opener(void **state) {
    struct opened opened = open_path(*state, "a.wav", OPENER_OPEN);
    assert_true(opened.ok && opened.fd >= 0);
    assert_int_equal(opened.stat.size, 5);
    assert_int_equal(fcntl(opened.fd, F_GETFL) & O_ACCMODE, O_RDONLY);
    close(opened.fd);
    opened = open_path(*state, "a.wav", OPENER_LOOK);
    assert_true(opened.ok && opened.fd == -1);
    opened = open_path(*state, "pipe", OPENER_OPEN);
    assert_true(!opened.ok && !opened.missing && opened.fd == -1);
    assert_non_null(strstr(opened.reason, "pipe"));
    opened = open_path(*state, "dangling", OPENER_OPEN);
    assert_true(!opened.ok && !opened.missing);
    assert_non_null(strstr(opened.reason, "symbolic link"));
    opened = open_path(*state, "nothing", OPENER_OPEN);
    assert_true(!opened.ok && opened.missing);
    opened = open_path(*state, "deep", OPENER_OPEN);
    assert_non_null(strstr(opened.reason, "folder"));
    opened = open_path("/dev", "null", OPENER_OPEN);
    assert_non_null(strstr(opened.reason, "device"));
}

/* What lies in the file, or is its user's doing, stays; what lies in the system may be gone the next time. */
static void test_passing(void **state) {
    struct opened opened = open_path(*state, "a.wav", OPENER_LOOK);
    assert_true(opened.ok && !opened.passing);
    static const char *const lasting[] = {"pipe", "dangling", "nothing", "deep"};
    for (size_t i = 0; i < sizeof lasting / sizeof *lasting; i++) {
        opened = open_path(*state, lasting[i], OPENER_OPEN);
        assert_true(!opened.ok && !opened.passing);
    }
    static const int lasting_codes[] = {EACCES, EPERM, ELOOP, ENAMETOOLONG, ENOENT},
                     passing_codes[] = {EIO, ESTALE, ETIMEDOUT, EMFILE, ENOMEM};
    for (size_t i = 0; i < 5; i++) {
        opener_judge(&opened, NULL, lasting_codes[i]);
        assert_false(opened.passing);
        opener_judge(&opened, NULL, passing_codes[i]);
        assert_true(opened.passing && !opened.missing);
    }
    struct stat holes = {.st_mode = S_IFREG | 0600, .st_size = (off_t)1 << 53};
    opener_judge(&opened, &holes, 0);
    assert_true(opened.ok);
    holes.st_size = INT64_MAX; /* a file of holes, in memory */
    opener_judge(&opened, &holes, 0);
    assert_true(!opened.ok && opened.looked && !opened.passing);
    assert_string_equal(opened.reason, "claims to be 9223372036854775807 bytes long: no sound is");
    opened = open_path("/proc", "version", OPENER_LOOK);
    assert_true(opened.ok);
    opened = open_beside("/proc", "version", OPENER_LOOK, "/proc/uptime"); /* on the same file system */
    assert_true(!opened.ok && opened.passing && opened.refused);
    assert_non_null(strstr(opened.reason, "stopped answering"));
    opened = open_beside(*state, "a.wav", OPENER_LOOK, "/proc/uptime");
    assert_true(opened.ok && !opened.refused);
}

static void test_walk(void **state) {
    char path[512];
    (void)snprintf(path, sizeof path, "%s/./deep/..", (char *)*state);
    const char *roots[] = {path};
    const struct walk_options options = {0};
    struct walker *walker = walker_new(roots, 1, &options);
    assert_non_null(walker);
    unsigned sounds = 0, odd = 0;
    while (!walker_is_over(walker)) {
        size_t n = 0;
        walker_step(walker);
        assert_null(walker_problem(walker));
        struct walk_entry *entries = walker_entries(walker, &n);
        for (size_t i = 0; i < n; i++) {
            assert_memory_equal(entries[i].path, *state, strlen(*state)); /* without the detour */
            sounds += entries[i].seen.ok;
            odd += !entries[i].seen.ok;
        }
    }
    walker_free(walker);
    assert_int_equal(sounds, 2); /* a.wav and deep/b.flac */
    assert_int_equal(odd, 2);    /* the pipe and the dangling link */
    assert_true(walk_leaves_out("cover.JPG", false) && walk_leaves_out(".x.wav", false) &&
                walk_leaves_out("a.wav-0123abcd.jams", false) && /* of sonde export */
                !walk_leaves_out(".x.wav", true) && !walk_leaves_out("sound", false) &&
                !walk_leaves_out("x.wav", false) && !walk_leaves_out("x.jpgs", false));
}

/* A walker that hangs on its thread outlives its engine, and with it whatever that named to it. */
static void test_walk_keeps_names(void **state) {
    char *own = malloc(512), *root = strdup(*state);
    assert_true(own && root);
    (void)snprintf(own, 512, "%s/a.wav", (char *)*state);
    const char *roots[] = {root};
    const struct walk_options options = {.own = own};
    struct walker *walker = walker_new(roots, 1, &options);
    assert_non_null(walker);
    memset(own, 'x', strlen(own));
    memset(root, 'x', strlen(root));
    free(own);
    free(root);
    unsigned sounds = 0;
    while (!walker_is_over(walker)) {
        size_t n = 0;
        walker_step(walker);
        const struct walk_entry *entries = walker_entries(walker, &n);
        for (size_t i = 0; i < n; i++) sounds += entries[i].seen.ok;
    }
    walker_free(walker);
    assert_int_equal(sounds, 1); /* without a.wav, which is the catalogue here */
}

/* -------------------------------------------------------------------------------------------------------- the plugin table */

/* A library whose plugins are given as "id provides needs", lists joined by commas; a need is "x" required, "x?" optional. */
static void add_library(struct registry *registry, size_t index, const char *const *plugins, size_t count) {
    cJSON *message = cJSON_CreateObject();
    cJSON_AddStringToObject(message, "outcome", "ok");
    cJSON_AddStringToObject(message, "hash", "0123456789abcdef0123456789abcdef");
    cJSON *list = cJSON_AddArrayToObject(message, "plugins");
    for (size_t i = 0; i < count; i++) {
        char text[256], *save = NULL;
        (void)snprintf(text, sizeof text, "%s", plugins[i]);
        cJSON *plugin = cJSON_CreateObject(), *provides, *needs;
        cJSON_AddItemToArray(list, plugin);
        cJSON_AddStringToObject(plugin, "id", strtok_r(text, " ", &save));
        cJSON_AddStringToObject(plugin, "version", "1");
        provides = cJSON_AddArrayToObject(plugin, "provides");
        needs = cJSON_AddArrayToObject(plugin, "needs");
        char *words[2] = {strtok_r(NULL, " ", &save), strtok_r(NULL, " ", &save)};
        for (int k = 0; k < 2; k++) {
            char *inner = NULL;
            for (char *word = words[k] ? strtok_r(words[k], ",", &inner) : NULL; word;
                 word = strtok_r(NULL, ",", &inner)) {
                if (strcmp(word, "-") == 0) continue;
                cJSON *one = cJSON_CreateObject();
                cJSON_AddItemToArray(k == 0 ? provides : needs, one);
                bool optional = word[strlen(word) - 1] == '?';
                if (optional) word[strlen(word) - 1] = '\0';
                cJSON_AddStringToObject(one, "id", word);
                cJSON_AddNumberToObject(one, "major", 1);
                if (k == 1) cJSON_AddBoolToObject(one, "required", !optional);
            }
        }
    }
    registry_take(registry, index, message);
    cJSON_Delete(message);
}

static const struct engine_library two_libraries[] = {{"/p/bundled.so", NULL, false, NULL, NULL},
                                                      {"/p/other.so", NULL, true, NULL, NULL}};

static const struct registry_plugin *plugin_of(const struct registry *registry, const char *id) {
    size_t index = registry_find(registry, id);
    assert_true(index != SIZE_MAX);
    return &registry->plugins[index];
}

static void test_wiring(void **state) {
    (void)state;
    static const char *const bundled[] = {"timeline timeline -", "classifier label timeline", "key key features?"};
    static const char *const other[] = {"org.better timeline,mood -", "org.reader - mood,key", "key key -"};
    struct registry *registry = registry_new(two_libraries, 2, NULL, NULL);
    add_library(registry, 0, bundled, 3);
    add_library(registry, 1, other, 3);
    assert_true(registry_wire(registry, &(struct engine_options){0}, NULL));
    const struct registry_plugin *classifier = plugin_of(registry, "classifier");
    assert_int_equal(classifier->needs_count, 1);
    assert_int_equal(classifier->needs[0].providers_count, 2);
    assert_int_equal(classifier->needs[0].providers[0], registry_find(registry, "timeline")); /* bundled first */
    assert_int_equal(classifier->needs[0].providers[1], registry_find(registry, "org.better"));
    assert_true(plugin_of(registry, "key")->enabled);
    assert_int_equal(plugin_of(registry, "key")->needs[0].providers_count, 0); /* optional: runs without */
    assert_int_equal(plugin_of(registry, "timeline")->group, 0);
    assert_int_not_equal(plugin_of(registry, "org.reader")->group, plugin_of(registry, "org.better")->group);
    assert_false(registry->plugins[5].enabled); /* the second "key" */
    assert_non_null(strstr(registry->plugins[5].reason, "taken"));
    registry_free(registry);
}

static void test_circles_and_gaps(void **state) {
    (void)state;
    static const char *const plugins[] = {"a x y", "b y x", "c z z?", "d - nothing", "e w d-result", "f - w", "g v -"};
    struct registry *registry = registry_new(two_libraries, 1, NULL, NULL);
    add_library(registry, 0, plugins, 7);
    assert_true(registry_wire(registry, &(struct engine_options){0}, NULL));
    assert_true(plugin_of(registry, "a")->unmet && plugin_of(registry, "b")->unmet);
    assert_true(strstr(plugin_of(registry, "a")->reason, "circle") ||
                strstr(plugin_of(registry, "b")->reason, "circle"));
    assert_true(plugin_of(registry, "c")->enabled && !plugin_of(registry, "c")->unmet); /* an optional circle is cut */
    assert_non_null(strstr(plugin_of(registry, "d")->reason, "nothing/1"));
    assert_true(plugin_of(registry, "e")->unmet &&
                plugin_of(registry, "f")->unmet); /* who needs e's result has none either */
    assert_true(plugin_of(registry, "g")->enabled && !plugin_of(registry, "g")->unmet);
    registry_free(registry);
}

static void test_only(void **state) {
    (void)state;
    static const char *const plugins[] = {"timeline timeline -", "classifier label timeline", "key key -"};
    const char *only[] = {"classifier"}, *unknown[] = {"classifer"}, *disabled[] = {"timeline"};
    struct registry *registry = registry_new(two_libraries, 1, NULL, NULL);
    struct error error;
    add_library(registry, 0, plugins, 3);
    assert_true(registry_wire(registry, &(struct engine_options){.only = only, .only_count = 1}, NULL));
    assert_true(plugin_of(registry, "timeline")->enabled); /* read by what was asked for */
    assert_false(plugin_of(registry, "key")->enabled);
    assert_false(registry_wire(registry, &(struct engine_options){.only = unknown, .only_count = 1}, &error));
    assert_non_null(strstr(error.text, "classifer"));
    registry_free(registry);
    registry = registry_new(two_libraries, 1, NULL, NULL);
    add_library(registry, 0, plugins, 3);
    assert_true(registry_wire(registry, &(struct engine_options){.disabled = disabled, .disabled_count = 1}, NULL));
    assert_false(plugin_of(registry, "timeline")->enabled);
    assert_true(plugin_of(registry, "classifier")->unmet);
    registry_free(registry);
}

static void test_lies_of_probes(void **state) {
    (void)state;
    static const char *const messages[] = {
        "{}",
        "{\"outcome\":\"ok\"}",
        "{\"outcome\":\"ok\",\"hash\":\"xyz\"}",
        "{\"outcome\":\"ok\",\"hash\":\"0123456789abcdef0123456789abcdef\",\"plugins\":[]}",
        "{\"outcome\":\"ok\",\"hash\":\"0123456789abcdef0123456789abcdef\",\"plugins\":[7]}",
        "{\"outcome\":\"ok\",\"hash\":\"0123456789abcdef0123456789abcdef\",\"plugins\":[{\"id\":\"Bad Id\",\"version\":\"1\"}]}",
        "{\"outcome\":\"ok\",\"hash\":\"0123456789abcdef0123456789abcdef\",\"plugins\":[{\"id\":\"a\"}]}",
        "{\"outcome\":\"ok\",\"hash\":\"0123456789abcdef0123456789abcdef\",\"plugins\":[{\"id\":\"a\",\"version\":\"1\","
        "\"needs\":[{\"id\":\"\"}]}]}",
        "{\"outcome\":\"ok\",\"hash\":\"0123456789abcdef0123456789abcdef\",\"plugins\":[{\"id\":\"a\",\"version\":\"1\","
        "\"schema\":{\"type\":\"nonsense\"}}]}",
        "{\"outcome\":\"failed\",\"reason\":\"no memory\"}",
    };
    for (size_t i = 0; i < sizeof messages / sizeof *messages; i++) {
        struct registry *registry = registry_new(two_libraries, 1, NULL, NULL);
        cJSON *message = cJSON_Parse(messages[i]);
        assert_non_null(message);
        registry_take(registry, 0, message);
        assert_true(registry->libraries[0].reason[0] != '\0'); /* and every one says why */
        assert_int_equal(registry->plugins_count, 0);
        assert_true(registry_wire(registry, &(struct engine_options){0}, NULL));
        cJSON_Delete(message);
        registry_free(registry);
    }
}

/* What is wrong with a library is read on terminals, whatever it is called and whatever a worker says of it. */
static void test_reasons_are_text(void **state) {
    (void)state;
    const struct engine_library library = {"/p/\xc3\xa4\x1b]0;x\x07.so", NULL, true, NULL, NULL};
    struct registry *registry = registry_new(&library, 1, NULL, NULL);
    free(registry->libraries[0].copy.path);
    registry->libraries[0].copy.path = strdup("/copy/1");
    registry_refuse(registry, 0, "can't load /copy/1: \x1b[31m\xc3");
    assert_string_equal(registry->libraries[0].reason, "can't load /p/\u00e4\ufffd]0;x\ufffd.so: \ufffd[31m\ufffd");
    static const char *const plugins[] = {"key"};
    add_library(registry, 0, plugins, 1);
    add_library(registry, 0, plugins, 1);
    assert_int_equal(registry->plugins_count, 2);
    assert_string_equal(registry->plugins[1].reason, "its id is taken by a plugin of /p/\u00e4\ufffd]0;x\ufffd.so");
    registry_free(registry);
}

static void test_identities(void **state) {
    (void)state;
    struct identity_region region = {"a", "d", "1", "s", "h", 0, 100, 10, 90, 0, 1, 0, 1};
    char first[HASH_TEXT], second[HASH_TEXT];
    assert_true(identity_of_region(&region, first));
    assert_true(identity_of_region(&region, second));
    assert_string_equal(first, second);
    region.decoder_version = "2";
    assert_true(identity_of_region(&region, second));
    assert_string_not_equal(first, second);
    region.decoder_version = "1";
    region.end = 101;
    assert_true(identity_of_region(&region, second));
    assert_string_not_equal(first, second);
    struct identity_input inputs[] = {{"timeline", "one"}, {"key", ""}};
    assert_true(identity_of_result(first, "base", inputs, 2, first));
    assert_true(
        identity_of_region(&(struct identity_region){"a", "d", "1", "s", "h", 0, 100, 10, 90, 0, 1, 0, 1}, second));
    inputs[0].identity = "two"; /* stale is transitive */
    assert_true(identity_of_result(second, "base", inputs, 2, second));
    assert_string_not_equal(first, second);
}

int main(void) {
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(test_chunk_life),
        cmocka_unit_test(test_chunk_of_shorts),
        cmocka_unit_test(test_budget),
        cmocka_unit_test(test_errands),
        cmocka_unit_test_setup_teardown(test_opener, make_folder, remove_folder),
        cmocka_unit_test_setup_teardown(test_passing, make_folder, remove_folder),
        cmocka_unit_test_setup_teardown(test_walk, make_folder, remove_folder),
        cmocka_unit_test_setup_teardown(test_walk_keeps_names, make_folder, remove_folder),
        cmocka_unit_test(test_wiring),
        cmocka_unit_test(test_circles_and_gaps),
        cmocka_unit_test(test_only),
        cmocka_unit_test(test_lies_of_probes),
        cmocka_unit_test(test_reasons_are_text),
        cmocka_unit_test(test_identities),
    };
    return cmocka_run_group_tests_name("schedule", tests, NULL, NULL);
}
