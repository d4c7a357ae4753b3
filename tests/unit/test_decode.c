/* Sources and the scan, without a worker: many formats, and headers that lie.
 * With SONDE_AUDIO (default ../shared/audio beside the checkout) also files of strangers. */
#include "workers/decode/libav.h"
#include "workers/decode/scan.h"

#include <dirent.h>
#include <errno.h>
#include <fcntl.h>
#include <math.h>
#include <setjmp.h>
#include <sndfile.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/stat.h>
#include <time.h>
#include <unistd.h>

#include <cmocka.h>

/* libsndfile 1.2.0 forgets this when a file turns out not to be Vorbis after all: a leak of the library's, not of ours. */
__attribute__((visibility("default"))) const char *__lsan_default_suppressions(void);
const char *__lsan_default_suppressions(void) {
    return "leak:vorbis_info_init\n";
}

static char folder[64];
static struct libav *libav;

static const char *path_of(const char *name) {
    static char path[256];
    snprintf(path, sizeof path, "%s/%s", folder, name);
    return path;
}

/* One scan of one file. */
struct outcome {
    bool ok;
    struct error error;
    struct facts facts;
    char trouble[500];
    struct scan scan;
    float *samples; /* interleaved, all of them, when asked for */
    double seconds; /* CPU */
};

struct sink {
    float *samples;
    int64_t frames;
    int channels;
};

static bool collect(void *context, const float *samples, int64_t frames, struct error *error) {
    struct sink *sink = context;
    size_t channels = (size_t)sink->channels, used = (size_t)sink->frames * channels, n = (size_t)frames * channels;
    float *larger = realloc(sink->samples, (used + n) * sizeof *larger);
    if (!larger) return error_memory(error);
    memcpy(larger + used, samples, n * sizeof *samples);
    sink->samples = larger;
    sink->frames += frames;
    return true;
}

static double cpu_seconds(void) {
    struct timespec t;
    clock_gettime(CLOCK_PROCESS_CPUTIME_ID, &t);
    return (double)t.tv_sec + (double)t.tv_nsec * 1e-9;
}

static struct outcome scan_path(const char *path, bool keep) {
    struct outcome o = {0};
    struct stat status;
    struct input input = {0};
    char hash[HASH_TEXT];
    struct segment_parameters parameters = segment_defaults();
    double start = cpu_seconds();
    int fd = open(path, O_RDONLY | O_CLOEXEC);
    if (fd < 0 || fstat(fd, &status) != 0) fail_msg("no %s", path);
    struct source *source = NULL;
    if (input_open(&input, fd, status.st_size, &o.error) && input_hash(&input, hash, &o.error) &&
        (source = source_open(&input, libav_reader(libav), &o.error))) {
        struct sink sink = {.channels = source_facts(source)->channels};
        o.ok = scan_run(&o.scan, source, &parameters, keep ? collect : NULL, &sink, &o.error);
        o.samples = sink.samples;
        o.facts = *source_facts(source);
        snprintf(o.trouble, sizeof o.trouble, "%s", source_trouble(source));
    }
    source_close(source);
    input_close(&input);
    close(fd);
    o.seconds = cpu_seconds() - start;
    return o;
}

static void drop(struct outcome *o) {
    scan_free(&o->scan);
    free(o->samples);
}

static void write_bytes(const char *name, const void *bytes, size_t n) {
    FILE *file = fopen(path_of(name), "wb");
    assert_non_null(file);
    assert_int_equal(fwrite(bytes, 1, n, file), n);
    fclose(file);
}

/* The file's bytes; the caller frees. */
static unsigned char *read_bytes(const char *name, size_t *n) {
    FILE *file = fopen(path_of(name), "rb");
    assert_non_null(file);
    fseek(file, 0, SEEK_END);
    *n = (size_t)ftell(file);
    rewind(file);
    unsigned char *bytes = malloc(*n + 1);
    assert_non_null(bytes);
    assert_int_equal(fread(bytes, 1, *n, file), *n);
    fclose(file);
    return bytes;
}

static float tone(int64_t frame, int channel, int rate) {
    return (float)(0.25 * sin(2 * 3.14159265358979 * (rate / 50.0 + 7 * channel) * (double)frame / rate));
}

/* Tones in a new file; `prepare` (may be NULL) sees it before they are written. */
static void write_tone(const char *name, int format, int rate, int channels, int64_t frames,
                       void (*prepare)(SNDFILE *)) {
    SF_INFO info = {.samplerate = rate, .channels = channels, .format = format};
    SNDFILE *file = sf_open(path_of(name), SFM_WRITE, &info);
    if (!file) fail_msg("%s: %s", name, sf_strerror(NULL));
    if (prepare) prepare(file);
    float *x = malloc((size_t)(frames * channels) * sizeof *x);
    assert_non_null(x);
    for (int64_t i = 0; i < frames; i++)
        for (int c = 0; c < channels; c++) x[i * channels + c] = tone(i, c, rate);
    assert_int_equal(sf_writef_float(file, x, frames), frames);
    free(x);
    sf_close(file);
}

/* ---------------------------------------------------------------------------------------------------------- formats */

static void test_formats(void **state) {
    (void)state;
    static const struct {
        const char *name;
        int format, rate, channels;
        const char *container, *codec, *sample_format;
        int bits;
        double slack; /* of a sample; above 0.1: lossy, only the length is compared */
    } cases[] = {
        {"a.wav", SF_FORMAT_WAV | SF_FORMAT_PCM_16, 44100, 2, "wav", "pcm", "int", 16, 4e-5},
        {"b.wav", SF_FORMAT_WAV | SF_FORMAT_PCM_U8, 8000, 1, "wav", "pcm", "int", 8, 0.01},
        {"c.wav", SF_FORMAT_WAV | SF_FORMAT_PCM_24, 96000, 6, "wav", "pcm", "int", 24, 2e-7},
        {"d.wav", SF_FORMAT_WAV | SF_FORMAT_PCM_32, 44100, 3, "wav", "pcm", "int", 32, 1e-7},
        {"e.wav", SF_FORMAT_WAV | SF_FORMAT_FLOAT, 768000, 2, "wav", "pcm", "float", 32, 0},
        {"f.wav", SF_FORMAT_WAV | SF_FORMAT_DOUBLE, 1000, 1, "wav", "pcm", "float", 64, 0},
        {"g.wav", SF_FORMAT_WAVEX | SF_FORMAT_PCM_16, 48000, 64, "wav", "pcm", "int", 16, 4e-5},
        {"h.wav", SF_FORMAT_WAV | SF_FORMAT_ULAW, 8000, 1, "wav", "ulaw", "", 0, 0.03},
        {"i.wav", SF_FORMAT_WAV | SF_FORMAT_IMA_ADPCM, 22050, 1, "wav", "ima_adpcm", "", 0, 1},
        {"a.aiff", SF_FORMAT_AIFF | SF_FORMAT_PCM_24, 44100, 2, "aiff", "pcm", "int", 24, 2e-7},
        {"a.au", SF_FORMAT_AU | SF_FORMAT_PCM_16, 44100, 2, "au", "pcm", "int", 16, 4e-5},
        {"a.caf", SF_FORMAT_CAF | SF_FORMAT_FLOAT, 44100, 2, "caf", "pcm", "float", 32, 0},
        {"b.caf", SF_FORMAT_CAF | SF_FORMAT_ALAC_16, 44100, 2, "caf", "alac", "int", 16, 4e-5},
        {"a.w64", SF_FORMAT_W64 | SF_FORMAT_PCM_16, 192000, 8, "w64", "pcm", "int", 16, 4e-5},
        {"a.rf64", SF_FORMAT_RF64 | SF_FORMAT_PCM_16, 44100, 2, "rf64", "pcm", "int", 16, 4e-5},
        {"a.flac", SF_FORMAT_FLAC | SF_FORMAT_PCM_16, 44100, 2, "flac", "flac", "int", 16, 4e-5},
        {"b.flac", SF_FORMAT_FLAC | SF_FORMAT_PCM_24, 96000, 8, "flac", "flac", "int", 24, 2e-7},
        {"a.ogg", SF_FORMAT_OGG | SF_FORMAT_VORBIS, 44100, 2, "ogg", "vorbis", "", 0, 1},
        {"a.opus", SF_FORMAT_OGG | SF_FORMAT_OPUS, 48000, 2, "ogg", "opus", "", 0, 1},
        {"a.mp3", SF_FORMAT_MPEG | SF_FORMAT_MPEG_LAYER_III, 44100, 2, "mp3", "mp3", "", 0, 1},
    };
    for (size_t i = 0; i < sizeof cases / sizeof *cases; i++) {
        int64_t frames = cases[i].rate + 1234;
        if (cases[i].codec[0] == 'i') frames = frames / 1017 * 1017; /* whole blocks */
        write_tone(cases[i].name, cases[i].format, cases[i].rate, cases[i].channels, frames, NULL);
        struct outcome o = scan_path(path_of(cases[i].name), true);
        if (!o.ok) fail_msg("%s: %s", cases[i].name, o.error.text);
        const struct facts *f = &o.facts;
        if (strcmp(f->container, cases[i].container) || strcmp(f->codec, cases[i].codec) ||
            strcmp(f->sample_format, cases[i].sample_format) || f->bit_depth != cases[i].bits ||
            f->rate != cases[i].rate || f->channels != cases[i].channels)
            fail_msg("%s: %s %s %s %d %d Hz %d channels", cases[i].name, f->container, f->codec, f->sample_format,
                     f->bit_depth, f->rate, f->channels);
        if (llabs(f->frames - frames) > (cases[i].slack < 0.1 ? 0 : 2304))
            fail_msg("%s: %lld frames, not %lld", cases[i].name, (long long)f->frames, (long long)frames);
        assert_string_equal(o.trouble, "");
        assert_int_equal(o.scan.frames, f->frames);
        assert_int_equal(o.scan.regions.count, 1);
        for (int64_t k = 0; cases[i].slack < 0.1 && k < frames; k += 7)
            for (int c = 0; c < f->channels; c++)
                if (!(fabsf(o.samples[k * f->channels + c] - tone(k, c, f->rate)) <= (float)cases[i].slack))
                    fail_msg("%s: frame %lld, channel %d", cases[i].name, (long long)k, c);
        drop(&o);
    }
}

/* The same audio has the same hash in all lossless containers; different audio, rate or channels another. */
static void test_audio_hash(void **state) {
    (void)state;
    char hash[HASH_TEXT];
    static const char *const same[] = {"h.wav", "h.flac", "h.aiff", "h.caf"};
    static const int formats[] = {SF_FORMAT_WAV, SF_FORMAT_FLAC, SF_FORMAT_AIFF, SF_FORMAT_CAF};
    for (int i = 0; i < 4; i++) {
        write_tone(same[i], formats[i] | SF_FORMAT_PCM_16, 44100, 2, 50000, NULL);
        struct outcome o = scan_path(path_of(same[i]), false);
        assert_true(o.ok);
        if (i == 0) memcpy(hash, o.scan.audio_hash, HASH_TEXT);
        assert_string_equal(o.scan.audio_hash, hash);
        drop(&o);
    }
    static const int other[][3] = {{44100, 2, 50001}, {48000, 2, 50000}, {44100, 1, 100000}};
    for (int i = 0; i < 3; i++) {
        write_tone("o.wav", SF_FORMAT_WAV | SF_FORMAT_PCM_16, other[i][0], other[i][1], other[i][2], NULL);
        struct outcome o = scan_path(path_of("o.wav"), false);
        assert_true(o.ok);
        assert_string_not_equal(o.scan.audio_hash, hash);
        drop(&o);
    }
}

static void test_m4a(void **state) {
    (void)state;
    char command[700], wav[256];
    write_tone("m.wav", SF_FORMAT_WAV | SF_FORMAT_PCM_16, 44100, 2, 88200, NULL);
    snprintf(wav, sizeof wav, "%s", path_of("m.wav"));
    snprintf(command, sizeof command,
             "ffmpeg -v quiet -y -i %s -metadata title=Titel -metadata artist=Wer -c:a aac %s </dev/null", wav,
             path_of("m.m4a"));
    if (!libav || system(command) != 0) {
        print_message("# no FFmpeg: M4A is not tested\n");
        return;
    }
    struct outcome o = scan_path(path_of("m.m4a"), false);
    if (!o.ok) fail_msg("%s", o.error.text);
    assert_string_equal(o.facts.container, "mp4");
    assert_string_equal(o.facts.codec, "aac");
    assert_string_equal(o.facts.decoder, "libavcodec");
    assert_string_equal(o.facts.title, "Titel");
    assert_string_equal(o.facts.layout, "stereo");
    assert_in_range(o.facts.frames, 88200, 88200 + 2048);
    drop(&o);
    struct libav *present = libav;
    libav = NULL; /* as on a system without the libraries */
    o = scan_path(path_of("m.m4a"), false);
    libav = present;
    assert_false(o.ok);
    assert_int_equal(o.error.code, ENOTSUP);
    assert_non_null(strstr(o.error.text, "FFmpeg"));
    drop(&o);
}

/* ------------------------------------------------------------------------------------------------------ hostile files */

static void test_nonfinite(void **state) {
    (void)state;
    float x[8000];
    for (int i = 0; i < 8000; i++) x[i] = tone(i, 0, 8000);
    x[100] = NAN;
    x[200] = INFINITY;
    x[7999] = -INFINITY;
    SF_INFO info = {.samplerate = 8000, .channels = 1, .format = SF_FORMAT_WAV | SF_FORMAT_FLOAT};
    SNDFILE *file = sf_open(path_of("n.wav"), SFM_WRITE, &info);
    assert_int_equal(sf_writef_float(file, x, 8000), 8000);
    sf_close(file);
    struct outcome o = scan_path(path_of("n.wav"), true);
    assert_true(o.ok);
    assert_int_equal(o.scan.nonfinite, 3);
    assert_int_equal(o.scan.frames, 8000);
    assert_true(isnan(o.samples[100]) && isinf(o.samples[200])); /* the PCM is what the file holds */
    drop(&o);
    for (int i = 0; i < 8000; i++) x[i] = NAN;
    file = sf_open(path_of("n.wav"), SFM_WRITE, &info);
    sf_writef_float(file, x, 8000);
    sf_close(file);
    o = scan_path(path_of("n.wav"), false);
    assert_true(o.ok);
    assert_int_equal(o.scan.nonfinite, 8000);
    assert_int_equal(o.scan.regions.count, 0);
    drop(&o);
    for (int i = 0; i < 8000; i++) x[i] = tone(i, 0, 8000) * 1e30f; /* which plugins would hear as silence */
    x[0] = 1e10f;
    file = sf_open(path_of("n.wav"), SFM_WRITE, &info);
    sf_writef_float(file, x, 8000);
    sf_close(file);
    o = scan_path(path_of("n.wav"), false);
    assert_true(o.ok);
    assert_in_range(o.scan.nonfinite, 7900, 7999); /* a tone goes through 0 */
    assert_int_equal(o.scan.regions.count, 1);     /* around the one that counts */
    assert_in_range(o.scan.regions.region[0].sound_end, 1, 1000);
    drop(&o);
}

/* What both libraries say is said once. */
static void test_rate_out_of_range(void **state) {
    (void)state;
    write_tone("r.wav", SF_FORMAT_WAV | SF_FORMAT_PCM_16, 999, 1, 5000, NULL);
    struct outcome o = scan_path(path_of("r.wav"), false);
    assert_false(o.ok);
    assert_string_equal(o.error.text, "a sample rate of 999 Hz is outside 1000 to 768000 Hz");
    drop(&o);
}

static void put32(unsigned char *p, uint32_t v) {
    for (int i = 0; i < 4; i++) p[i] = (unsigned char)(v >> (8 * i));
}

static void test_lying_headers(void **state) {
    (void)state;
    size_t n;
    write_tone("l.wav", SF_FORMAT_WAV | SF_FORMAT_PCM_16, 44100, 2, 44100, NULL);
    unsigned char *wav = read_bytes("l.wav", &n);
    static const uint32_t sizes[] = {0, 1, 1000, 0x7fffffff, 0xfffffffe, 0xffffffff};
    for (size_t i = 0; i < sizeof sizes / sizeof *sizes; i++) { /* the size of the data chunk */
        put32(wav + 40, sizes[i]);
        write_bytes("lie.wav", wav, n);
        struct outcome o = scan_path(path_of("lie.wav"), false);
        if (o.ok)
            assert_in_range(o.facts.frames, 1, 44100);
        else
            assert_true(strlen(o.error.text) > 10);
        assert_true(o.seconds < 2);
        drop(&o);
    }
    free(wav);
    write_tone("l.flac", SF_FORMAT_FLAC | SF_FORMAT_PCM_16, 44100, 2, 44100, NULL);
    unsigned char *flac = read_bytes("l.flac", &n);
    memset(flac + 22, 0xff, 4); /* total samples, low 32 bits: a day and more */
    write_bytes("lie.flac", flac, n);
    struct outcome o = scan_path(path_of("lie.flac"), false);
    assert_true(o.ok);
    assert_int_equal(o.facts.frames, 44100);
    drop(&o);
    free(flac);
}

/* Every length of truncation and hundreds of flipped bits: an answer, and soon. */
static void test_damage(void **state) {
    (void)state;
    static const struct {
        const char *name;
        int format;
    } cases[] = {{"t.wav", SF_FORMAT_WAV | SF_FORMAT_PCM_16},   {"t.aiff", SF_FORMAT_AIFF | SF_FORMAT_PCM_16},
                 {"t.flac", SF_FORMAT_FLAC | SF_FORMAT_PCM_16}, {"t.ogg", SF_FORMAT_OGG | SF_FORMAT_VORBIS},
                 {"t.opus", SF_FORMAT_OGG | SF_FORMAT_OPUS},    {"t.mp3", SF_FORMAT_MPEG | SF_FORMAT_MPEG_LAYER_III},
                 {"t.caf", SF_FORMAT_CAF | SF_FORMAT_PCM_16},   {"t.w64", SF_FORMAT_W64 | SF_FORMAT_PCM_16}};
    uint32_t seed = 7;
    for (size_t i = 0; i < sizeof cases / sizeof *cases; i++) {
        size_t n;
        write_tone(cases[i].name, cases[i].format, 48000, 1, 12000, NULL);
        unsigned char *bytes = read_bytes(cases[i].name, &n);
        for (int k = 0; k < 60; k++) {
            size_t length = k < 30 ? n * (size_t)k / 30 : n;
            unsigned char *copy = malloc(n + 1);
            assert_non_null(copy);
            memcpy(copy, bytes, n);
            for (int flips = 0; k >= 30 && flips < 1 + k % 4; flips++) {
                seed = seed * 1664525u + 1013904223u;
                size_t range = k % 2 ? n : n < 128 ? n : 128;
                copy[(seed >> 8) % range] ^= (unsigned char)(1u << (seed & 7));
            }
            write_bytes("damaged", copy, length);
            free(copy);
            struct outcome o = scan_path(path_of("damaged"), false);
            if (!o.ok)
                assert_true(strlen(o.error.text) > 10);
            else
                assert_true(o.scan.frames > 0);
            if (o.seconds > 3) fail_msg("%s, variant %d: %.1f s", cases[i].name, k, o.seconds);
            drop(&o);
        }
        free(bytes);
    }
}

static void test_garbage(void **state) {
    (void)state;
    static const char *const heads[] = {"",
                                        "RIFF",
                                        "fLaC",
                                        "OggS",
                                        "ID3\x04",
                                        "\xff\xfb\x90\x64",
                                        "FORM",
                                        "caff",
                                        ".snd",
                                        "riff\x2e\x91\xcf\x11",
                                        "\0\0\0\x20"
                                        "ftypM4A ",
                                        "MAC ",
                                        "wvpk",
                                        "TTA1",
                                        "\x30\x26\xb2\x75"};
    uint32_t seed = 3;
    int accepted = 0;
    for (size_t i = 0; i < 20 * (sizeof heads / sizeof *heads); i++) {
        unsigned char bytes[20000];
        for (size_t k = 0; k < sizeof bytes; k++)
            bytes[k] = (unsigned char)((seed = seed * 1664525u + 1013904223u) >> 24);
        const char *head = heads[i % (sizeof heads / sizeof *heads)];
        size_t length = strlen(head) ? strlen(head) : 0;
        memcpy(bytes, head, length);
        write_bytes("garbage", bytes, sizeof bytes);
        struct outcome o = scan_path(path_of("garbage"), false);
        if (!o.ok) assert_true(strlen(o.error.text) > 10);
        accepted += o.ok;
        if (o.seconds > 3) fail_msg("garbage %zu: %.1f s", i, o.seconds);
        drop(&o);
    }
    print_message("# of 300 files of noise behind a magic number, %d were decoded\n", accepted);
}

/* ------------------------------------------------------------------------------------------------------- facts, tags */

static void prepare_tags(SNDFILE *file) {
    sf_set_string(file, SF_STR_TITLE, "Lied");
    sf_set_string(file, SF_STR_ARTIST, "Sängerin");
}

static void test_embedded(void **state) {
    (void)state;
    static const int formats[] = {SF_FORMAT_WAV | SF_FORMAT_PCM_16, SF_FORMAT_FLAC | SF_FORMAT_PCM_16,
                                  SF_FORMAT_OGG | SF_FORMAT_VORBIS, SF_FORMAT_AIFF | SF_FORMAT_PCM_16};
    for (size_t i = 0; i < sizeof formats / sizeof *formats; i++) {
        write_tone("tag", formats[i], 44100, 1, 44100, prepare_tags);
        struct outcome o = scan_path(path_of("tag"), false);
        assert_true(o.ok);
        assert_string_equal(o.facts.title, "Lied");
        assert_string_equal(o.facts.artist, "Sängerin");
        drop(&o);
    }
}

static void test_loops(void **state) {
    (void)state;
    static const unsigned char smpl[] = {'s', 'm', 'p', 'l', 60, 0,  0, 0,   0, 0, 0, 0,    0,    0, 0,
                                         0,   0,   0,   0,   0,  60, 0, 0,   0, 0, 0, 0,    0,    0, 0,
                                         0,   0,   0,   0,   0,  0,  1, 0,   0, 0, 0, 0,    0,    0, /* one loop: */ 0,
                                         0,   0,   0,   0,   0,  0,  0, 100, 0, 0, 0, 0x0f, 0x27, 0, 0,
                                         0,   0,   0,   0,   0,  0,  0, 0};
    unsigned char acid[32] = {'a', 'c', 'i', 'd', 24, 0, 0, 0, /* root note is set: */ 2, 0, 0, 0, 57, 0};
    float tempo = 97.5f;
    acid[20] = 8;            /* beats */
    acid[24] = acid[26] = 4; /* metre */
    memcpy(acid + 28, &tempo, 4);
    size_t n;
    write_tone("s.wav", SF_FORMAT_WAV | SF_FORMAT_PCM_16, 44100, 1, 44100, NULL);
    unsigned char *wav = read_bytes("s.wav", &n), *all = malloc(n + sizeof smpl + sizeof acid);
    assert_non_null(all);
    memcpy(all, wav, n);
    memcpy(all + n, smpl, sizeof smpl);
    memcpy(all + n + sizeof smpl, acid, sizeof acid);
    n += sizeof smpl + sizeof acid;
    put32(all + 4, (uint32_t)n - 8);
    write_bytes("s.wav", all, n);
    struct outcome o = scan_path(path_of("s.wav"), false);
    assert_true(o.ok);
    assert_int_equal(o.facts.loops_count, 1);
    assert_int_equal(o.facts.loops[0].start, 100);
    assert_int_equal(o.facts.loops[0].end, 10000); /* the chunk names the last frame, 9999 */
    assert_true(fabs(o.facts.bpm - 97.5) < 1e-6);
    assert_string_equal(o.facts.key, "A");
    drop(&o);
    free(wav);
    free(all);
}

/* ----------------------------------------------------------------------------------------------------- strangers' files */

struct survey {
    int files, decoded, several;
    double slowest;
    char slowest_name[256], first_split[256];
};

static void survey_folder(const char *path, const char *ending, struct survey *survey) {
    DIR *dir = opendir(path);
    if (!dir) return;
    struct dirent *entry;
    while ((entry = readdir(dir))) {
        char name[1024];
        struct stat status;
        if (entry->d_name[0] == '.') continue;
        snprintf(name, sizeof name, "%s/%s", path, entry->d_name);
        if (stat(name, &status) != 0) continue;
        if (S_ISDIR(status.st_mode)) survey_folder(name, ending, survey);
        size_t length = strlen(name);
        if (!S_ISREG(status.st_mode) || length < strlen(ending) || strcmp(name + length - strlen(ending), ending) != 0)
            continue;
        struct outcome o = scan_path(name, false);
        if (!o.ok && strlen(o.error.text) < 10) fail_msg("%s: no reason", name);
        survey->files++;
        survey->decoded += o.ok;
        if (o.ok && o.scan.regions.count != 1) {
            if (survey->several++ == 0) snprintf(survey->first_split, sizeof survey->first_split, "%.200s", name);
        }
        if (o.seconds > survey->slowest) {
            survey->slowest = o.seconds;
            snprintf(survey->slowest_name, sizeof survey->slowest_name, "%.200s", name);
        }
        drop(&o);
    }
    closedir(dir);
}

static const char *audio_folder(void) {
    const char *audio = getenv("SONDE_AUDIO");
    if (!audio) audio = getenv("SONDE_AUDIO_BESIDE");
    if (!audio || access(audio, R_OK) != 0) {
        print_message("# no folder of real audio (SONDE_AUDIO): skipped\n");
        return NULL;
    }
    return audio;
}

static void test_strange_files(void **state) {
    (void)state;
    char path[512];
    struct survey survey = {0};
    if (!audio_folder()) return;
    snprintf(path, sizeof path, "%s/robustness", audio_folder());
    survey_folder(path, "", &survey);
    print_message("# %d files, %d decoded, slowest %.2f s: %s\n", survey.files, survey.decoded, survey.slowest,
                  survey.slowest_name);
    assert_true(survey.slowest < 5);
}

static void test_loops_are_one_region(void **state) {
    (void)state;
    static const char *const folders[] = {"bandlab", "dirt", "grvd", "roots", "wonderwall", "wonderwall_128"};
    struct survey survey = {0};
    const char *audio = audio_folder();
    if (!audio) return;
    for (size_t i = 0; i < sizeof folders / sizeof *folders; i++) {
        char path[512];
        snprintf(path, sizeof path, "%s/loops_%s", audio, folders[i]);
        survey_folder(path, ".ogg", &survey);
    }
    print_message("# %d loops\n", survey.files);
    if (survey.several || survey.decoded != survey.files)
        fail_msg("%d of %d loops are not one region; %s", survey.several, survey.files, survey.first_split);
}

static int set_up(void **state) {
    (void)state;
    struct error error;
    libav = libav_load(&error);
    if (!libav) print_message("# %s\n", error.text);
    snprintf(folder, sizeof folder, "/tmp/sonde-decode-XXXXXX");
    return mkdtemp(folder) ? 0 : -1;
}

static int tear_down(void **state) {
    (void)state;
    char command[128];
    libav_free(libav);
    snprintf(command, sizeof command, "rm -rf %s", folder);
    return system(command);
}

int main(void) {
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(test_formats),
        cmocka_unit_test(test_audio_hash),
        cmocka_unit_test(test_m4a),
        cmocka_unit_test(test_nonfinite),
        cmocka_unit_test(test_rate_out_of_range),
        cmocka_unit_test(test_lying_headers),
        cmocka_unit_test(test_damage),
        cmocka_unit_test(test_garbage),
        cmocka_unit_test(test_embedded),
        cmocka_unit_test(test_loops),

        cmocka_unit_test(test_strange_files),
        cmocka_unit_test(test_loops_are_one_region),
    };
    return cmocka_run_group_tests(tests, set_up, tear_down);
}
