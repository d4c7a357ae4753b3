/* Prints the regions of audio files, for the benchmark of segmentation and for curious people: one JSON object a line,
 * {"file", "rate", "frames", "regions": [[start, end, sound_start, sound_end] in seconds], "cpu"} or {"file", "error"}.
 *
 *     regions [KEY=VALUE...] FILE...        keys as in workers/segment/segment.h */
#include "engine/base/text.h"
#include "workers/decode/libav.h"
#include "workers/decode/scan.h"

#include <fcntl.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/stat.h>
#include <time.h>
#include <unistd.h>

static double cpu_seconds(void) {
    struct timespec t;
    clock_gettime(CLOCK_PROCESS_CPUTIME_ID, &t);
    return (double)t.tv_sec + (double)t.tv_nsec * 1e-9;
}

static cJSON *describe(const struct scan *scan, const struct facts *facts, double cpu) {
    cJSON *object = cJSON_CreateObject();
    cJSON_AddNumberToObject(object, "rate", facts->rate);
    cJSON_AddNumberToObject(object, "frames", (double)scan->frames);
    cJSON_AddNumberToObject(object, "cpu", cpu);
    cJSON *regions = cJSON_AddArrayToObject(object, "regions");
    for (size_t i = 0; i < scan->regions.count; i++) {
        const struct region *r = &scan->regions.region[i];
        double rate = facts->rate;
        double times[4] = {(double)r->start / rate, (double)r->end / rate, (double)r->sound_start / rate,
                           (double)r->sound_end / rate};
        cJSON_AddItemToArray(regions, cJSON_CreateDoubleArray(times, 4));
    }
    return object;
}

static cJSON *scan_file(const char *path, struct scan *scan, const struct segment_parameters *parameters,
                        const struct source_reader *libav, struct error *error) {
    int fd = open(path, O_RDONLY | O_CLOEXEC);
    struct stat status;
    if (fd < 0 || fstat(fd, &status) != 0) {
        if (fd >= 0) close(fd);
        error_set(error, "cannot open it");
        return NULL;
    }
    double start = cpu_seconds();
    struct input input = {0};
    struct source *source = NULL;
    char hash[HASH_TEXT];
    cJSON *result = NULL;
    if (input_open(&input, fd, status.st_size, error) && input_hash(&input, hash, error) &&
        (source = source_open(&input, libav, error)) && scan_run(scan, source, parameters, NULL, NULL, error))
        result = describe(scan, source_facts(source), cpu_seconds() - start);
    source_close(source);
    input_close(&input);
    close(fd);
    return result;
}

static bool set_parameter(struct segment_parameters *parameters, const char *text, struct error *error) {
    char key[64];
    const char *equals = strchr(text, '=');
    snprintf(key, sizeof key, "%.*s", (int)(equals - text), text);
    cJSON *object = cJSON_CreateObject();
    cJSON_AddNumberToObject(object, key, strtod(equals + 1, NULL));
    bool ok = segment_parse(parameters, object, error);
    cJSON_Delete(object);
    return ok;
}

int main(int argc, char **argv) {
    struct error error = {0};
    struct segment_parameters parameters = segment_defaults();
    int first = 1;
    for (; first < argc && strchr(argv[first], '=') && strchr(argv[first], '/') == NULL; first++) {
        if (set_parameter(&parameters, argv[first], &error)) continue;
        fprintf(stderr, "regions: %s\n", error.text);
        return 2;
    }
    struct libav *libav = libav_load(&error);
    struct scan scan = {0};
    for (int i = first; i < argc; i++) {
        error = (struct error){0};
        cJSON *result = scan_file(argv[i], &scan, &parameters, libav_reader(libav), &error);
        if (!result) {
            result = cJSON_CreateObject();
            cJSON_AddStringToObject(result, "error", error.text);
        }
        char *name = text_display(argv[i], strlen(argv[i]));
        if (name) cJSON_AddStringToObject(result, "file", name);
        char *line = cJSON_PrintUnformatted(result);
        if (line) puts(line);
        cJSON_free(line);
        free(name);
        cJSON_Delete(result);
    }
    scan_free(&scan);
    libav_free(libav);
    return 0;
}
