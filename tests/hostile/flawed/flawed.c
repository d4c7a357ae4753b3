/* A plugin with one flaw, for tests/integration/plugin_check.py: without FLAW it has none, and `sonde plugin check` has nothing
 * to say. Each value of FLAW (a name below) is one line of the table in meson.build, which says what must be found. */
#include <fenv.h>
#include <math.h>
#include <pthread.h>
#include <sched.h>
#include <signal.h>
#include <stdatomic.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <time.h>
#include <unistd.h>

#include <sonde/frame.h>

enum flaw {
    none,
    file_exports,
    file_links,
    file_imports,
    file_memory,
    declared_id,
    declared_version,
    declared_licence,
    declared_text,
    declared_schema,
    declared_units,
    declared_summary,
    declared_flags,
    load_unknown,
    load_longer,
    load_extension,
    result_interface,
    result_arrays,
    region_rates,
    region_channels,
    region_one_sample,
    region_short,
    region_silent,
    region_loud,
    region_nonfinite,
    region_constant,
    region_noise,
    region_denormal,
    region_facts,
    region_long,
    same_descriptor,
    same_version,
    same_version_told,
    same_twice,
    same_fresh,
    same_processors,
    same_blocks,
    same_blocks_large,
    same_after_others,
    same_after_abandon,
    same_interleaved,
    same_position,
    run_input,
    run_bounds_before,
    run_bounds_after,
    run_bounds_kept,
    params_defaults,
    params_range,
    params_random,
    params_lost,
    needs_met,
    needs_absent,
    needs_declared,
    cost_scan,
    cost_scaling,
    cost_denormal,
    cost_memory,
    cost_threads,
    cost_allocations,
    cost_leak,
    state_load,
    state_calls
};

#define HAS(flaw) (FLAW == (flaw))

struct meter {
    double gain, sum, most, least;
    int64_t frames, calls;
    uint32_t nonfinite, channels, rate;
    int64_t start, native_frames;
    double duration;
    char *hoard;
    size_t hoarded;
    int odd;  /* it has seen a region of three channels */
    int told; /* the region has a key */
    int processors;
    const float *kept;
    pthread_t thread;
    atomic_int over;
};

static void *volatile block_kept; /* where compilers don't see that nobody wants it */
static volatile float value_read;
static char description[100] = "The root of the mean square of the region.";
static double shared_sum;
static int64_t shared_regions;

#ifdef EXPORTS_MORE
SONDE_EXPORT int surplus(void);
SONDE_EXPORT int surplus(void) {
    return 1;
}
#endif

#ifdef CALLS_SYSTEM
int call_system(void);
int call_system(void) {
    return system("true");
}
int (*volatile called)(void) = call_system;
#endif

static void nothing(int number) {
    (void)number;
}

static sonde_param_t gain = {.struct_size = sizeof gain,
                             .kind = SONDE_PARAM_NUMBER,
                             .id = "gain",
                             .name = "Gain",
                             .description = "What the level is multiplied by.",
                             .unit = "1",
                             .min = 0.1,
                             .max = 10,
                             .default_number = 1};

static void loaded(void) __attribute__((constructor));
static void loaded(void) {
    if (HAS(same_descriptor))
        (void)snprintf(description, sizeof description, "The root of the mean square, as of %d.", getpid());
    if (HAS(params_defaults)) gain.default_number = 1 + getpid() % 1000 / 1000.0;
    if (HAS(state_load)) (void)sigaction(SIGUSR1, &(struct sigaction){.sa_handler = nothing}, NULL);
    if (!HAS(cost_scan)) return;
    struct timespec now;
    do (void)clock_gettime(CLOCK_THREAD_CPUTIME_ID, &now);
    while (now.tv_sec == 0 && now.tv_nsec < 400000000);
}

static void *wait_around(void *state) {
    struct meter *m = state;
    while (!atomic_load(&m->over)) (void)nanosleep(&(struct timespec){0, 1000000}, NULL);
    return NULL;
}

static int32_t open_meter(void *state, const sonde_host_t *host, const sonde_param_value_t *values) {
    struct meter *m = state;
    (void)host;
    cpu_set_t processors;
    m->gain = values[0].number;
    if (HAS(same_processors) && sched_getaffinity(0, sizeof processors, &processors) == 0)
        m->processors = CPU_COUNT(&processors);
    if (HAS(cost_threads) && pthread_create(&m->thread, NULL, wait_around, m) != 0) return SONDE_FAILED;
    return SONDE_OK;
}

static void close_meter(void *state) {
    struct meter *m = state;
    atomic_store(&m->over, 1);
    if (HAS(cost_threads)) (void)pthread_join(m->thread, NULL);
}

static int32_t begin(void *state, const sonde_region_t *region, const sonde_inputs_t *others) {
    struct meter *m = state;
    (void)others;
    m->duration = region->duration;
    m->start = region->start_frame;
    m->native_frames = region->frames;
    m->rate = region->rate;
    m->channels = region->channels;
    m->frames = m->calls = m->nonfinite = 0;
    m->most = m->least = 0;
    if (!HAS(same_after_abandon)) m->sum = 0;
    if (HAS(same_interleaved)) shared_sum = 0;
    if (region->channels == 3) m->odd = 1;
    m->told = region->embedded_key != NULL;
    return SONDE_OK;
}

static int32_t process(void *state, const sonde_block_t *block) {
    struct meter *m = state;
    uint32_t frames = HAS(same_blocks_large) && block->frames > 16384 ? 16384 : block->frames;
    if (HAS(run_bounds_before)) value_read = block->planes[0][-1];
    if (HAS(run_bounds_after)) value_read = block->planes[0][frames];
    m->kept = block->planes[0];
    for (uint32_t i = 0; i < frames; i++) {
        float value = block->planes[0][i];
        for (int k = 0; HAS(cost_denormal) && value != 0 && fabsf(value) < 1e-15f && k < 2000; k++) value_read = value;
        m->sum += (double)value * value;
        if (HAS(same_interleaved)) shared_sum += (double)value * value;
        if (m->frames == 0 || value > m->most) m->most = value;
        if (m->frames == 0 || value < m->least) m->least = value;
        m->frames++;
    }
    if (HAS(run_input)) *(float *)(uintptr_t)block->planes[0] = 0;
    m->calls++;
    m->nonfinite += block->nonfinite;
    if (HAS(cost_allocations)) free(block_kept = malloc(1000));
    if (HAS(state_calls)) (void)fesetround(FE_UPWARD);
    if (!HAS(cost_memory)) return SONDE_OK;
    /* Doubled, and left untouched: it takes too much memory, and no more time than it may. */
    size_t bytes = m->hoarded ? m->hoarded : 1 << 16;
    while (bytes < (size_t)m->frames * 100) bytes *= 2;
    if (bytes == m->hoarded) return SONDE_OK;
    char *grown = realloc(m->hoard, bytes);
    if (!grown) return SONDE_NO_MEMORY;
    m->hoard = grown;
    m->hoarded = bytes;
    return SONDE_OK;
}

/* Whether the region is of the kind that this plugin can't take. */
static int is_bad(const struct meter *m) {
    int steady = m->frames > 0 && m->most == m->least;
    return (HAS(region_rates) && m->rate > 100000 && m->native_frames > 1) ||
           (HAS(region_channels) && m->channels > 3) ||
           (HAS(region_one_sample) && m->native_frames == 1 && m->rate == 44100) ||
           (HAS(region_short) && m->native_frames > 1 && m->native_frames < 4200 && m->rate > 8000) ||
           (HAS(region_silent) && steady && m->most == 0 && m->native_frames > 5000) ||
           (HAS(region_constant) && steady && m->most != 0 && m->native_frames > 5000) ||
           (HAS(region_noise) && m->most > 0.97 && m->most < 2 && m->least < -0.97) ||
           (HAS(region_denormal) && m->most > 0 && m->most < 1e-15) || (HAS(region_facts) && m->told) ||
           (HAS(params_random) && m->gain != 1 && m->gain != 0.1 && m->gain != 10) ||
           (HAS(region_loud) && m->most > 1e6) || (HAS(region_nonfinite) && m->nonfinite > 0) ||
           (HAS(region_long) && m->duration > 100);
}

static int32_t finish(void *state, const sonde_inputs_t *others, const sonde_writer_t *out) {
    struct meter *m = state;
    double level = m->frames > 0 ? m->gain * sqrt(m->sum / (double)m->frames) : 0;
    uint64_t length;
    shared_regions++;
    if (HAS(same_after_abandon)) m->sum = 0;
    if (HAS(same_twice)) level += (double)shared_regions;
    if (HAS(same_fresh)) level += getpid();
    if (HAS(same_processors)) level += m->processors;
    if (HAS(same_version) || HAS(same_version_told)) level *= 1.001;
    if (HAS(same_blocks)) level += (double)m->calls;
    if (HAS(same_after_others)) level += m->odd;
    if (HAS(same_interleaved)) level += shared_sum;
    if (HAS(same_position)) level += (double)m->start;
    if (HAS(params_range) && m->gain == 10) return SONDE_FAILED;
    if (HAS(needs_absent) && !others->json(others, "key", &length)) abort();
    if (HAS(needs_declared)) (void)others->json(others, "key", &length);
    if (HAS(cost_leak)) block_kept = malloc(64);
    if (HAS(run_bounds_kept) && m->frames > 0) value_read = m->kept[0];
    if (HAS(params_lost)) m->gain = 1;
    for (int64_t i = 0; HAS(cost_scaling) && i < m->frames / 64; i++)
        for (int64_t k = 0; k < m->frames / 64; k++) level = level * 0.999999 + 1e-12;
    if (HAS(state_calls)) level = 0.5;
    out->number(out, "level", is_bad(m) ? (double)NAN : level);
    return out->status(out);
}

static void clear(void *state) {
    struct meter *m = state;
    free(m->hoard);
    m->hoard = NULL;
    m->hoarded = 0;
}

static const sonde_need_t need = {.struct_size = sizeof need,
                                  .major = 1,
                                  .id = FLAW == needs_met ? "org.example.nobody" : "key",
                                  .necessity = FLAW == needs_met ? SONDE_NEED_REQUIRED : SONDE_NEED_OPTIONAL};

static const sonde_input_t input = {
    .struct_size = sizeof input, .kind = SONDE_INPUT_AUDIO, .channels = SONDE_CHANNELS_MID};

static const sonde_array_info_t unwritten = {.struct_size = sizeof unwritten,
                                             .dtype = SONDE_F32,
                                             .name = "levels",
                                             .unit = "1",
                                             .description = "The level of every second.",
                                             .dimensions = 1};

static const sonde_interface_t key = {sizeof key, 1, "key"}; /* what sonde's key has isn't in the result */

static const sonde_descriptor_t descriptor = {
    .struct_size = sizeof descriptor,
    .flags = FLAW == declared_flags ? 0 : SONDE_FLAG_DETERMINISTIC,
    .id = FLAW == declared_id ? "level" : "org.example.flawed",
    .name = "Level",
    .vendor = "sonde's tests",
    .version = FLAW == declared_version    ? "first"
               : FLAW == same_version_told ? "1.1.0"
                                           : "1.0.0",
    .licence = FLAW == declared_licence ? "as you like it" : "MIT",
    .description = FLAW == declared_text ? "TODO: description here" : description,
    .schema =
        FLAW == declared_schema ? NULL
        : FLAW == declared_summary
            ? "{\"type\":\"object\",\"properties\":{\"level\":{\"type\":\"number\",\"x-unit\":\"1\",\"x-summary\":{\"as\":\"bpm\",\"rule\":\"mean\"}}}}"
        : FLAW == declared_units
            ? "{\"type\":\"object\",\"properties\":{\"level\":{\"type\":\"number\",\"x-unit\":\"1\"},\"start\":{\"type\":\"number\",\"x-unit\":\"s\"}}}"
            : "{\"type\":\"object\",\"properties\":{\"level\":{\"type\":\"number\",\"x-unit\":\"1\"}}}",
    .provides = &key,
    .provides_count = FLAW == result_interface ? 1 : 0,
    .inputs = &input,
    .inputs_count = 1,
    .params = &gain,
    .params_count = 1,
    .arrays = &unwritten,
    .arrays_count = FLAW == result_arrays ? 1 : 0,
    .needs = &need,
    .needs_count = FLAW == needs_met || FLAW == needs_absent ? 1 : 0,
};

static const sonde_frame_t plugins[] = {{.descriptor = &descriptor,
                                         .size = sizeof(struct meter),
                                         .open = open_meter,
                                         .begin = begin,
                                         .process = process,
                                         .finish = finish,
                                         .clear = clear,
                                         .close = close_meter}};

static uint32_t count(void) {
    return 1;
}

static const sonde_descriptor_t *plugin_at(uint32_t index) {
    return index == 0 ? &descriptor : NULL;
}

static const void *extension(sonde_plugin_t *self, const char *id) {
    (void)id;
    return self;
}

static int32_t create(const sonde_host_t *host, const char *id, const sonde_param_value_t *values,
                      uint32_t values_count, sonde_plugin_t **plugin) {
    (void)values_count;
    size_t compared = HAS(load_longer) ? strlen(descriptor.id) : SIZE_MAX;
    if (strncmp(id, descriptor.id, compared) != 0 && !HAS(load_unknown)) return SONDE_FAILED;
    int32_t code = sonde_frame_create(&plugins[0], host, values, plugin);
    if (HAS(load_extension) && code == SONDE_OK) (*plugin)->extension = extension;
    return code;
}

extern SONDE_EXPORT const sonde_entry_t sonde_entry;
const sonde_entry_t sonde_entry = {sizeof(sonde_entry_t), SONDE_ABI_MAJOR, SONDE_ABI_MINOR, 0,     sonde_frame_init,
                                   sonde_frame_deinit,    count,           plugin_at,       create};
