/* The parts of `sonde plugin check` that need no worker: the file reader, the report, the test audio. */
#include "engine/base/schema.h"
#include "engine/check/object_file.h"
#include "engine/check/report.h"
#include "engine/check/sound.h"
#include "engine/ipc/memfd.h"

#include <math.h>
#include <setjmp.h>
#include <stdarg.h>
#include <stdint.h>
#include <stdlib.h>
#include <string.h>

#include <cmocka.h>

static unsigned char *read_whole(const char *path, size_t *size) {
    FILE *file = fopen(path, "rb");
    assert_non_null(file);
    assert_int_equal(fseek(file, 0, SEEK_END), 0);
    *size = (size_t)ftell(file);
    rewind(file);
    unsigned char *bytes = malloc(*size + 1);
    assert_non_null(bytes);
    assert_int_equal(fread(bytes, 1, *size, file), *size);
    fclose(file);
    return bytes;
}

static bool has(const char **names, size_t count, const char *name) {
    for (size_t i = 0; i < count; i++)
        if (strcmp(names[i], name) == 0) return true;
    return false;
}

static void test_object_file(void **state) {
    struct object_file file;
    struct error error = {0};
    (void)state;
    assert_true(object_file_open(&file, getenv("SONDE_MINIMAL"), &error));
    assert_int_equal(file.machine, object_file_own_machine());
    assert_true(file.has_entry);
    assert_in_range(file.entry[0], 16, 4096);
    assert_true(has(file.exports, file.exports_count, "sonde_entry"));
    assert_false(file.executable_stack);
    assert_false(file.writable_code);
    object_file_close(&file);
    assert_true(object_file_open(&file, getenv("SONDE_SDK_PLUGINS"), &error));
    assert_true(has(file.needed, file.needed_count, "libc.so.6"));
    assert_true(has(file.imports, file.imports_count, "malloc") || has(file.imports, file.imports_count, "calloc"));
    object_file_close(&file);
}

static void test_not_an_object_file(void **state) {
    struct object_file file;
    struct error error = {0};
    (void)state;
    assert_false(object_file_open(&file, "/nonexistent.so", &error));
    object_file_close(&file);
    assert_false(object_file_open(&file, "/dev/null", &error));
    object_file_close(&file);
    assert_false(object_file_open(&file, "/proc/self/exe", &error)); /* a program */
    assert_non_null(strstr(error.text, "program"));
    object_file_close(&file);
}

/* Cut off anywhere, and with any of its bytes changed: it must be read without touching what isn't there. */
static void test_mangled_object_file(void **state) {
    size_t size;
    struct error error;
    uint32_t seed = 12345;
    (void)state;
    unsigned char *whole = read_whole(getenv("SONDE_MINIMAL"), &size);
    for (size_t i = 0; i < 3000; i++) {
        size_t length = i < 1000 ? size * i / 1000 : size;
        unsigned char *copy = malloc(length + 1);
        assert_non_null(copy);
        memcpy(copy, whole, length);
        for (int k = 0; i >= 1000 && k < 4; k++) {
            seed = seed * 1664525 + 1013904223;
            size_t span = i % 2 ? 64 + 56 * 12 : length; /* headers, or anywhere */
            copy[(seed >> 8) % span] = (unsigned char)(seed >> 3);
        }
        struct object_file file;
        (void)object_file_read(&file, copy, length, &error);
        for (size_t k = 0; k < file.exports_count; k++) assert_true(strlen(file.exports[k]) < length);
        object_file_close(&file);
    }
    free(whole);
}

static void test_report(void **state) {
    struct report report = {.path = "/x/y.so", .level = 5};
    (void)state;
    report_add(&report, CHECK_RUN_CRASH, "a.b", CHECK_PASSED, "%s", "");
    report_add(&report, CHECK_RUN_CRASH, "a.b", CHECK_FAILED, "first\n%d", 1);
    report_add(&report, CHECK_RUN_CRASH, "a.b", CHECK_FAILED, "second");
    report_add(&report, CHECK_RUN_CRASH, "a.b", CHECK_PASSED, "%s", "");
    report_add(&report, CHECK_END_DESTROY, NULL, CHECK_FAILED, "above the level");
    assert_int_equal(report.count, 1);
    const struct finding *finding = report_find(&report, CHECK_RUN_CRASH, "a.b");
    assert_non_null(finding);
    assert_int_equal(finding->status, CHECK_FAILED);
    assert_non_null(strstr(finding->reason, "first"));
    assert_null(strchr(finding->reason, '\n'));
    assert_false(report_passed(&report));
    report_add(&report, CHECK_DECLARED_TEXT, "a.b", CHECK_WARNED, "a warning");
    report_add(&report, CHECK_FILE_ELF, NULL, CHECK_PASSED, "%s", "");

    size_t size;
    struct error error = {0};
    char *text = (char *)read_whole(getenv("SONDE_CHECK_SCHEMA"), &size);
    struct schema *schema = schema_compile(text, size, &error);
    if (!schema) fail_msg("%s", error.text);
    cJSON *json = report_to_json(&report);
    if (!schema_check(schema, json, &error)) fail_msg("%s", error.text);
    assert_int_equal(cJSON_GetArraySize(cJSON_GetObjectItem(json, "checks")), 3);
    cJSON_Delete(json);
    schema_free(schema);
    free(text);
    report_clear(&report);
}

static void test_table(void **state) {
    (void)state;
    for (int i = 0; i < CHECK_COUNT; i++) {
        assert_non_null(check_table[i].id);
        assert_in_range(check_table[i].level, 1, CHECK_LEVELS);
        assert_true(strlen(check_table[i].looks_for) > 10 && strlen(check_table[i].mend) > 10);
        for (int k = 0; k < i; k++) assert_string_not_equal(check_table[i].id, check_table[k].id);
    }
}

/* The squares of faint music are denormal; music that fades goes through everything down to nothing. */
static void test_small_sounds(void) {
    struct sound sound;
    struct error error = {0};
    assert_true(sound_make(&sound, SOUND_FAINT, 8000, 1, 8000, &error));
    float *samples = memfd_map(sound.fd, 8000 * sizeof(float), false, &error);
    assert_non_null(samples);
    int denormal = 0, normal = 0;
    for (int i = 0; i < 8000; i++) denormal += fpclassify(samples[i] * samples[i]) == FP_SUBNORMAL;
    memfd_unmap(samples, 8000 * sizeof(float));
    sound_free(&sound);
    assert_in_range(denormal, 7000, 8000);
    assert_true(sound_make(&sound, SOUND_FADING, 8000, 1, 40000, &error));
    samples = memfd_map(sound.fd, 40000 * sizeof(float), false, &error);
    assert_non_null(samples);
    for (int i = 0; i < 8000; i++) normal += fpclassify(samples[i]) == FP_NORMAL;
    assert_in_range(normal, 7900, 8000);
    assert_true(samples[39999] == 0);
    memfd_unmap(samples, 40000 * sizeof(float));
    sound_free(&sound);
}

static void test_sounds(void **state) {
    struct sound sound;
    struct error error = {0};
    (void)state;
    assert_true(sound_make(&sound, SOUND_NONFINITE, 8000, 3, 4000, &error));
    float *samples = memfd_map(sound.fd, 3 * 4000 * sizeof(float), false, &error);
    assert_non_null(samples);
    int odd = 0;
    for (int i = 0; i < 12000; i++) odd += !isfinite(samples[i]);
    assert_in_range(odd, 100, 1000);
    memfd_unmap(samples, 3 * 4000 * sizeof(float));
    sound_free(&sound);
    test_small_sounds();
    assert_false(sound_make(&sound, SOUND_MUSIC, 44100, 0, 10, &error));
    assert_false(sound_make(&sound, SOUND_MUSIC, 44100, 33, 10, &error));
    assert_false(sound_make(&sound, SOUND_MUSIC, 44100, 2, 0, &error));
    assert_false(sound_make(&sound, SOUND_MUSIC, 44100, 32, INT64_C(1) << 40, &error));
}

int main(void) {
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(test_object_file),
        cmocka_unit_test(test_not_an_object_file),
        cmocka_unit_test(test_mangled_object_file),
        cmocka_unit_test(test_report),
        cmocka_unit_test(test_table),
        cmocka_unit_test(test_sounds),
    };
    return cmocka_run_group_tests(tests, NULL, NULL);
}
