/* The loader's seam, on POSIX systems and (by windows.py) on Windows: no test library, so that it is built for both alike.
 *
 *     test_library_file PLUGIN NOT_A_LIBRARY LIBRARY_WITHOUT_ENTRY
 *
 * Loads a plugin, runs it over a made-up region, and is told why the others can't be used. Speaks TAP. */
#include "sonde/plugin.h"
#include "workers/host/library_file.h"

#include <stdio.h>
#include <string.h>

#define FRAMES 22050

static int tests, failures;
static double written;

static void ok(int good, const char *name, const char *detail) {
    tests++;
    failures += !good;
    printf("%sok %d - %s\n", good ? "" : "not ", tests, name);
    if (!good) printf("# %s\n", detail);
}

static void host_log(const sonde_host_t *host, int32_t level, const char *text) {
    (void)host;
    printf("# log %d: %s\n", (int)level, text);
}

static void take_number(const sonde_writer_t *writer, const char *key, double value) {
    (void)writer;
    if (strcmp(key, "zero_crossing_rate") == 0) written = value;
}

static int32_t is_fine(const sonde_writer_t *writer) {
    (void)writer;
    return SONDE_OK;
}

/* One second of a square wave of 100 Hz: 200 crossings. */
static void run(const sonde_entry_t *entry) {
    static float samples[FRAMES];
    for (int i = 0; i < FRAMES; i++) samples[i] = i % 220 < 110 ? 0.5f : -0.5f;
    const float *planes[1] = {samples};
    const sonde_host_t host = {
        .struct_size = sizeof host, .abi_major = 1, .name = "test", .version = "0", .log = host_log};
    const sonde_region_t region = {.struct_size = sizeof region,
                                   .regions = 1,
                                   .parts = 1,
                                   .rate = FRAMES,
                                   .channels = 1,
                                   .frames = FRAMES,
                                   .duration = 1};
    const sonde_inputs_t inputs = {.struct_size = sizeof inputs};
    const sonde_writer_t writer = {.struct_size = sizeof writer, .number = take_number, .status = is_fine};
    sonde_plugin_t *plugin = NULL;
    ok(entry->init(&host, "") == SONDE_OK && entry->plugin_count() == 1, "it starts", "init or plugin_count");
    ok(entry->create(&host, entry->plugin_at(0)->id, NULL, 0, &plugin) == SONDE_OK && plugin, "it makes an instance",
       "");
    if (!plugin) return;
    int32_t code = plugin->begin(plugin, &region, &inputs);
    for (uint32_t from = 0; code == SONDE_OK && from < FRAMES; from += 4410) {
        const float *at[1] = {planes[0] + from};
        const sonde_block_t block = {
            .struct_size = sizeof block, .start = from, .frames = 4410, .channels = 1, .planes = at, .rate = FRAMES};
        code = plugin->process(plugin, &block);
    }
    if (code == SONDE_OK) code = plugin->finish(plugin, &inputs, &writer);
    ok(code == SONDE_OK && written > 195 && written < 205, "it analyses a region", "another result than 200");
    plugin->destroy(plugin);
    entry->deinit();
}

static void is_refused(const char *path, const char *name) {
    char why[300] = "";
    void *file = library_file_open(path, why, sizeof why);
    ok(!file && why[0], name, "it was loaded, or nobody says why it wasn't");
    printf("# %s\n", why);
}

int main(int argc, char **argv) {
    char why[300] = "untouched", small[8];
    if (argc != 4) return 2;
    void *file = library_file_open(argv[1], why, sizeof why);
    ok(file != NULL, "a plugin is loaded", why);
    const sonde_entry_t *entry = file ? library_file_symbol(file, "sonde_entry") : NULL;
    ok(entry && entry->abi_major == SONDE_ABI_MAJOR && entry->struct_size == sizeof *entry, "its entry is found",
       "no entry");
    ok(file && !library_file_symbol(file, "another_entry"), "what it doesn't export isn't", "found");
    if (entry) run(entry);
    if (file) library_file_close(file);
    is_refused(argv[2], "a file that isn't a library");
    is_refused("./there/is/no/such/file", "a file that isn't there");
    void *other = library_file_open(argv[3], why, sizeof why);
    ok(other && !library_file_symbol(other, "sonde_entry"), "a library without an entry", why);
    if (other) library_file_close(other);
    ok(!library_file_open("./none", small, sizeof small) && strlen(small) < sizeof small,
       "reasons are cut to their room", small);
    printf("1..%d\n", tests);
    return failures > 0;
}
