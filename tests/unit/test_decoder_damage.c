/* The decoder role on what is cut, strange, or fails to be read halfway. */
#include "engine/base/json.h"
#include "engine/ipc/descriptors.h"
#include "tests/unit/decoder_rig.h"

#include <dirent.h>
#include <setjmp.h>
#include <sndfile.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/stat.h>
#include <unistd.h>

#include <cmocka.h>

#define RATE 44100

/* What couldn't be read is no end of the file. */
static void test_failing_reads(void **state) {
    (void)state;
    struct rig rig;
    int64_t size;
    decoder_write_audio("fails.wav", SF_FORMAT_WAV | SF_FORMAT_PCM_24, 96000, 4, 20);
    int fd = decoder_open_input(decoder_path("fails.wav"), &size);
    bool possible = decoder_break_reads(fd);
    close(fd);
    if (!possible) print_message("# reads can't be made to fail here: skipped\n");
    decoder_start(&rig);
    for (int job = 1; job <= 2 && possible; job++) {
        fd = decoder_open_input(decoder_path("fails.wav"), &size);
        decoder_send_descriptor(&rig, DESCRIPTOR_FILE, job, 0, fd);
        rig_send(&rig,
                 "{\"type\":\"%s\",\"job\":%d,\"nonce\":1,\"start\":0,\"frames\":1800000,\"keep_bytes\":999999999}",
                 job == 1 ? "scan" : "read", job);
        if (job == 1) cJSON_Delete(rig_receive(&rig, "identified"));
        if (job == 1) rig_send(&rig, "{\"type\":\"proceed\",\"job\":1,\"nonce\":1,\"wanted\":true}");
        struct decoded r = decoder_serve(&rig, job, 4, 1000, -1, fd);
        decoder_expect(&r, "failed");
        assert_non_null(strstr(json_string(r.message, "reason", ""), "cannot read the file"));
        assert_true(json_bool(r.message, "passing", false));
        decoder_free(&r);
        close(fd);
    }
    struct decoded r = decoder_read(&rig, 3, decoder_path("fails.wav"), 4, 0, 1800000); /* now it can be read again */
    decoder_expect(&r, "read_done");
    assert_int_equal(r.frames, 1800000);
    decoder_free(&r);
    rig_stop(&rig);
}

/* The warnings on the first `share` of a second's sound whose chunk of samples says that it has `size` bytes (0: what it has). */
static int count_warnings(struct rig *rig, int job, int format, double share, uint32_t size) {
    char bytes[RATE * 2 + 1000];
    decoder_write_audio("whole", format | SF_FORMAT_PCM_16, RATE, 1, 1);
    FILE *file = fopen(decoder_path("whole"), "rb");
    assert_non_null(file);
    size_t n = fread(bytes, 1, sizeof bytes, file);
    fclose(file);
    char *chunk = memmem(bytes, n, format == SF_FORMAT_WAV ? "data" : "SSND", 4);
    assert_non_null(chunk);
    for (int i = 0; size && i < 4; i++) chunk[4 + i] = (char)(size >> (format == SF_FORMAT_WAV ? 8 * i : 24 - 8 * i));
    decoder_write_bytes("cut", bytes, (size_t)((double)n * share));
    struct decoded r = decoder_scan(rig, job, decoder_path("cut"), 1, 1 << 30, 1000, false);
    decoder_expect(&r, "scanned");
    const cJSON *warnings = json_member(r.message, "warnings");
    int count = cJSON_GetArraySize(warnings);
    if (count && !strstr(cJSON_GetArrayItem(warnings, 0)->valuestring, "promises 1.000 s")) count = -1;
    decoder_free(&r);
    return count;
}

/* Of what was written to a pipe nobody has said how long it would become. */
static void test_cut(void **state) {
    (void)state;
    struct rig rig;
    static const uint32_t piped[] = {0x7ffff000, 0x7fffffff, 0x80000000, 0xffffffff};
    decoder_start(&rig);
    for (int i = 0; i < 2; i++) {
        int format = i ? SF_FORMAT_AIFF : SF_FORMAT_WAV;
        assert_int_equal(count_warnings(&rig, 10 * i + 1, format, 1, 0), 0);
        assert_int_equal(count_warnings(&rig, 10 * i + 2, format, 0.75, 0), 1);
        for (int k = 0; k < 4; k++) assert_int_equal(count_warnings(&rig, 10 * i + 3 + k, format, 0.75, piped[k]), 0);
    }
    rig_stop(&rig);
}

/* ----------------------------------------------------------------------------------------------------- strangers' files */

static int survey_folder(struct rig *rig, const char *path, int job) {
    DIR *dir = opendir(path);
    struct dirent *entry;
    while (dir && (entry = readdir(dir))) {
        char name[1024];
        struct stat status;
        snprintf(name, sizeof name, "%s/%s", path, entry->d_name);
        if (entry->d_name[0] == '.' || stat(name, &status) != 0) continue;
        if (S_ISDIR(status.st_mode)) job = survey_folder(rig, name, job);
        if (!S_ISREG(status.st_mode)) continue;
        struct decoded r = {0};
        int64_t size;
        int fd = decoder_open_input(name, &size);
        decoder_send_descriptor(rig, DESCRIPTOR_FILE, ++job, 0, fd);
        rig_send(rig, "{\"type\":\"scan\",\"job\":%d,\"nonce\":1,\"name\":\"x\",\"keep_bytes\":0}", job);
        close(fd);
        cJSON *answer = rig_receive(rig, "identified");
        if (!answer) fail_msg("%s: the decoder died of signal %d: %s", name, rig->signal, rig->text);
        cJSON_Delete(answer);
        rig_send(rig, "{\"type\":\"proceed\",\"job\":%d,\"nonce\":1,\"wanted\":true}", job);
        r.message = rig_receive(rig, NULL);
        if (!r.message) {
            struct note_copy note;
            char call[64];
            note_read(&rig->note, &note);
            note_system_call_name(&note, call, sizeof call);
            fail_msg("%s: the decoder died of signal %d (system call %s): %s", name, rig->signal, call, rig->text);
        }
        if (strcmp(json_string(r.message, "type", ""), "failed") == 0)
            assert_true(strlen(json_string(r.message, "reason", "")) > 10);
        else
            decoder_expect(&r, "scanned");
        decoder_free(&r);
    }
    if (dir) closedir(dir);
    return job;
}

/* No library needs a system call that a locked-down decoder doesn't have. */
static void test_strange_files(void **state) {
    (void)state;
    char path[512];
    const char *audio = getenv("SONDE_AUDIO");
    if (!audio) audio = getenv("SONDE_AUDIO_BESIDE");
    if (!audio || access(audio, R_OK) != 0) {
        print_message("# no folder of real audio (SONDE_AUDIO): skipped\n");
        return;
    }
    struct rig rig;
    decoder_start(&rig);
    snprintf(path, sizeof path, "%s/robustness", audio);
    int files = survey_folder(&rig, path, 0);
    snprintf(path, sizeof path, "%s/mixed", audio);
    print_message("# %d files\n", survey_folder(&rig, path, files));
    rig_stop(&rig);
}
int main(void) {
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(test_failing_reads),
        cmocka_unit_test(test_cut),
        cmocka_unit_test(test_strange_files),
    };
    return cmocka_run_group_tests(tests, decoder_set_up, decoder_tear_down);
}
