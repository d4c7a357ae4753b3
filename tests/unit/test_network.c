/* plugins/features: the weights file, and the network against a plain reading of its definition. */
#include "features/network.h"
#include "features/weights.h"
#include "weights_rig.h"

#include <math.h>
#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdint.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

#include <cmocka.h>

enum { FRAMES = 1300, BINS = NETWORK_BINS, D = NETWORK_DIMENSIONS };

static const uint32_t shape[5][4] = {{0, 16, 2, 2}, {16, 24, 1, 2}, {24, 48, 2, 2}, {48, 64, 2, 2}, {64, 96, 1, 2}};

struct world {
    struct weights_rig rig;
    float *tensors[60];
    uint8_t *file;
    uint64_t size;
    float *power; /* [FRAMES][BINS] */
};

static float *random_tensor(struct world *world, const char *name, uint32_t d0, uint32_t d1, float scale,
                            uint32_t *seed) {
    float *values = malloc(sizeof(float) * d0 * d1);
    assert_non_null(values);
    for (uint32_t i = 0; i < d0 * d1; i++) values[i] = scale * weights_rig_random(seed);
    world->tensors[world->rig.count] = values;
    weights_rig_add(&world->rig, name, values, d0, d1);
    return values;
}

/* A branch of so many values a band. */
static void random_branch(struct world *world, const char *prefix, uint32_t inputs, uint32_t *seed) {
    char name[32];
#define RANDOM(d0, d1, scale, ...)                                                                                     \
    (snprintf(name + snprintf(name, sizeof name, "%s", prefix), sizeof name - strlen(prefix), __VA_ARGS__),            \
     random_tensor(world, name, d0, d1, scale, seed))
    float *mean = RANDOM(inputs, NETWORK_BANDS, 1, "input.mean");
    float *scale = RANDOM(inputs, NETWORK_BANDS, .1f, "input.scale");
    for (uint32_t i = 0; i < inputs * NETWORK_BANDS; i++) mean[i] -= i < NETWORK_BANDS ? 9 : 2, scale[i] += .35f;
    for (uint32_t i = 0; i < 5; i++) {
        const uint32_t in = i ? shape[i][0] : inputs;
        RANDOM(9 * in, shape[i][1], 2 / sqrtf(9 * (float)in), "convolution%u.kernel", i);
        RANDOM(shape[i][1], 1, .1f, "convolution%u.bias", i);
    }
    RANDOM(192, D, .15f, "dense.kernel");
    RANDOM(D, 1, .1f, "dense.bias");
    for (uint32_t i = 0; i < 2; i++) {
        RANDOM(5, D, .5f, "context%u.depth", i);
        RANDOM(D, 1, .1f, "context%u.depth_bias", i);
        RANDOM(D, D, .15f, "context%u.point", i);
        RANDOM(D, 1, .1f, "context%u.bias", i);
    }
#undef RANDOM
}

static int set_up(void **state) {
    struct world *world = calloc(1, sizeof *world);
    uint32_t seed = 7;
    world->rig = (struct weights_rig){.kind = "network", .architecture = NETWORK_ARCHITECTURE, .version = 3};
    random_branch(world, "sound.", 1, &seed);
    random_branch(world, "scene.", 2, &seed);
    random_tensor(world, "catalogue.mean", D, 1, .1f, &seed);
    random_tensor(world, "catalogue.scale", D, 1, 1, &seed);
    world->file = weights_rig_make(&world->rig, &world->size);
    world->power = malloc(sizeof(float) * FRAMES * BINS);
    for (uint32_t i = 0; i < FRAMES * BINS; i++) {
        const float v = weights_rig_random(&seed);
        world->power[i] = i / BINS % 400 < 40 ? 0 : v * v * v * v * 1e-4f;
    }
    *state = world;
    return 0;
}

static int tear_down(void **state) {
    struct world *world = *state;
    for (uint32_t i = 0; i < world->rig.count; i++) free(world->tensors[i]);
    free(world->file);
    free(world->power);
    free(world);
    return 0;
}

static const float *tensor(const struct world *world, const char *prefix, const char *format, uint32_t index) {
    char name[32];
    snprintf(name, sizeof name, "%s", prefix);
    snprintf(name + strlen(prefix), sizeof name - strlen(prefix), format, index);
    for (uint32_t i = 0; i < world->rig.count; i++)
        if (strcmp(world->rig.entries[i].name, name) == 0) return world->tensors[i];
    fail_msg("no tensor %s", name);
    return NULL;
}

static struct network *open_network(const struct world *world) {
    char error[200] = "";
    struct network *network = network_open(world->file, world->size, error, sizeof error);
    if (network == NULL) fail_msg("refused: %s", error);
    return network;
}

static void assert_refused(const uint8_t *file, uint64_t size, const char *expected) {
    char error[200] = "";
    struct network *network = network_open(file, size, error, sizeof error);
    if (network != NULL) fail_msg("taken, instead of: %s", expected);
    if (strstr(error, expected) == NULL) fail_msg("\"%s\" doesn't say \"%s\"", error, expected);
}

/* ------------------------------------------------------------------------------------------------------- the file */

static void bad_weights_are_refused_with_a_sentence(void **state) {
    struct world *world = *state;
    uint8_t *copy = aligned_alloc(64, world->size);
    struct weights_header *header = (struct weights_header *)(void *)copy;
#define WITH(change, expected)                                                                                         \
    memcpy(copy, world->file, world->size);                                                                            \
    change;                                                                                                            \
    assert_refused(copy, world->size, expected)
    WITH(copy[0] = 'X', "not a sonde weights file");
    WITH(header->format = 9, "format 9");
    WITH(header->kind[0] = 'x', "kind \"xetwork\"");
    WITH(header->architecture = 77, "architecture 77");
    WITH(header->size--, "longer than it says");
    WITH(copy[world->size - 1] ^= 1, "damaged");
    WITH(copy[sizeof *header] ^= 1, "damaged");
    WITH((copy[sizeof *header] ^= 1, weights_rig_rehash(copy, world->size)), "no tensor \"sound.input.mean\"");
    WITH(header->tensors = 2000, "malformed header");
    WITH(memset(header->model, 'm', sizeof header->model), "malformed header");
    struct weights_entry *entry = (struct weights_entry *)(void *)(header + 1);
    WITH((entry->offset = world->size + 64, weights_rig_rehash(copy, world->size)), "malformed table");
    WITH((entry->offset += 4, weights_rig_rehash(copy, world->size)), "malformed table");
    WITH((entry->bytes = UINT64_MAX, weights_rig_rehash(copy, world->size)), "malformed table");
    WITH((entry->dims[1] = 0, weights_rig_rehash(copy, world->size)), "malformed table");
    WITH((entry->dims[0] = 32, entry->dims[1] = 2, weights_rig_rehash(copy, world->size)),
         "is 32 x 2 x 1, expected 1 x 64 x 1");
    WITH((*(float *)(void *)(copy + world->size - 384) = NAN, weights_rig_rehash(copy, world->size)), "not finite");
#undef WITH
    free(copy);
}

static void truncated_weights_are_refused_at_every_length(void **state) {
    struct world *world = *state;
    for (uint64_t size = 0; size < world->size; size += size < 4000 ? 1 : 4099)
        assert_refused(world->file, size, size < sizeof(struct weights_header) ? "too short" : "truncated");
}

/* ---------------------------------------------------------------------------------------------------- the network */

/* The definition, written for reading: double sums, whole region at once. in [times][bands][channels]. */
static double *convolve(const double *in, uint32_t times, uint32_t bands, const uint32_t *s, const float *kernel,
                        const float *bias) {
    const uint32_t t_out = (times + s[2] - 1) / s[2], b_out = (bands + s[3] - 1) / s[3];
    double *out = calloc((size_t)t_out * b_out * s[1], sizeof *out);
    assert_non_null(out);
    for (uint32_t t = 0; t < t_out; t++)
        for (uint32_t b = 0; b < b_out; b++)
            for (uint32_t o = 0; o < s[1]; o++) {
                double sum = (double)bias[o];
                for (int tap = 0; tap < 9; tap++) {
                    const int64_t y = (int64_t)t * s[2] + tap / 3 - 1, x = (int64_t)b * s[3] + tap % 3 - 1;
                    if (y < 0 || x < 0 || y >= times || x >= bands) continue;
                    for (uint32_t c = 0; c < s[0]; c++)
                        sum += in[((size_t)y * bands + (size_t)x) * s[0] + c] *
                               (double)kernel[((size_t)tap * s[0] + c) * s[1] + o];
                }
                out[((size_t)t * b_out + b) * s[1] + o] = fmax(sum, 0);
            }
    return out;
}

/* Natural logarithms of triangular mel bands, and how far their floors lie below: [frames][NETWORK_BANDS][2]. */
static double *reference_bands(const struct world *world, uint32_t frames) {
    const double low = 2595 * log10(1 + 40 / 700.0), high = 2595 * log10(1 + 10000 / 700.0);
    double *x = calloc((size_t)frames * NETWORK_BANDS * 2, sizeof *x);
    assert_non_null(x);
    for (uint32_t b = 0; b < NETWORK_BANDS; b++) {
        double edge[3];
        for (uint32_t i = 0; i < 3; i++)
            edge[i] = 700 * (pow(10, (low + (high - low) * (b + i) / (NETWORK_BANDS + 1)) / 2595) - 1);
        const double gain = pow(10, -3.6 * fmax(0, log2(edge[1] / 3400)));
        for (uint32_t f = 0; f < frames; f++) {
            double sum = 0, weights = 0, least = INFINITY, run[3] = {INFINITY, INFINITY, INFINITY};
            for (uint32_t k = 0; k < BINS; k++) {
                const double hz = k * 22050.0 / 2048;
                const double w = fmin((hz - edge[0]) / (edge[1] - edge[0]), (edge[2] - hz) / (edge[2] - edge[1]));
                if (!(w > 0)) continue;
                run[0] = run[1], run[1] = run[2], run[2] = (double)world->power[(size_t)f * BINS + k];
                sum += gain * w * run[2], weights += gain * w;
                least = fmin(least, (run[0] + run[1] + run[2]) / 3);
            }
            double *out = x + ((size_t)f * NETWORK_BANDS + b) * 2;
            out[0] = log(sum + 1e-9);
            out[1] = log(least * weights + 1e-9) - out[0];
        }
    }
    return x;
}

/* The same, normalised, with 16 frames of silence on either side: [frames + 32][NETWORK_BANDS][inputs]. */
static double *reference_input(const struct world *world, const char *prefix, uint32_t inputs, uint32_t frames) {
    const float *mean = tensor(world, prefix, "input.mean", 0), *scale = tensor(world, prefix, "input.scale", 0);
    double *bands = reference_bands(world, frames);
    double *x = calloc((size_t)(frames + 32) * NETWORK_BANDS * inputs, sizeof *x);
    assert_non_null(x);
    for (uint32_t f = 0; f < frames + 32; f++)
        for (uint32_t b = 0; b < NETWORK_BANDS; b++)
            for (uint32_t i = 0; i < inputs; i++) {
                const int inside = f >= 16 && f < frames + 16;
                const double value = inside ? bands[((size_t)(f - 16) * NETWORK_BANDS + b) * 2 + i]
                                            : (i ? 0 : log(1e-9));
                x[((size_t)f * NETWORK_BANDS + b) * inputs + i] = (value - (double)mean[i * NETWORK_BANDS + b]) *
                                                                  (double)scale[i * NETWORK_BANDS + b];
            }
    free(bands);
    return x;
}

static void matrix(const double *in, const float *kernel, const float *bias, uint32_t depth, double *out) {
    for (uint32_t o = 0; o < D; o++) {
        out[o] = (double)bias[o];
        for (uint32_t k = 0; k < depth; k++) out[o] += in[k] * (double)kernel[(size_t)k * D + o];
    }
}

/* Embeddings of `frames` frames by one branch, margins included. */
static double *reference(const struct world *world, const char *prefix, uint32_t inputs, uint32_t frames,
                         uint32_t *steps) {
    uint32_t times = frames + 32, bands = NETWORK_BANDS;
    double *x = reference_input(world, prefix, inputs, frames);
    for (uint32_t i = 0; i < 5; i++) {
        const uint32_t of[4] = {i ? shape[i][0] : inputs, shape[i][1], shape[i][2], shape[i][3]};
        double *y = convolve(x, times, bands, of, tensor(world, prefix, "convolution%u.kernel", i),
                             tensor(world, prefix, "convolution%u.bias", i));
        free(x);
        x = y;
        times = (times + shape[i][2] - 1) / shape[i][2], bands = (bands + 1) / 2;
    }
    double *e = calloc((size_t)times * D, sizeof *e);
    for (uint32_t t = 0; t < times; t++) {
        matrix(x + (size_t)t * 192, tensor(world, prefix, "dense.kernel", 0), tensor(world, prefix, "dense.bias", 0),
               192, e + (size_t)t * D);
        for (uint32_t i = 0; i < D; i++) e[(size_t)t * D + i] = fmax(e[(size_t)t * D + i], 0);
    }
    for (uint32_t c = 0; c < 2; c++) {
        const int64_t dilation = c == 0 ? 1 : 4;
        double *y = calloc((size_t)times * D, sizeof *y), depth[D], point[D];
        const float *taps = tensor(world, prefix, "context%u.depth", c);
        const float *depth_bias = tensor(world, prefix, "context%u.depth_bias", c);
        for (int64_t t = 0; t < times; t++) {
            for (uint32_t i = 0; i < D; i++) {
                depth[i] = (double)depth_bias[i];
                for (int64_t tap = 0; tap < 5; tap++) {
                    const int64_t from = t + (tap - 2) * dilation;
                    if (from >= 0 && from < times) depth[i] += e[from * D + i] * (double)taps[tap * D + i];
                }
            }
            matrix(depth, tensor(world, prefix, "context%u.point", c), tensor(world, prefix, "context%u.bias", c), D,
                   point);
            for (uint32_t i = 0; i < D; i++) y[t * D + i] = fmax(e[t * D + i] + point[i], 0);
        }
        free(e);
        e = y;
    }
    free(x);
    *steps = times;
    return e;
}

/* The embeddings are what the branch's definition says, to half a `step` and up to `most`. */
static void assert_embedding(const struct world *world, const char *prefix, uint32_t inputs, uint32_t frames,
                             const float *embedding, double step, double most) {
    uint32_t steps;
    double *expected = reference(world, prefix, inputs, frames, &steps), worst = 0, largest = 0;
    for (uint32_t k = 0; k < (frames + 7) / 8 * D; k++) {
        const double e = fmin(expected[2 * D + k], most);
        worst = fmax(worst, fabs((double)embedding[k] - e) - step / 2);
        largest = fmax(largest, e);
    }
    free(expected);
    assert_true(largest > .1); /* the comparison is about something */
    if (!(worst < 1e-4 * largest)) fail_msg("%s, %u frames: off by %g of %g", prefix, frames, worst, largest);
}

static void network_agrees_with_its_definition(void **state) {
    struct world *world = *state;
    struct network *network = open_network(world);
    const uint32_t lengths[] = {1, 9, 61, 500}; /* the last one takes two tiles */
    for (size_t i = 0; i < sizeof lengths / sizeof *lengths; i++) {
        struct network_result result;
        assert_int_equal(network_begin(network, 1), 0);
        assert_int_equal(network_push(network, world->power, lengths[i], BINS), 0);
        assert_int_equal(network_finish(network, &result), 0);
        assert_int_equal(result.count, (lengths[i] + 7) / 8);
        assert_embedding(world, "sound.", 1, lengths[i], result.embedding, 0, INFINITY);
        static float scene[FRAMES / 8 * D];
        for (uint32_t k = 0; k < result.count * D; k++) scene[k] = (float)result.scene[k] / NETWORK_STEPS;
        assert_embedding(world, "scene.", 2, lengths[i], scene, 1.0 / NETWORK_STEPS, 255.0 / NETWORK_STEPS);
    }
    network_close(network);
}

/* Cepstra by the definition in timbre.h, in doubles. */
static void reference_timbre(const struct world *world, uint32_t frames, uint32_t step, double *expected) {
    double *x = reference_bands(world, frames);
    for (uint32_t n = 0; n < TIMBRE_CEPSTRA; n++) {
        double before = 0, moved_before = 0, values[8], changes = 0, bends = 0, sum = 0, square = 0;
        uint32_t count = 0;
        for (uint32_t f = 0; f < frames; f++) {
            double c = 0;
            for (uint32_t b = 0; b < NETWORK_BANDS; b++)
                c += x[((size_t)f * NETWORK_BANDS + b) * 2] * sqrt((n ? 2.0 : 1.0) / NETWORK_BANDS) *
                     cos(3.14159265358979323846 * (b + .5) * n / NETWORK_BANDS);
            const double moved = f ? c - before : 0, bend = f ? moved - moved_before : 0;
            before = c, moved_before = moved;
            if ((f + 4) / 8 != step) continue;
            values[count++] = c, sum += c, changes += fabs(moved), bends += fabs(bend);
        }
        for (uint32_t i = 0; i < count; i++) square += (values[i] - sum / count) * (values[i] - sum / count);
        expected[n] = sum / count;
        expected[TIMBRE_CEPSTRA + n] = sqrt(square / count);
        expected[2 * TIMBRE_CEPSTRA + n] = changes / count;
        expected[3 * TIMBRE_CEPSTRA + n] = bends / count;
    }
    free(x);
}

static void the_timbre_is_as_defined(void **state) {
    struct world *world = *state;
    struct network *network = open_network(world);
    const uint32_t lengths[] = {1, 5, 61};
    for (size_t i = 0; i < sizeof lengths / sizeof *lengths; i++) {
        struct network_result result;
        assert_int_equal(network_begin(network, 1), 0);
        assert_int_equal(network_push(network, world->power, lengths[i], BINS), 0);
        assert_int_equal(network_finish(network, &result), 0);
        for (uint32_t step = 0; step < result.count; step++) {
            double expected[TIMBRE_DIMENSIONS];
            reference_timbre(world, lengths[i], step, expected);
            for (uint32_t k = 0; k < TIMBRE_DIMENSIONS; k++)
                assert_float_equal(result.timbre[step * TIMBRE_DIMENSIONS + k], (float)expected[k], 2e-3f);
        }
    }
    network_close(network);
}

static void blocks_and_regions_before_change_no_bit(void **state) {
    struct world *world = *state;
    struct network *network = open_network(world);
    struct network_result result;
    float *first = NULL;
    uint8_t *scene = NULL;
    uint32_t count = 0;
    const uint32_t blocks[] = {FRAMES, 1, 7, 500};
    for (size_t i = 0; i < sizeof blocks / sizeof *blocks; i++) {
        assert_int_equal(network_begin(network, i == 1 ? 0 : 30), 0);
        for (uint32_t f = 0; f < FRAMES; f += blocks[i]) {
            const uint32_t n = FRAMES - f < blocks[i] ? FRAMES - f : blocks[i];
            assert_int_equal(network_push(network, world->power + (size_t)f * BINS, n, BINS), 0);
        }
        assert_int_equal(network_finish(network, &result), 0);
        if (first == NULL) {
            count = result.count;
            first = malloc(sizeof(float) * count * D);
            scene = malloc((size_t)count * D);
            memcpy(first, result.embedding, sizeof(float) * count * D);
            memcpy(scene, result.scene, (size_t)count * D);
        }
        assert_int_equal(result.count, count);
        assert_memory_equal(first, result.embedding, sizeof(float) * count * D);
        assert_memory_equal(scene, result.scene, (size_t)count * D);
    }
    free(first);
    free(scene);
    network_close(network);
}

static void regions_without_sound_or_frames_are_answered(void **state) {
    struct world *world = *state;
    struct network *network = open_network(world);
    struct network_result result;
    assert_int_equal(network_begin(network, 0), 0);
    assert_int_equal(network_finish(network, &result), 0);
    assert_int_equal(result.count, 0);
    float *power = calloc((size_t)20 * BINS, sizeof *power);
    assert_int_equal(network_begin(network, NAN), 0);
    assert_int_equal(network_push(network, power, 20, BINS), 0);
    assert_int_equal(network_finish(network, &result), 0);
    assert_int_equal(result.count, 3);
    assert_float_equal(result.level[0], -120, 1e-3);
    for (uint32_t i = 0; i < 20 * BINS; i++) power[i] = 1e12f; /* far beyond full scale */
    assert_int_equal(network_begin(network, 1), 0);
    assert_int_equal(network_push(network, power, 20, BINS), 0);
    assert_int_equal(network_finish(network, &result), 0);
    for (uint32_t i = 0; i < result.count * D; i++)
        assert_true(isfinite(result.embedding[i]) && result.embedding[i] >= 0);
    free(power);
    network_close(network);
}

static void levels_and_the_catalogue_vector_are_as_defined(void **state) {
    struct world *world = *state;
    struct network *network = open_network(world);
    struct network_result result;
    assert_string_equal(network_model(network), "sonde-embedding");
    assert_int_equal(network_version(network), 3);
    assert_int_equal(strlen(network_hash(network)), 16);
    float *power = calloc((size_t)80 * BINS, sizeof *power);
    for (uint32_t f = 40; f < 48; f++) { /* a full-scale sine on a bin: 1 at its peak, a quarter beside it */
        power[(size_t)f * BINS + 100] = 1;
        power[(size_t)f * BINS + 99] = power[(size_t)f * BINS + 101] = .25f;
    }
    assert_int_equal(network_begin(network, 2), 0);
    assert_int_equal(network_push(network, power, 80, BINS), 0);
    assert_int_equal(network_finish(network, &result), 0);
    assert_float_equal(result.level[5], 0, 1e-3);
    assert_float_equal(result.level[8], -120, 1e-3);
    for (uint32_t f = 0; f < 14; f++) power[(size_t)f * BINS] = power[(size_t)f * BINS + 1] = 1; /* DC isn't heard */
    power[(size_t)13 * BINS + 100] = 1.5f; /* one of the last frames, behind those nearest to the last embedding */
    assert_int_equal(network_begin(network, .3), 0);
    assert_int_equal(network_push(network, power, 14, BINS), 0);
    assert_int_equal(network_finish(network, &result), 0);
    assert_int_equal(result.count, 2);
    assert_float_equal(result.level[0], -120, 1e-3);
    assert_float_equal(result.level[1], 0, 1e-3);
    double length = 0;
    for (uint32_t i = 0; i < D; i++) length += (double)result.catalogue[i] * (double)result.catalogue[i];
    assert_float_equal(length, 1, 1e-5);
    free(power);
    network_close(network);
}

int main(void) {
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(bad_weights_are_refused_with_a_sentence),
        cmocka_unit_test(truncated_weights_are_refused_at_every_length),
        cmocka_unit_test(network_agrees_with_its_definition),
        cmocka_unit_test(the_timbre_is_as_defined),
        cmocka_unit_test(blocks_and_regions_before_change_no_bit),
        cmocka_unit_test(regions_without_sound_or_frames_are_answered),
        cmocka_unit_test(levels_and_the_catalogue_vector_are_as_defined),
    };
    return cmocka_run_group_tests(tests, set_up, tear_down);
}
