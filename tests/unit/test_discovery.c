/* What discovery rests on: copies of libraries, the cache of what probes told, ranking and isolation, the user's choices. */
#include "engine/base/tree.h"
#include "engine/cli/choices.h"
#include "engine/cli/config.h"
#include "engine/schedule/copies.h"
#include "engine/schedule/discovery.h"
#include "engine/schedule/probe_cache.h"
#include "engine/schedule/registry.h"

#include <fcntl.h>
#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdint.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/stat.h>
#include <sys/wait.h>
#include <unistd.h>

#include <cmocka.h>

struct place {
    char folder[64];
};

static int make_place(void **state) {
    struct place *place = calloc(1, sizeof *place);
    assert_non_null(place);
    strcpy(place->folder, "/tmp/sonde-discovery-XXXXXX");
    assert_non_null(mkdtemp(place->folder));
    *state = place;
    return 0;
}

static int drop_place(void **state) {
    struct place *place = *state;
    tree_remove(AT_FDCWD, place->folder);
    free(place);
    return 0;
}

/* FOLDER/NAME, in one of a few buffers. */
static const char *at(const struct place *place, const char *name) {
    static char buffers[8][200];
    static int next;
    char *path = buffers[next++ % 8];
    (void)snprintf(path, 200, "%s/%s", place->folder, name);
    return path;
}

static void write_text(const char *path, const char *text) {
    FILE *file = fopen(path, "w");
    assert_non_null(file);
    assert_true(fputs(text, file) >= 0);
    assert_int_equal(fclose(file), 0);
}

static void assert_holds(const char *path, const char *text) {
    char found[4096] = "";
    FILE *file = fopen(path, "r");
    assert_non_null(file);
    size_t n = fread(found, 1, sizeof found - 1, file);
    found[n] = '\0';
    (void)fclose(file);
    assert_string_equal(found, text);
}

/* --------------------------------------------------------------------------------------------------------------- copies */

static void test_copies(void **state) {
    const struct place *place = *state;
    struct copy copy, again, changed;
    struct error error = {0};
    char hash[HASH_TEXT];
    assert_int_equal(mkdir(at(place, "run"), 0700), 0);
    assert_int_equal(mkdir(at(place, "x.resources"), 0700), 0);
    assert_int_equal(mkdir(at(place, "x.resources/deep"), 0700), 0);
    write_text(at(place, "x.so"), "library");
    write_text(at(place, "x.resources/deep/table"), "numbers");
    assert_int_equal(symlink("/etc/passwd", at(place, "x.resources/link")), 0);
    assert_true(copies_take(at(place, "run"), at(place, "x.so"), at(place, "x.resources"), &copy, &error));
    hash_bytes("library", 7, hash);
    assert_string_equal(copy.library_hash, hash);
    assert_string_not_equal(copy.path, at(place, "x.so"));
    assert_string_equal(strrchr(copy.path, '/'), "/x.so"); /* people are told its name */
    write_text(at(place, "x.so"), "another");
    write_text(at(place, "x.resources/deep/table"), "others!");
    char inside[300];
    (void)snprintf(inside, sizeof inside, "%s/deep/table", copy.resources);
    assert_holds(copy.path, "library");
    assert_holds(inside, "numbers");
    (void)snprintf(inside, sizeof inside, "%s/link", copy.resources);
    assert_int_not_equal(access(inside, F_OK), 0); /* links aren't followed */
    assert_true(copies_take(at(place, "run"), at(place, "x.so"), at(place, "x.resources"), &changed, &error));
    assert_string_not_equal(changed.path, copy.path);
    assert_string_not_equal(changed.resources_hash, copy.resources_hash);
    assert_true(copies_take(at(place, "run"), at(place, "x.so"), at(place, "x.resources"), &again, &error));
    assert_string_equal(again.path, changed.path); /* the same content: the same copy */
    assert_holds(copy.path, "library");
    copies_clear(&copy);
    copies_clear(&again);
    copies_clear(&changed);
}

/* Of what a bridge loads, the bridge is the library, and the one file its resources. */
static void test_copies_of_one_file(void **state) {
    const struct place *place = *state;
    struct copy one, two;
    struct error error = {0};
    char inside[300];
    assert_int_equal(mkdir(at(place, "run"), 0700), 0);
    write_text(at(place, "bridge.so"), "bridge");
    write_text(at(place, "one.so"), "first");
    write_text(at(place, "two.so"), "second");
    assert_true(copies_take(at(place, "run"), at(place, "bridge.so"), at(place, "one.so"), &one, &error));
    assert_true(copies_take(at(place, "run"), at(place, "bridge.so"), at(place, "two.so"), &two, &error));
    assert_string_not_equal(one.path, two.path); /* each has its own */
    assert_string_equal(one.library_hash, two.library_hash);
    assert_string_not_equal(one.resources_hash, two.resources_hash);
    write_text(at(place, "one.so"), "changed");
    (void)snprintf(inside, sizeof inside, "%s/one.so", one.resources);
    assert_holds(inside, "first");
    copies_clear(&one);
    copies_clear(&two);
}

static void test_copies_of_what_is_none(void **state) {
    const struct place *place = *state;
    struct copy copy;
    struct error error = {0};
    assert_int_equal(mkdir(at(place, "run"), 0700), 0);
    assert_false(copies_take(at(place, "run"), at(place, "none.so"), NULL, &copy, &error));
    assert_non_null(strstr(error.text, "No such file"));
    assert_int_equal(mkfifo(at(place, "pipe.so"), 0600), 0); /* must not hang */
    assert_false(copies_take(at(place, "run"), at(place, "pipe.so"), NULL, &copy, &error));
    write_text(at(place, "empty.so"), "");
    assert_false(copies_take(at(place, "run"), at(place, "empty.so"), NULL, &copy, &error));
    assert_int_equal(mkdir(at(place, "folder.so"), 0700), 0);
    assert_false(copies_take(at(place, "run"), at(place, "folder.so"), NULL, &copy, &error));
}

/* Where nothing can be copied to, the original serves; resources that are too large stay where they are. */
static void test_copies_fall_back(void **state) {
    const struct place *place = *state;
    struct copy copy;
    struct error error = {0};
    write_text(at(place, "x.so"), "library");
    assert_true(copies_take(at(place, "nowhere"), at(place, "x.so"), NULL, &copy, &error));
    assert_string_equal(copy.path, at(place, "x.so"));
    assert_int_equal(strlen(copy.library_hash), 32);
    copies_clear(&copy);
    assert_int_equal(mkdir(at(place, "run"), 0700), 0);
    assert_int_equal(mkdir(at(place, "x.resources"), 0700), 0);
    write_text(at(place, "x.resources/huge"), "");
    assert_int_equal(truncate(at(place, "x.resources/huge"), (off_t)COPIES_RESOURCES_MAX + 1), 0);
    assert_true(copies_take(at(place, "run"), at(place, "x.so"), at(place, "x.resources"), &copy, &error));
    assert_string_not_equal(copy.path, at(place, "x.so"));
    assert_string_equal(copy.resources, at(place, "x.resources"));
    assert_string_equal(copy.resources_hash, "");
    copies_clear(&copy);
}

/* ---------------------------------------------------------------------------------------------------------------- cache */

static cJSON *message_of(const char *outcome) {
    cJSON *message = cJSON_CreateObject(), *plugins = cJSON_AddArrayToObject(message, "plugins"),
          *plugin = cJSON_CreateObject();
    cJSON_AddStringToObject(message, "outcome", "ok");
    cJSON_AddStringToObject(plugin, "id", "x");
    cJSON_AddStringToObject(plugin, "outcome", outcome);
    cJSON_AddItemToArray(plugins, plugin);
    return message;
}

static bool is_known(const struct place *place, const struct copy *copy, const cJSON *params) {
    struct probe_cache *cache = probe_cache_open(at(place, "cache/deep"), "/bin/sh", params);
    cJSON *message = probe_cache_find(cache, "/p/x.so", copy);
    bool known = message != NULL;
    cJSON_Delete(message);
    probe_cache_close(cache);
    return known;
}

static void keep(const struct place *place, const struct copy *copy, const char *outcome) {
    cJSON *message = message_of(outcome);
    struct probe_cache *cache = probe_cache_open(at(place, "cache/deep"), "/bin/sh", NULL);
    assert_non_null(cache);
    probe_cache_keep(cache, "/p/x.so", copy, message);
    probe_cache_close(cache);
    cJSON_Delete(message);
}

static const struct copy some_copy = {.library_hash = "0123456789abcdef0123456789abcdef", .mtime_ns = 5, .size = 7};

/* The path of the only entry. */
static const char *entry_path(const struct place *place) {
    char name[HASH_TEXT], text[100];
    hash_bytes("/p/x.so", 7, name);
    (void)snprintf(text, sizeof text, "cache/deep/%s", name);
    return at(place, text);
}

static void test_cache_keys(void **state) {
    const struct place *place = *state;
    struct copy copy = some_copy;
    cJSON *params = cJSON_CreateObject();
    cJSON_AddObjectToObject(params, "x");
    assert_false(is_known(place, &copy, NULL));
    keep(place, &copy, "ok");
    assert_true(is_known(place, &copy, NULL));
    assert_false(is_known(place, &copy, params));
    copy.mtime_ns++;
    assert_false(is_known(place, &copy, NULL));
    copy = some_copy;
    copy.size++;
    assert_false(is_known(place, &copy, NULL));
    copy = some_copy;
    copy.library_hash[3] = 'f';
    assert_false(is_known(place, &copy, NULL));
    copy = some_copy;
    strcpy(copy.resources_hash, some_copy.library_hash);
    assert_false(is_known(place, &copy, NULL));
    copy = some_copy;
    copy.resources = (char[]){"/p/x.resources"}; /* used where they are: nobody knows whether they have changed */
    assert_false(is_known(place, &copy, NULL));
    probe_cache_forget(at(place, "cache/deep"), "/p/x.so");
    assert_false(is_known(place, &some_copy, NULL));
    keep(place, &some_copy, "failed"); /* what is broken is tried again */
    assert_int_not_equal(access(entry_path(place), F_OK), 0);
    cJSON_Delete(params);
}

/* An entry that was damaged anywhere, by a flipped bit or cut off, is as good as none. */
static void test_cache_damage(void **state) {
    const struct place *place = *state;
    char text[4096];
    keep(place, &some_copy, "ok");
    FILE *file = fopen(entry_path(place), "r");
    assert_non_null(file);
    size_t n = fread(text, 1, sizeof text, file);
    (void)fclose(file);
    assert_true(n > 60 && n < sizeof text);
    for (size_t i = 0; i < n; i++) {
        text[i] ^= 4;
        file = fopen(entry_path(place), "w");
        assert_non_null(file);
        assert_int_equal(fwrite(text, 1, n, file), n);
        (void)fclose(file);
        assert_false(is_known(place, &some_copy, NULL));
        text[i] ^= 4;
    }
    for (size_t i = 0; i < n; i += 7) {
        file = fopen(entry_path(place), "w");
        assert_non_null(file);
        assert_int_equal(fwrite(text, 1, i, file), i);
        (void)fclose(file);
        assert_false(is_known(place, &some_copy, NULL));
    }
    keep(place, &some_copy, "ok"); /* it is replaced */
    assert_true(is_known(place, &some_copy, NULL));
}

/* What others could have put there isn't read. */
static void test_cache_of_others(void **state) {
    const struct place *place = *state;
    keep(place, &some_copy, "ok");
    assert_int_equal(chmod(entry_path(place), 0666), 0);
    assert_false(is_known(place, &some_copy, NULL));
    assert_int_equal(chmod(entry_path(place), 0600), 0);
    assert_true(is_known(place, &some_copy, NULL));
    assert_int_equal(rename(entry_path(place), at(place, "aside")), 0);
    assert_int_equal(symlink(at(place, "aside"), entry_path(place)), 0);
    assert_false(is_known(place, &some_copy, NULL));
    assert_int_equal(unlink(entry_path(place)), 0);
    assert_int_equal(mkfifo(entry_path(place), 0600), 0); /* must not hang */
    assert_false(is_known(place, &some_copy, NULL));
    assert_int_equal(unlink(entry_path(place)), 0);
    assert_int_equal(rename(at(place, "aside"), entry_path(place)), 0);
    assert_true(is_known(place, &some_copy, NULL));
    assert_int_equal(chmod(at(place, "cache/deep"), 0777), 0);
    assert_false(is_known(place, &some_copy, NULL));
}

/* Many processes that write and read the same entry: a reader finds a whole one each time. */
static void test_cache_at_once(void **state) {
    const struct place *place = *state;
    keep(place, &some_copy, "ok");
    pid_t writers[3];
    for (int i = 0; i < 3; i++) {
        writers[i] = fork();
        assert_true(writers[i] >= 0);
        if (writers[i] != 0) continue;
        for (int k = 0; k < 200; k++) keep(place, &some_copy, "ok");
        _exit(0);
    }
    for (int k = 0; k < 300; k++) assert_true(is_known(place, &some_copy, NULL));
    for (int i = 0; i < 3; i++) {
        int status = 1;
        assert_int_equal(waitpid(writers[i], &status, 0), writers[i]);
        assert_int_equal(status, 0);
    }
}

/* -------------------------------------------------------------------------------------------------- ranking, isolation */

static const struct engine_library three[] = {{"/p/bundled.so", NULL, false, NULL, NULL},
                                              {"/p/one.so", NULL, true, NULL, NULL},
                                              {"/p/two.so", NULL, true, NULL, NULL},
                                              {"/p/twin.so", NULL, true, "is hidden by /q/twin.so", NULL}};

/* A library of plugins "id vendor provides needs"; "-": nothing. */
static void take(struct registry *registry, size_t library, const char *const *plugins, size_t count) {
    cJSON *message = cJSON_CreateObject(), *list = cJSON_AddArrayToObject(message, "plugins");
    cJSON_AddStringToObject(message, "outcome", "ok");
    cJSON_AddStringToObject(message, "hash", "0123456789abcdef0123456789abcdef");
    for (size_t i = 0; i < count; i++) {
        char id[64], vendor[64], provides[64], needs[64];
        assert_int_equal(sscanf(plugins[i], "%63s %63s %63s %63s", id, vendor, provides, needs), 4);
        cJSON *plugin = cJSON_CreateObject();
        cJSON_AddItemToArray(list, plugin);
        cJSON_AddStringToObject(plugin, "id", id);
        cJSON_AddStringToObject(plugin, "vendor", vendor);
        cJSON_AddStringToObject(plugin, "version", "1");
        for (int k = 0; k < 2; k++) {
            const char *name = k == 0 ? provides : needs;
            cJSON *interfaces = cJSON_AddArrayToObject(plugin, k == 0 ? "provides" : "needs");
            if (strcmp(name, "-") == 0) continue;
            cJSON *one = cJSON_CreateObject();
            cJSON_AddItemToArray(interfaces, one);
            cJSON_AddStringToObject(one, "id", name);
            cJSON_AddNumberToObject(one, "major", 1);
        }
    }
    registry_take(registry, library, message);
    cJSON_Delete(message);
}

static struct registry *wire(const struct engine_options *options) {
    static const char *const bundled[] = {"key sonde key -", "fallback sonde key -", "reader sonde - key"};
    static const char *const one[] = {"one.key acme key -", "one.other acme other -"};
    static const char *const two[] = {"two.key bolt key -", "two.also acme also -"};
    struct registry *registry = registry_new(three, 4, NULL, NULL);
    assert_non_null(registry);
    take(registry, 0, bundled, 3);
    take(registry, 1, one, 2);
    take(registry, 2, two, 2);
    assert_true(registry_wire(registry, options, NULL));
    return registry;
}

static const struct registry_plugin *plugin_of(const struct registry *registry, const char *id) {
    size_t index = registry_find(registry, id);
    assert_true(index != SIZE_MAX);
    return &registry->plugins[index];
}

/* Who provides what `id` needs, in order, as words. */
static const char *providers_of(const struct registry *registry, const char *id) {
    static char words[300];
    words[0] = '\0';
    const struct registry_need *need = &plugin_of(registry, id)->needs[0];
    for (size_t i = 0; i < need->providers_count; i++) {
        strcat(words, i > 0 ? " " : "");
        strcat(words, registry->plugins[need->providers[i]].id);
    }
    return words;
}

static void test_ranking(void **state) {
    (void)state;
    struct registry *registry = wire(&(struct engine_options){0});
    assert_string_equal(providers_of(registry, "reader"), "key fallback one.key two.key");
    assert_string_equal(plugin_of(registry, "fallback")->reason, "stands by for key");
    assert_string_equal(plugin_of(registry, "one.key")->reason, ""); /* another origin: it runs besides */
    assert_string_equal(plugin_of(registry, "two.key")->reason, "stands by for one.key");
    assert_true(registry->libraries[3].refused);
    assert_string_equal(registry->libraries[3].reason, "is hidden by /q/twin.so");
    registry_free(registry);

    static const char *const order[] = {"two.key", "fallback", "no.such"};
    static const struct engine_ranking ranking = {"key/1", order, 3};
    registry = wire(&(struct engine_options){.rankings = &ranking, .rankings_count = 1});
    assert_string_equal(providers_of(registry, "reader"), "two.key fallback key one.key");
    assert_int_equal(plugin_of(registry, "two.key")->stands_by, SIZE_MAX);
    assert_string_equal(plugin_of(registry, "fallback")->reason, "stands by for two.key");
    assert_string_equal(plugin_of(registry, "key")->reason, "stands by for fallback");
    assert_int_equal(plugin_of(registry, "one.other")->stands_by, SIZE_MAX);
    registry_free(registry);
}

static void note_problem(void *user, const char *about, const char *sentence) {
    char *told = user;
    size_t n = strlen(told);
    (void)snprintf(told + n, 1000 - n, "%s: %s\n", about, sentence);
}

/* Values called as those of an interface are the business of its providers. */
static void test_values_of_others(void **state) {
    (void)state;
    static const char message[] =
        "{\"outcome\":\"ok\",\"hash\":\"0123456789abcdef0123456789abcdef\",\"plugins\":[{\"id\":\"%s\",\"version\":\"1\",\"provides\":[%s],"
        "\"schema\":{\"type\":\"object\",\"properties\":{"
        "\"speed\":{\"type\":\"number\",\"x-unit\":\"bpm\",\"x-summary\":{\"as\":\"bpm\",\"rule\":\"mean\"}},"
        "\"hum\":{\"type\":\"number\",\"x-unit\":\"dB\",\"x-summary\":{\"as\":\"hum\",\"rule\":\"mean\"}}}}}]}";
    static const char *const ids[] = {"ours", "stranger", "provider"};
    struct registry *registry = registry_new(three, 3, NULL, NULL);
    for (size_t i = 0; i < 3; i++) {
        char text[1000];
        (void)snprintf(text, sizeof text, message, ids[i], i == 2 ? "{\"id\":\"tempo_meter\",\"major\":1}" : "");
        cJSON *one = cJSON_Parse(text);
        registry_take(registry, i, one);
        cJSON_Delete(one);
    }
    assert_true(registry_wire(registry, &(struct engine_options){0}, NULL));
    for (size_t i = 0; i < 3; i++) {
        const struct registry_plugin *plugin = plugin_of(registry, ids[i]);
        assert_int_equal(schema_summary_count(plugin->schema), i == 1 ? 1 : 2);
        assert_int_equal(strstr(plugin->schema_text, "\"as\":\"bpm\"") != NULL, i != 1);
        assert_non_null(strstr(plugin->schema_text, "speed")); /* the result itself stays as it is */
    }
    char told[1000] = "";
    discovery_problems(registry, note_problem, told);
    assert_string_equal(
        told, "stranger: its \"speed\" is left out of summaries: \"bpm\" is a value of tempo_meter/1, which it"
              " doesn't provide\n");
    registry_free(registry);
}

static size_t groups_in_use(const struct registry *registry) {
    size_t n = 0;
    for (size_t i = 0; i < registry->groups_count; i++) n += registry->groups[i].plugins_count > 0;
    return n;
}

static void test_isolation(void **state) {
    (void)state;
    static const struct {
        enum engine_isolation isolation;
        size_t groups;
        bool same_library, same_vendor, strangers; /* share a process */
    } cases[] = {{ISOLATE_PLUGIN, 5, false, false, false},
                 {ISOLATE_LIBRARY, 3, true, false, false},
                 {ISOLATE_VENDOR, 3, true, true, false},
                 {ISOLATE_SHARED, 2, true, true, true}};
    for (size_t i = 0; i < sizeof cases / sizeof *cases; i++) {
        struct registry *registry = wire(&(struct engine_options){.isolation = cases[i].isolation});
        size_t one = plugin_of(registry, "one.key")->group, other = plugin_of(registry, "one.other")->group,
               also = plugin_of(registry, "two.also")->group, bolt = plugin_of(registry, "two.key")->group;
        assert_int_equal(groups_in_use(registry), cases[i].groups);
        assert_int_equal(one == other, cases[i].same_library);
        assert_int_equal(one == also, cases[i].same_vendor);
        assert_int_equal(one == bolt, cases[i].strangers);
        assert_int_equal(plugin_of(registry, "key")->group, 0);
        assert_true(one != 0 && also != 0 && bolt != 0); /* never with bundled ones */
        registry_free(registry);
    }
}

/* All plugins of such a library share a process, with nobody else, whatever the user chose for the rest. */
static void test_isolation_of_what_a_bridge_loads(void **state) {
    static const struct engine_library libraries[] = {{"/p/bundled.so", NULL, false, NULL, NULL},
                                                      {"/p/own.so", NULL, true, NULL, NULL},
                                                      {"/v/one.so", NULL, true, NULL, "/b/vamp.so"},
                                                      {"/v/two.so", NULL, true, NULL, "/b/vamp.so"}};
    static const char *const bundled[] = {"key sonde key -"}, *const own[] = {"own acme - -"};
    static const char *const one[] = {"one.a acme - -", "one.b acme - -"}, *const two[] = {"two.a acme - -"};
    static const enum engine_isolation choices[] = {ISOLATE_PLUGIN, ISOLATE_LIBRARY, ISOLATE_VENDOR, ISOLATE_SHARED};
    (void)state;
    for (size_t i = 0; i < 4; i++) {
        struct registry *registry = registry_new(libraries, 4, NULL, NULL);
        assert_non_null(registry);
        assert_string_equal(registry->libraries[2].copy.path, "/b/vamp.so");
        assert_string_equal(registry->libraries[2].copy.resources, "/v/one.so");
        take(registry, 0, bundled, 1);
        take(registry, 1, own, 1);
        take(registry, 2, one, 2);
        take(registry, 3, two, 1);
        assert_true(registry_wire(registry, &(struct engine_options){.isolation = choices[i]}, NULL));
        assert_int_equal(plugin_of(registry, "one.a")->group, plugin_of(registry, "one.b")->group);
        assert_int_not_equal(plugin_of(registry, "one.a")->group, plugin_of(registry, "two.a")->group);
        assert_int_not_equal(plugin_of(registry, "one.a")->group, plugin_of(registry, "own")->group);
        assert_int_not_equal(plugin_of(registry, "two.a")->group, plugin_of(registry, "own")->group);
        registry_free(registry);
    }
}

/* -------------------------------------------------------------------------------------------------------------- choices */

static struct config *config_at(const struct place *place) {
    write_text(at(place, "sonde.ini"), "");
    struct config *config = config_load(at(place, "sonde.ini"), NULL);
    assert_non_null(config);
    return config;
}

static void test_choices(void **state) {
    const struct place *place = *state;
    struct config *config = config_at(place);
    struct choices choices;
    struct error error = {0};
    static const char *const order[] = {"b", "a"};
    assert_true(choices_open(&choices, config, true, &error));
    assert_true(choices_disable(&choices, "org.x", true, &error));
    assert_true(choices_disable(&choices, "org.y", true, &error));
    assert_true(choices_disable(&choices, "org.y", true, &error));
    assert_true(choices_rank(&choices, "key/1", order, 2, &error));
    assert_true(choices_save(&choices, &error));
    choices_close(&choices);
    assert_true(choices_open(&choices, config, true, &error));
    assert_int_equal(choices.disabled_count, 2);
    assert_true(choices_is_disabled(&choices, "org.y"));
    assert_int_equal(choices.rankings_count, 1);
    assert_string_equal(choices.rankings[0].interface, "key/1");
    assert_string_equal(choices.rankings[0].plugins[0], "b");
    assert_true(choices_disable(&choices, "org.x", false, &error));
    assert_true(choices_rank(&choices, "key/1", NULL, 0, &error));
    assert_true(choices_save(&choices, &error));
    choices_close(&choices);
    assert_true(choices_open(&choices, config, false, &error));
    assert_int_equal(choices.disabled_count, 1);
    assert_int_equal(choices.rankings_count, 0);
    choices_close(&choices);
    config_free(config);
}

static void test_choices_refused(void **state) {
    const struct place *place = *state;
    struct config *config = config_at(place);
    struct choices choices;
    struct error error = {0};
    static const char *const bad[] = {"", "UPPER", "a b", "a=b", "a\nb", "../x", "[x]", "a;b"};
    static const char *const good[] = {"a"};
    assert_true(choices_open(&choices, config, true, &error));
    for (size_t i = 0; i < sizeof bad / sizeof *bad; i++) {
        assert_false(choices_disable(&choices, bad[i], true, &error));
        assert_false(choices_rank(&choices, bad[i], good, 1, &error));
        assert_false(choices_rank(&choices, "key/1", bad + i, 1, &error));
    }
    assert_int_equal(choices.disabled_count + choices.rankings_count, 0);
    choices_close(&choices);
    static const char *const broken[] = {"nonsense", "[disabled]\nA B = yes\n", "[other]\nx = 1\n",
                                         "[rank]\nkey = a\n"};
    for (size_t i = 0; i < sizeof broken / sizeof *broken; i++) {
        write_text(at(place, "sonde.plugins.ini"), broken[i]);
        assert_false(choices_open(&choices, config, false, &error));
        assert_non_null(strstr(error.text, "sonde.plugins.ini, line"));
        choices_close(&choices);
    }
    config_free(config);
}

/* Programs that change different things at once lose nothing. */
static void test_choices_at_once(void **state) {
    const struct place *place = *state;
    struct config *config = config_at(place);
    struct choices choices;
    pid_t children[8];
    for (int i = 0; i < 8; i++) {
        children[i] = fork();
        assert_true(children[i] >= 0);
        if (children[i] != 0) continue;
        char id[20];
        (void)snprintf(id, sizeof id, "org.p%d", i);
        bool ok = choices_open(&choices, config, true, NULL) && choices_disable(&choices, id, true, NULL) &&
                  choices_save(&choices, NULL);
        _exit(ok ? 0 : 1);
    }
    for (int i = 0; i < 8; i++) {
        int status = 1;
        assert_int_equal(waitpid(children[i], &status, 0), children[i]);
        assert_int_equal(status, 0);
    }
    assert_true(choices_open(&choices, config, false, NULL));
    assert_int_equal(choices.disabled_count, 8);
    choices_close(&choices);
    config_free(config);
}

int main(void) {
    const struct CMUnitTest tests[] = {
        cmocka_unit_test_setup_teardown(test_copies, make_place, drop_place),
        cmocka_unit_test_setup_teardown(test_copies_of_one_file, make_place, drop_place),
        cmocka_unit_test_setup_teardown(test_copies_of_what_is_none, make_place, drop_place),
        cmocka_unit_test_setup_teardown(test_copies_fall_back, make_place, drop_place),
        cmocka_unit_test_setup_teardown(test_cache_keys, make_place, drop_place),
        cmocka_unit_test_setup_teardown(test_cache_damage, make_place, drop_place),
        cmocka_unit_test_setup_teardown(test_cache_of_others, make_place, drop_place),
        cmocka_unit_test_setup_teardown(test_cache_at_once, make_place, drop_place),
        cmocka_unit_test(test_ranking),
        cmocka_unit_test(test_values_of_others),
        cmocka_unit_test(test_isolation),
        cmocka_unit_test(test_isolation_of_what_a_bridge_loads),
        cmocka_unit_test_setup_teardown(test_choices, make_place, drop_place),
        cmocka_unit_test_setup_teardown(test_choices_refused, make_place, drop_place),
        cmocka_unit_test_setup_teardown(test_choices_at_once, make_place, drop_place),
    };
    return cmocka_run_group_tests(tests, NULL, NULL);
}
