/* Runs plugin libraries over an audio file, in this process and without a sandbox: for developing plugins.
 *
 *     run_plugins [options] AUDIO LIBRARY.so...
 *
 * The whole file, or the range given, is taken as one region. Libraries may need each other's interfaces. Prints for each
 * plugin its outcome, CPU time per second of audio, and its result. */
#include "engine/base/json.h"
#include "workers/host/clock.h"
#include "workers/host/host.h"
#include "workers/host/order.h"

#include <getopt.h>
#include <math.h>
#include <sndfile.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <unistd.h>

#define MAX_PLUGINS 256

struct options {
    double start, end; /* s; end 0: to the end of the file */
    uint32_t block_frames;
    int repeat;
    const char *plugin_dir;
    const char *array;
    const char *only;
    bool json, quiet;
    cJSON *settings; /* {plugin: {param: value}} */
};

struct audio {
    SF_INFO info;
    float **planes;
    sonde_region_t region;
};

static const char usage[] =
    "usage: run_plugins [options] AUDIO LIBRARY.so...\n"
    "  --start S, --end S         part of the file, in seconds (the whole file)\n"
    "  --block-frames N           native frames a block (the host's choice)\n"
    "  --repeat N                 run N times; results must be the same (1)\n"
    "  --plugin-dir DIR           resource folder of every library (of DIR/NAME.so: DIR/NAME.resources, else DIR)\n"
    "  --set PLUGIN:PARAM=VALUE   a parameter\n"
    "  --only PLUGIN              print only this plugin's result\n"
    "  --array NAME               print this array of each result as text, one line an entry of the first axis\n"
    "  --json                     print one JSON object, {plugin: {outcome, reason, cpu_ms_per_s, result}}\n"
    "  --quiet                    without results and log\n";

static bool load_audio(const char *path, const struct options *options, struct audio *audio) {
    SNDFILE *file = sf_open(path, SFM_READ, &audio->info);
    if (!file) {
        fprintf(stderr, "%s: %s\n", path, sf_strerror(NULL));
        return false;
    }
    int channels = audio->info.channels;
    sf_count_t first = llrint(options->start * audio->info.samplerate), frames = audio->info.frames - first;
    if (options->end > options->start && llrint(options->end * audio->info.samplerate) - first < frames)
        frames = llrint(options->end * audio->info.samplerate) - first;
    float *interleaved = frames > 0 ? malloc((size_t)frames * (size_t)channels * sizeof *interleaved) : NULL;
    audio->planes = calloc((size_t)channels, sizeof *audio->planes);
    if (!interleaved || !audio->planes || sf_seek(file, first, SEEK_SET) < 0) {
        fprintf(stderr, "%s: nothing there to read\n", path);
        return false;
    }
    frames = sf_readf_float(file, interleaved, frames);
    sf_close(file);
    for (int c = 0; c < channels; c++) {
        audio->planes[c] = malloc((size_t)frames * sizeof(float) + 1);
        if (!audio->planes[c]) return false;
        for (sf_count_t i = 0; i < frames; i++) audio->planes[c][i] = interleaved[i * channels + c];
    }
    free(interleaved);
    double rate = audio->info.samplerate, duration = (double)frames / rate;
    audio->region = (sonde_region_t){.struct_size = sizeof audio->region,
                                     .regions = 1,
                                     .parts = 1,
                                     .rate = (uint32_t)rate,
                                     .flags = (first == 0 ? SONDE_REGION_AT_FILE_START : 0) |
                                              (first + frames >= audio->info.frames ? SONDE_REGION_AT_FILE_END : 0),
                                     .channels = (uint32_t)channels,
                                     .start_frame = first,
                                     .frames = frames,
                                     .duration = duration,
                                     .sound_end = duration,
                                     .file_frames = audio->info.frames,
                                     .file_duration = (double)audio->info.frames / rate,
                                     .seed = 0x50f7a9d3c1e2b486u};
    return frames > 0;
}

/* ------------------------------------------------------------------------------------------------------------ passes */

/* All passes over the region: results are kept as inputs of the next pass, and counted for the report. */
struct session {
    struct host *host;
    size_t count;
    const struct host_plugin *plugins[MAX_PLUGINS];
    struct host_result results[MAX_PLUGINS]; /* copies; json and arrays are owned */
    struct host_input *inputs;
    size_t inputs_count;
    int64_t resample_us, spectrum_us, feed_us;
};

static void keep_result(struct session *s, size_t index, const struct host_result *result) {
    struct host_result *kept = &s->results[index];
    *kept = *result;
    kept->json = result->json ? strdup(result->json) : NULL;
    struct host_array *arrays = calloc(result->arrays_count + 1, sizeof *arrays);
    for (size_t i = 0; arrays && i < result->arrays_count; i++) {
        arrays[i] = result->arrays[i];
        arrays[i].data = aligned_alloc(64, (arrays[i].bytes + 63) / 64 * 64 + 64);
        if (arrays[i].data) memcpy(arrays[i].data, result->arrays[i].data, arrays[i].bytes);
    }
    kept->arrays = arrays;
}

static void publish(struct session *s, size_t index) {
    const struct host_result *r = &s->results[index];
    const sonde_descriptor_t *d = r->plugin->descriptor;
    if (d->provides_count == 0) return;
    struct host_input_array *arrays = calloc(r->arrays_count + 1, sizeof *arrays);
    for (size_t i = 0; arrays && i < r->arrays_count; i++) {
        const struct host_array *a = &r->arrays[i];
        arrays[i] = (struct host_input_array){.name = a->info->name,
                                              .unit = a->info->unit,
                                              .dtype = a->info->dtype,
                                              .dimensions = a->info->dimensions,
                                              .hop = a->hop,
                                              .start = a->start,
                                              .data = a->data};
        memcpy(arrays[i].shape, a->shape, sizeof arrays[i].shape);
    }
    for (uint32_t i = 0; i < d->provides_count; i++) {
        struct host_input *list = realloc(s->inputs, (s->inputs_count + 1) * sizeof *list);
        if (!list) exit(3);
        s->inputs = list;
        list[s->inputs_count++] = (struct host_input){.interface = d->provides[i].id,
                                                      .major = d->provides[i].major,
                                                      .provider = d->id,
                                                      .outcome = host_outcome_name(r->outcome),
                                                      .reason = r->reason,
                                                      .json = r->json,
                                                      .json_length = r->json_length,
                                                      .arrays = arrays,
                                                      .arrays_count = r->arrays_count};
    }
}

static void session_free(struct session *s) {
    const struct host_input_array *freed = NULL; /* interfaces of one plugin share its list, and stand side by side */
    for (size_t i = 0; i < s->inputs_count; i++) {
        if (s->inputs[i].arrays != freed) free((struct host_input_array *)(uintptr_t)s->inputs[i].arrays);
        freed = s->inputs[i].arrays;
    }
    free(s->inputs);
    for (size_t i = 0; i < s->count; i++) {
        free((char *)(uintptr_t)s->results[i].json);
        host_arrays_free((struct host_array *)(uintptr_t)s->results[i].arrays, s->results[i].arrays_count);
    }
}

static bool run_pass(struct session *s, const struct audio *audio, const struct options *options, const size_t *levels,
                     size_t level) {
    const struct host_plugin *run[MAX_PLUGINS];
    size_t which[MAX_PLUGINS], count = 0;
    for (size_t i = 0; i < s->count; i++)
        if (levels[i] == level) {
            which[count] = i;
            run[count++] = s->plugins[i];
        }
    if (count == 0) return false;
    struct error error = {0};
    if (!host_region_begin(s->host, &audio->region, run, count, s->inputs, s->inputs_count, options->block_frames,
                           &error)) {
        fprintf(stderr, "%s\n", error.text);
        exit(1);
    }
    host_region_feed(s->host, (const float *const *)audio->planes, (size_t)audio->region.frames);
    host_region_finish(s->host);
    for (size_t i = 0; i < count; i++) keep_result(s, which[i], host_result(s->host, i));
    int64_t resample, spectrum, feed;
    host_region_cost(s->host, &resample, &spectrum, &feed);
    s->resample_us += resample;
    s->spectrum_us += spectrum;
    s->feed_us += feed;
    host_region_end(s->host);
    for (size_t i = 0; i < count; i++) publish(s, which[i]);
    return true;
}

/* The pass that each plugin belongs to: 0, or one more than that of whatever it needs early; never less than that of what it
 * needs at finish. Cycles end up in some pass. */
static void find_levels(const struct session *s, size_t levels[MAX_PLUGINS]) {
    for (size_t i = 0; i < s->count; i++) levels[i] = 0;
    bool changed = true;
    for (size_t round = 0; round < s->count && changed; round++) {
        changed = false;
        for (size_t i = 0; i < s->count; i++) {
            const sonde_descriptor_t *d = s->plugins[i]->descriptor;
            for (uint32_t n = 0; n < d->needs_count; n++)
                for (size_t p = 0; p < s->count; p++) {
                    if (p == i || !order_provides(s->plugins[p]->descriptor, &d->needs[n])) continue;
                    size_t level = levels[p] + (d->needs[n].when == SONDE_NEED_EARLY);
                    if (level <= levels[i]) continue;
                    levels[i] = level;
                    changed = true;
                }
        }
    }
}

static void run_all(struct session *s, const struct audio *audio, const struct options *options) {
    size_t levels[MAX_PLUGINS];
    find_levels(s, levels);
    for (size_t level = 0, done = 0; done < s->count && level <= s->count; level++) {
        if (!run_pass(s, audio, options, levels, level)) continue;
        for (size_t i = 0; i < s->count; i++) done += levels[i] == level;
    }
}

/* ------------------------------------------------------------------------------------------------------------ report */

static bool same_results(const struct session *a, const struct session *b) {
    for (size_t i = 0; i < a->count; i++) {
        const struct host_result *x = &a->results[i], *y = &b->results[i];
        bool same = x->outcome == y->outcome && x->arrays_count == y->arrays_count && !x->json == !y->json &&
                    (!x->json || strcmp(x->json, y->json) == 0);
        for (size_t k = 0; same && k < x->arrays_count; k++)
            same = x->arrays[k].bytes == y->arrays[k].bytes &&
                   memcmp(x->arrays[k].data, y->arrays[k].data, x->arrays[k].bytes) == 0;
        if (same) continue;
        fprintf(stderr, "%s: another run gave another result\n", x->plugin->descriptor->id);
        return false;
    }
    return true;
}

static void print_value(uint32_t dtype, const void *data, uint64_t i) {
    if (dtype == SONDE_F32)
        printf("%.9g", (double)((const float *)data)[i]);
    else if (dtype == SONDE_F64)
        printf("%.9g", ((const double *)data)[i]);
    else if (dtype == SONDE_I32)
        printf("%d", ((const int32_t *)data)[i]);
    else
        printf("%d", ((const uint8_t *)data)[i]);
}

static void print_array(const struct host_array *a) {
    uint64_t row = 1;
    for (uint32_t d = 1; d < a->info->dimensions; d++) row *= a->shape[d];
    for (uint64_t f = 0; f < a->shape[0]; f++) {
        printf("%.6f", a->start + (double)f * a->hop);
        for (uint64_t i = 0; i < row; i++) {
            putchar('\t');
            print_value(a->info->dtype, a->data, f * row + i);
        }
        putchar('\n');
    }
}

static void print_result(const struct host_result *r, const struct options *options, double duration) {
    double total = (double)r->cpu_ns / 1e6;
    printf("%-20s %-12s %8.3f ms CPU per audio s, %9.1f ms in all, %6.2f MB%s%s\n", r->plugin->descriptor->id,
           host_outcome_name(r->outcome), total / duration, total, (double)r->peak_bytes / 1e6,
           r->reason[0] ? "  " : "", r->reason);
    if (options->quiet) return;
    if (r->json) printf("%s\n", r->json);
    for (size_t i = 0; i < r->arrays_count; i++) {
        const struct host_array *a = &r->arrays[i];
        printf("  array %s %s [", a->info->name, dtype_name(a->info->dtype));
        for (uint32_t d = 0; d < a->info->dimensions; d++)
            printf("%s%llu", d ? ", " : "", (unsigned long long)a->shape[d]);
        printf("] %s, hop %.6g s\n", a->info->unit, a->hop);
        if (options->array && strcmp(options->array, a->info->name) == 0) print_array(a);
    }
}

static void print_json(const struct session *s, const struct options *options, double duration) {
    const char *comma = "";
    printf("{");
    for (size_t i = 0; i < s->count; i++) {
        const struct host_result *r = &s->results[i];
        if (options->only && strcmp(options->only, r->plugin->descriptor->id) != 0) continue;
        cJSON *reason = cJSON_CreateString(r->reason);
        char *text = cJSON_PrintUnformatted(reason);
        printf("%s\"%s\":{\"outcome\":\"%s\",\"reason\":%s,\"cpu_ms_per_s\":%.4f,\"result\":%s}", comma,
               r->plugin->descriptor->id, host_outcome_name(r->outcome), text, (double)r->cpu_ns / 1e6 / duration,
               r->json ? r->json : "null");
        comma = ",";
        free(text);
        cJSON_Delete(reason);
    }
    printf("}\n");
}

static void report(const struct session *s, const struct options *options, const struct audio *audio) {
    double duration = audio->region.duration;
    if (options->json) {
        print_json(s, options, duration);
        return;
    }
    printf("%.3f s, %u Hz, %u channels\n", duration, audio->region.rate, audio->region.channels);
    for (size_t i = 0; i < s->count; i++)
        if (!options->only || strcmp(options->only, s->plugins[i]->descriptor->id) == 0)
            print_result(&s->results[i], options, duration);
    printf("host: resampling %.3f, spectra %.3f, the rest %.3f ms CPU per audio s\n",
           (double)s->resample_us / 1e3 / duration, (double)s->spectrum_us / 1e3 / duration,
           (double)s->feed_us / 1e3 / duration);
}

/* -------------------------------------------------------------------------------------------------------------- main */

static void log_line(void *context, const char *plugin, int level, const char *text) {
    const struct options *options = context;
    static const char *const levels[] = {"debug", "info", "warning", "error"};
    if (!options->quiet) fprintf(stderr, "%s: %s: %s\n", plugin, levels[level], text);
}

static bool add_setting(cJSON *settings, const char *text) {
    const char *colon = strchr(text, ':'), *equals = colon ? strchr(colon, '=') : NULL;
    if (!equals) return false;
    char *plugin = strndup(text, (size_t)(colon - text)), *param = strndup(colon + 1, (size_t)(equals - colon - 1));
    cJSON *object = cJSON_GetObjectItemCaseSensitive(settings, plugin);
    if (!object) object = cJSON_AddObjectToObject(settings, plugin);
    bool added = object && cJSON_AddStringToObject(object, param, equals + 1);
    free(plugin);
    free(param);
    return added;
}

static bool read_options(int argc, char **argv, struct options *options) {
    static const struct option names[] = {{"start", 1, NULL, 's'},
                                          {"end", 1, NULL, 'e'},
                                          {"block-frames", 1, NULL, 'b'},
                                          {"repeat", 1, NULL, 'r'},
                                          {"plugin-dir", 1, NULL, 'd'},
                                          {"array", 1, NULL, 'a'},
                                          {"set", 1, NULL, 'p'},
                                          {"only", 1, NULL, 'o'},
                                          {"json", 0, NULL, 'j'},
                                          {"quiet", 0, NULL, 'q'},
                                          {NULL, 0, NULL, 0}};
    int c;
    while ((c = getopt_long(argc, argv, "", names, NULL)) != -1) {
        if (c == 's')
            options->start = strtod(optarg, NULL);
        else if (c == 'e')
            options->end = strtod(optarg, NULL);
        else if (c == 'b')
            options->block_frames = (uint32_t)strtoul(optarg, NULL, 10);
        else if (c == 'r')
            options->repeat = atoi(optarg);
        else if (c == 'd')
            options->plugin_dir = optarg;
        else if (c == 'a')
            options->array = optarg;
        else if (c == 'o')
            options->only = optarg;
        else if (c == 'j')
            options->json = true;
        else if (c == 'q')
            options->quiet = true;
        else if (c != 'p' || !add_setting(options->settings, optarg))
            return false;
    }
    return argc - optind >= 2;
}

static bool load_libraries(struct host *host, char **paths, int count, const struct options *options) {
    for (int i = 0; i < count; i++) {
        char *path = realpath(paths[i], NULL), *dir = NULL;
        if (path && asprintf(&dir, "%.*s.resources", (int)strlen(path) - 3, path) < 0) dir = NULL; /* without ".so" */
        if (dir && access(dir, F_OK) != 0) *strrchr(dir, '/') = '\0';
        struct error error = {0};
        bool good = path && dir &&
                    host_load(host, path, options->plugin_dir ? options->plugin_dir : dir, NULL, options->settings,
                              &error);
        if (!good) fprintf(stderr, "%s: %s\n", paths[i], path ? error.text : "no such file");
        free(path);
        free(dir);
        if (!good) return false;
    }
    host_create(host);
    return true;
}

int main(int argc, char **argv) {
    struct options options = {.repeat = 1, .settings = cJSON_CreateObject()};
    if (!read_options(argc, argv, &options)) {
        fputs(usage, stderr);
        return 2;
    }
    struct audio audio = {0};
    struct error error = {0};
    struct host_hooks hooks = {.context = &options, .log = log_line};
    struct host *host = host_new(&hooks, &error);
    if (!host || !load_audio(argv[optind], &options, &audio)) return 1;
    if (!load_libraries(host, argv + optind + 1, argc - optind - 1, &options)) return 1;
    struct session first = {0};
    bool same = true;
    for (int i = 0; i < options.repeat && same; i++) {
        struct session session = {.host = host, .count = host_plugins_count(host)};
        if (session.count > MAX_PLUGINS) session.count = MAX_PLUGINS;
        for (size_t p = 0; p < session.count; p++) session.plugins[p] = host_plugin_at(host, p);
        run_all(&session, &audio, &options);
        if (i == 0)
            first = session;
        else
            same = same_results(&first, &session);
        if (i > 0) session_free(&session);
    }
    report(&first, &options, &audio);
    bool good = same;
    for (size_t i = 0; i < first.count; i++) good = good && first.results[i].outcome <= HOST_EMPTY;
    session_free(&first);
    for (int c = 0; c < audio.info.channels; c++) free(audio.planes[c]);
    free(audio.planes);
    cJSON_Delete(options.settings);
    host_free(host);
    return good ? 0 : 1;
}
