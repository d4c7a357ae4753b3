/* Plugins for tests of the host: some record what they are fed, one misbehaves as its parameter says, some need each other. */
#include "sonde/plugin.h"

#include <fenv.h>
#include <locale.h>
#include <math.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#if defined(__x86_64__)
#include <immintrin.h>
#endif

#define STREAMS 4
#define ANY     "{\"type\":\"object\",\"additionalProperties\":true}"

/* Everything that one instance has seen of each of its inputs. */
struct tape {
    sonde_plugin_t plugin;
    const sonde_host_t *host;
    const sonde_descriptor_t *descriptor;
    char mode[40];
    float *values[STREAMS]; /* as they came, planes of AUDIO interleaved */
    uint64_t count[STREAMS], frames[STREAMS], width[STREAMS];
    int64_t next[STREAMS];
    uint64_t nonfinite;
    uint32_t blocks;
    double tiny; /* whether denormals survive, as seen in begin */
    int gap;     /* a stream had one */
    char need[200];
};

static void wipe(struct tape *t) {
    for (int i = 0; i < STREAMS; i++) {
        free(t->values[i]);
        t->values[i] = NULL;
        t->count[i] = t->frames[i] = t->width[i] = 0;
        t->next[i] = 0;
    }
    t->nonfinite = t->blocks = 0;
    t->gap = 0;
}

static int is(const struct tape *t, const char *mode) {
    return strcmp(t->mode, mode) == 0;
}

/* A locale that isn't the host's, between the first init and the last deinit (a test may load the library twice). */
static locale_t foreign;
static int users;

static void take_foreign_locale(void) {
    if (users++ == 0) foreign = newlocale(LC_ALL_MASK, "de_DE.UTF-8", (locale_t)0);
    if (foreign == (locale_t)0) foreign = newlocale(LC_ALL_MASK, "C.UTF-8", (locale_t)0);
}

static void drop_foreign_locale(void) {
    uselocale(LC_GLOBAL_LOCALE);
    if (--users > 0 || foreign == (locale_t)0) return;
    freelocale(foreign);
    foreign = (locale_t)0;
}

/* What a fast-math library does on load, and a careless plugin in the middle of its work. */
static void spoil_environment(void) {
#if defined(__x86_64__)
    _mm_setcsr(_mm_getcsr() | 0x8040);
#endif
    fesetround(FE_UPWARD);
    if (foreign != (locale_t)0) uselocale(foreign);
}

/* Whether arithmetic and locale are as the host promises: 1, else 0. */
static double environment_is_clean(void) {
    volatile double tiny = 4e-310, half = 0.5, third = 1.0 / 3;
    char text[40];
    snprintf(text, sizeof text, "%.2f", half);
    return fegetround() == FE_TONEAREST && tiny * half > 0 && third > 0.3333 && strcmp(text, "0.50") == 0;
}

static int32_t begin(sonde_plugin_t *self, const sonde_region_t *region, const sonde_inputs_t *inputs) {
    struct tape *t = self->state;
    (void)region;
    t->tiny = environment_is_clean();
    t->need[0] = '\0';
    if (t->descriptor->needs_count) {
        const char *json = inputs->json(inputs, t->descriptor->needs[0].id, NULL);
        snprintf(t->need, sizeof t->need, "%s", json ? json : "");
    }
    if (is(t, "environment")) spoil_environment();
    if (is(t, "fail_begin")) {
        t->host->log(t->host, SONDE_LOG_ERROR, "the weather is bad");
        return SONDE_FAILED;
    }
    if (is(t, "empty_begin")) return SONDE_EMPTY;
    return SONDE_OK;
}

static int32_t process(sonde_plugin_t *self, const sonde_block_t *block) {
    struct tape *t = self->state;
    uint32_t i = block->input;
    const sonde_input_t *in = &t->descriptor->inputs[i];
    uint64_t one = in->kind == SONDE_INPUT_AUDIO ? 1 : in->form == SONDE_SPECTRUM_POWER ? block->bins : 2 * block->bins;
    uint64_t width = one * block->channels;
    float *grown = realloc(t->values[i], (t->count[i] + block->frames * width) * sizeof *grown);
    if (!grown) return SONDE_NO_MEMORY;
    t->values[i] = grown;
    for (uint32_t f = 0; f < block->frames; f++)
        for (uint32_t c = 0; c < block->channels; c++)
            for (uint64_t v = 0; v < one; v++)
                grown[t->count[i]++] = in->kind == SONDE_INPUT_AUDIO
                                           ? block->planes[c][f]
                                           : block->spectra[((uint64_t)f * block->channels + c) * block->stride + v];
    if (block->start != t->next[i]) t->gap = 1;
    if (in->kind == SONDE_INPUT_AUDIO)
        for (uint32_t c = 0; c < block->channels; c++)
            if ((uintptr_t)block->planes[c] % 64) t->gap = 1;
    t->next[i] += block->frames;
    t->frames[i] += block->frames;
    t->width[i] = width;
    t->blocks++;
    if (i == 0) t->nonfinite += block->nonfinite;
    if (is(t, "environment")) spoil_environment();
    if (is(t, "broken")) return SONDE_BROKEN;
    while (is(t, "until_cancelled"))
        if (t->host->cancelled(t->host)) return SONDE_FAILED;
    return is(t, "nonsense") ? 4711 : is(t, "unsupported") ? SONDE_UNSUPPORTED : SONDE_OK;
}

static void write_tape(const struct tape *t, const sonde_writer_t *out) {
    out->integer(out, "gap", t->gap);
    out->integer(out, "nonfinite", (int64_t)t->nonfinite);
    if (t->descriptor->flags & SONDE_FLAG_WHOLE_REGION) out->integer(out, "blocks", t->blocks);
    out->begin_array(out, "frames");
    for (uint32_t i = 0; i < t->descriptor->inputs_count; i++) out->integer(out, NULL, (int64_t)t->frames[i]);
    out->end_array(out);
    for (uint32_t i = 0; i < t->descriptor->arrays_count; i++) {
        uint64_t shape[2] = {t->frames[i], t->width[i]};
        out->array(out, t->descriptor->arrays[i].name, t->values[i], shape, 0.5, 0.25);
    }
}

static int32_t misbehave(struct tape *t, const sonde_writer_t *out) {
    uint64_t shape[4] = {2, 1ull << 62, 8, 3};
    float bad[2] = {1, NAN};
    if (is(t, "environment")) {
        spoil_environment();
        out->number(out, "tenth", 0.1);
        out->number(out, "clean", t->tiny);
    } else if (is(t, "nan"))
        out->number(out, "x", NAN);
    else if (is(t, "number")) {
        out->number(out, "a", 1.0 / 3);
        out->number(out, "b", -0.0);
        out->number(out, "c", 1e-300);
        out->number(out, "d", 123456789012.0);
        out->numbers(out, "e", (float[]){0.1f, 1e10f}, 2);
        out->integer(out, "f", -9007199254740992);
        out->string(out, "g", "\"\\\n\x7f gr\xc3\xbc\xc3\x9f");
        out->boolean(out, "h", 7);
        out->null(out, "i");
        out->raw_json(out, "j", " [1, {\"k\": 2}] ", 15);
    } else if (is(t, "big_integer"))
        out->integer(out, "x", 9007199254740993);
    else if (is(t, "bad_utf8"))
        out->string(out, "x", "\xff");
    else if (is(t, "null_key"))
        out->number(out, NULL, 1);
    else if (is(t, "no_end"))
        out->begin_object(out, "x");
    else if (is(t, "extra_end"))
        out->end_object(out);
    else if (is(t, "wrong_end")) {
        out->begin_array(out, "x");
        out->end_object(out);
    } else if (is(t, "key_in_array")) {
        out->begin_array(out, "x");
        out->number(out, "y", 1);
    } else if (is(t, "twice")) {
        out->number(out, "x", 1);
        out->number(out, "x", 2);
    } else if (is(t, "deep"))
        for (int i = 0; i < 40; i++) out->begin_object(out, "x");
    else if (is(t, "long"))
        for (int i = 0; i < 200000; i++) out->number(out, "some key", i);
    else if (is(t, "raw_broken"))
        out->raw_json(out, "x", "[1,", 3);
    else if (is(t, "array_undeclared"))
        out->array(out, "nobody", bad, shape, 0, 0);
    else if (is(t, "array_nan"))
        out->array(out, "notes", bad, (uint64_t[]){2, 1}, 0, 0);
    else if (is(t, "array_huge"))
        out->array(out, "notes", bad, shape, 0, 0);
    else if (is(t, "array_twice")) {
        out->array(out, "notes", bad, (uint64_t[]){1, 1}, 0, 0);
        out->array(out, "notes", bad, (uint64_t[]){1, 1}, 0, 0);
    } else if (is(t, "array_hop"))
        out->array(out, "notes", bad, (uint64_t[]){1, 1}, NAN, 0);
    else if (is(t, "array_empty"))
        out->array(out, "notes", NULL, (uint64_t[]){0, 1ull << 20}, 0.1, 0);
    else if (is(t, "fail")) {
        out->fail(out, "no sense\nin \xff it");
        return SONDE_FAILED;
    } else if (is(t, "memory"))
        return SONDE_NO_MEMORY;
    else if (is(t, "empty"))
        return SONDE_EMPTY;
    return SONDE_OK;
}

static int32_t finish(sonde_plugin_t *self, const sonde_inputs_t *inputs, const sonde_writer_t *out) {
    struct tape *t = self->state;
    int32_t code = SONDE_OK;
    if (t->mode[0])
        code = misbehave(t, out);
    else
        write_tape(t, out);
    if (t->descriptor->needs_count) {
        uint64_t length = 0;
        const char *json = inputs->json(inputs, t->descriptor->needs[0].id, &length);
        sonde_array_view_t view;
        out->string(out, "early", t->need);
        out->integer(out, "length", json && strlen(json) == length ? (int64_t)length : -1);
        out->boolean(out, "stranger", inputs->json(inputs, "audio_stranger", NULL) != NULL);
        char name[100];
        snprintf(name, sizeof name, "%s/1", t->descriptor->needs[0].id);
        out->boolean(out, "of_its_major", inputs->json(inputs, name, NULL) == json);
        snprintf(name, sizeof name, "%s/2", t->descriptor->needs[0].id);
        out->boolean(out, "of_another_major", inputs->json(inputs, name, NULL) != NULL);
        if (inputs->array(inputs, t->descriptor->needs[0].id, "mid", &view) == SONDE_OK) {
            out->number(out, "array_frames", (double)view.shape[0]);
            out->number(out, "array_first", (double)((const float *)view.data)[0]);
            out->number(out, "array_start", view.start);
        }
    }
    wipe(t);
    return code;
}

static void abandon(sonde_plugin_t *self) {
    wipe(self->state);
}

static void destroy(sonde_plugin_t *self) {
    wipe(self->state);
    free(self->state);
}

/* --------------------------------------------------------------------------------------------------------- descriptors */

#define INPUT(k, c, r, w, h, f)                                                                                        \
    {                                                                                                                  \
        .struct_size = sizeof(sonde_input_t), .kind = SONDE_INPUT_##k, .channels = SONDE_CHANNELS_##c, .rate = (r),    \
        .window = (w), .hop = (h), .form = SONDE_SPECTRUM_##f                                                          \
    }
#define ARRAY(n)                                                                                                       \
    {                                                                                                                  \
        .struct_size = sizeof(sonde_array_info_t), .dtype = SONDE_F32, .name = (n), .unit = "1",                       \
        .description = "What came.", .dimensions = 2                                                                   \
    }
#define INTERFACE(n)                                                                                                   \
    { .struct_size = sizeof(sonde_interface_t), .major = 1, .id = (n) }
#define NEED(n, necessity_, when_)                                                                                     \
    {                                                                                                                  \
        .struct_size = sizeof(sonde_need_t), .major = 1, .id = (n), .necessity = SONDE_NEED_##necessity_,              \
        .when = SONDE_NEED_##when_                                                                                     \
    }
#define PLUGIN(id_) WITH_FLAGS(id_, 0)
#define WITH_FLAGS(id_, more)                                                                                          \
    .struct_size = sizeof(sonde_descriptor_t), .flags = SONDE_FLAG_DETERMINISTIC | (more), .id = (id_), .name = (id_), \
    .vendor = "tests", .version = "1", .licence = "MIT", .description = "For tests.", .schema = ANY
#define LIST(field, list) .field = (list), .field##_count = sizeof(list) / sizeof *(list)

static const sonde_input_t audio_inputs[] = {INPUT(AUDIO, MID, 0, 0, 0, POWER),
                                             INPUT(AUDIO, STEREO, 16000, 0, 0, POWER),
                                             INPUT(AUDIO, NATIVE, 12000, 0, 0, POWER)};
static const sonde_array_info_t audio_arrays[] = {ARRAY("mid"), ARRAY("stereo"), ARRAY("native")};
static const sonde_interface_t audio_provides[] = {INTERFACE("audio")};

static const sonde_input_t spectrum_inputs[] = {
    INPUT(SPECTRUM, MID, 0, 64, 16, POWER), INPUT(SPECTRUM, NATIVE, 0, 100, 100, COMPLEX),
    INPUT(SPECTRUM, MID, 6000, 512, 100, POWER), INPUT(SPECTRUM, MID, 0, 64, 16, COMPLEX)};
static const sonde_array_info_t spectrum_arrays[] = {ARRAY("power"), ARRAY("complex"), ARRAY("resampled"),
                                                     ARRAY("same")};

static const sonde_input_t whole_inputs[] = {INPUT(AUDIO, MID, 6000, 0, 0, POWER),
                                             INPUT(AUDIO, NATIVE, 0, 0, 0, POWER)};
static const sonde_array_info_t whole_arrays[] = {ARRAY("mid"), ARRAY("native")};

static const sonde_input_t plain_inputs[] = {INPUT(AUDIO, MID, 0, 0, 0, POWER)};
static const sonde_array_info_t notes[] = {ARRAY("notes")};
static const sonde_interface_t mode_provides[] = {INTERFACE("mode")};
static const sonde_param_t mode_params[] = {
    {.struct_size = sizeof(sonde_param_t),
     .kind = SONDE_PARAM_TEXT,
     .id = "mode",
     .name = "Mode",
     .description = "What to do.",
     .unit = "",
     .default_text = "number"},
    {.struct_size = sizeof(sonde_param_t),
     .kind = SONDE_PARAM_INTEGER,
     .id = "count",
     .name = "Count",
     .description = "Of things.",
     .unit = "",
     .min = 1,
     .max = 9,
     .default_number = 3},
};

static const sonde_interface_t hen[] = {INTERFACE("hen")}, egg[] = {INTERFACE("egg")};
static const sonde_need_t needs_egg[] = {NEED("egg", REQUIRED, AT_FINISH)},
                          needs_hen[] = {NEED("hen", REQUIRED, AT_FINISH)};
static const sonde_need_t needs_audio[] = {NEED("audio", REQUIRED, AT_FINISH)},
                          audio_early[] = {NEED("audio", REQUIRED, EARLY)};
static const sonde_need_t needs_mode[] = {NEED("mode", REQUIRED, AT_FINISH)},
                          maybe_mode[] = {NEED("mode", OPTIONAL, AT_FINISH)};
static const sonde_need_t needs_nobody[] = {NEED("nobody", REQUIRED, AT_FINISH)};

static const sonde_descriptor_t descriptors[] = {
    {PLUGIN("reads_audio"), LIST(needs, needs_audio)}, /* stands before what it needs, on purpose */
    {PLUGIN("reads_audio_early"), LIST(needs, audio_early)},
    {PLUGIN("audio"), LIST(inputs, audio_inputs), LIST(arrays, audio_arrays), LIST(provides, audio_provides)},
    {PLUGIN("spectrum"), LIST(inputs, spectrum_inputs), LIST(arrays, spectrum_arrays)},
    {WITH_FLAGS("whole", SONDE_FLAG_WHOLE_REGION), LIST(inputs, whole_inputs), LIST(arrays, whole_arrays),
     .whole_region_seconds = 2},
    {WITH_FLAGS("whole_short", SONDE_FLAG_WHOLE_REGION), LIST(inputs, whole_inputs), LIST(arrays, whole_arrays),
     .whole_region_seconds = 1},
    {PLUGIN("mode"), LIST(inputs, plain_inputs), LIST(arrays, notes), LIST(provides, mode_provides),
     LIST(params, mode_params)},
    {PLUGIN("hen"), LIST(provides, hen), LIST(needs, needs_egg)},
    {PLUGIN("egg"), LIST(provides, egg), LIST(needs, needs_hen)},
    {PLUGIN("reads_hen"), LIST(needs, needs_hen)},
    {PLUGIN("reads_mode"), LIST(needs, needs_mode)},
    {PLUGIN("reads_maybe"), LIST(needs, maybe_mode)},
    {PLUGIN("reads_nobody"), LIST(needs, needs_nobody)},
};
#define COUNT (sizeof descriptors / sizeof *descriptors)

static const sonde_descriptor_t *plugin_at(uint32_t index) {
    return index < COUNT ? &descriptors[index] : NULL;
}

static uint32_t plugin_count(void) {
    return COUNT;
}

static int32_t init(const sonde_host_t *host, const char *plugin_dir) {
    const void *data = NULL;
    uint64_t size = 0;
    take_foreign_locale();
    spoil_environment();
    /* Nothing leads out of the folder. */
    if (host->resource_open(host, "../secret", &data, &size) == SONDE_OK) return SONDE_FAILED;
    if (host->resource_open(host, "/etc/passwd", &data, &size) == SONDE_OK) return SONDE_FAILED;
    if (host->resource_open(host, "link", &data, &size) == SONDE_OK) return SONDE_FAILED;
    if (host->resource_open(host, "folder", &data, &size) == SONDE_OK) return SONDE_FAILED;
    if (host->resource_open(host, "", &data, &size) == SONDE_OK) return SONDE_FAILED;
    if (!plugin_dir[0]) return SONDE_OK;
    int32_t code = host->resource_open(host, "folder/weights", &data, &size);
    return code == SONDE_OK && size == 7 && memcmp(data, "weights", 7) == 0 ? SONDE_OK : SONDE_FAILED;
}

static void deinit(void) {
    spoil_environment();
    drop_foreign_locale();
}

static int32_t create(const sonde_host_t *host, const char *id, const sonde_param_value_t *values, uint32_t count,
                      sonde_plugin_t **plugin) {
    struct tape *t = calloc(1, sizeof *t);
    if (!t) return SONDE_NO_MEMORY;
    t->plugin = (sonde_plugin_t){.struct_size = sizeof t->plugin,
                                 .state = t,
                                 .begin = begin,
                                 .process = process,
                                 .finish = finish,
                                 .abandon = abandon,
                                 .destroy = destroy};
    t->host = host;
    for (uint32_t i = 0; i < COUNT; i++)
        if (strcmp(descriptors[i].id, id) == 0) t->descriptor = &descriptors[i];
    if (count) snprintf(t->mode, sizeof t->mode, "%s", values[0].text);
    *plugin = &t->plugin;
    return SONDE_OK;
}

SONDE_EXPORT extern const sonde_entry_t sonde_entry;
const sonde_entry_t sonde_entry = {sizeof sonde_entry, SONDE_ABI_MAJOR, SONDE_ABI_MINOR, 0, init, deinit,
                                   plugin_count,       plugin_at,       create};
