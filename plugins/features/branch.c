#include "branch.h"

#include "kernels/clones.h"

#include <math.h>
#include <stdio.h>
#include <string.h>

enum { LAYERS = BRANCH_LAYERS, CONTEXTS = BRANCH_CONTEXTS, TAPS = 5, LANES = 8, BANDS = NETWORK_BANDS };
enum { HALO = 24, CORE = 384 };   /* frames: a tile's margin (the convolutions reach 17) and its own part */
enum { TILE = CORE + 2 * HALO };  /* a multiple of the stride, like both of its parts */
enum { WIDEST = 96, FLAT = 192 }; /* channels of the widest layer, and values in one frame of the last one */

_Static_assert(BRANCH_ROOM >= (TILE / 2) * 32 * 16, "the first convolution's output is the largest");

struct layer {
    uint32_t in, out, stride_time, stride_band;
};

/* The same table as CONVOLUTIONS in tools/train/sonde_train/model.py; the first one's `in` is the branch's. */
static const struct layer layers[LAYERS] = {
    {0, 16, 2, 2}, {16, 24, 1, 2}, {24, 48, 2, 2}, {48, 64, 2, 2}, {64, 96, 1, 2}};
static const uint32_t dilations[CONTEXTS] = {1, 4};

static struct layer layer_of(const struct branch *branch, uint32_t index) {
    struct layer layer = layers[index];
    if (index == 0) layer.in = branch->inputs;
    return layer;
}

int branch_open(struct branch *branch, const struct weights *weights, const char *prefix, uint32_t inputs, char *error,
                size_t n) {
    char name[32];
    branch->inputs = inputs;
#define TENSOR(target, d0, d1, ...)                                                                                    \
    do {                                                                                                               \
        const int used = snprintf(name, sizeof name, "%s", prefix);                                                    \
        snprintf(name + used, sizeof name - (size_t)used, __VA_ARGS__);                                                \
        if (((target) = weights_floats(weights, name, d0, d1, 1, error, n)) == NULL) return -1;                        \
    } while (0)
    TENSOR(branch->mean, inputs, BANDS, "input.mean");
    TENSOR(branch->scale, inputs, BANDS, "input.scale");
    for (uint32_t i = 0; i < LAYERS; i++) {
        const struct layer layer = layer_of(branch, i);
        TENSOR(branch->kernel[i], 9 * layer.in, layer.out, "convolution%u.kernel", i);
        TENSOR(branch->bias[i], layer.out, 1, "convolution%u.bias", i);
    }
    TENSOR(branch->dense, FLAT, NETWORK_DIMENSIONS, "dense.kernel");
    TENSOR(branch->dense_bias, NETWORK_DIMENSIONS, 1, "dense.bias");
    for (uint32_t i = 0; i < CONTEXTS; i++) {
        TENSOR(branch->depth[i], TAPS, NETWORK_DIMENSIONS, "context%u.depth", i);
        TENSOR(branch->depth_bias[i], NETWORK_DIMENSIONS, 1, "context%u.depth_bias", i);
        TENSOR(branch->point[i], NETWORK_DIMENSIONS, NETWORK_DIMENSIONS, "context%u.point", i);
        TENSOR(branch->point_bias[i], NETWORK_DIMENSIONS, 1, "context%u.bias", i);
    }
#undef TENSOR
    return 0;
}

typedef float lanes __attribute__((vector_size(LANES * sizeof(float)), aligned(4)));

static const float nothing[FLAT]; /* where a kernel reaches beyond the edge */

/* out[p][n] = bias[n] + sum over taps t and channels c of from[t][p][c] * kernel[t][c][n], for LANES positions p; negative
 * sums become 0 when `rectify`. The sum of one position never depends on its neighbours. */
SONDE_CLONES
static void multiply(const float *const (*from)[LANES], uint32_t taps, uint32_t channels, const float *kernel,
                     const float *bias, uint32_t width, int rectify, float *out) {
    for (uint32_t n = 0; n < width; n += LANES) {
        const lanes first = *(const lanes *)(const void *)(bias + n);
        lanes s0 = first, s1 = first, s2 = first, s3 = first, s4 = first, s5 = first, s6 = first, s7 = first;
        const float *weight = kernel + n;
        for (uint32_t t = 0; t < taps; t++) {
            const float *x0 = from[t][0], *x1 = from[t][1], *x2 = from[t][2], *x3 = from[t][3];
            const float *x4 = from[t][4], *x5 = from[t][5], *x6 = from[t][6], *x7 = from[t][7];
            for (uint32_t c = 0; c < channels; c++, weight += width) {
                const lanes w = *(const lanes *)(const void *)weight;
                s0 += x0[c] * w, s1 += x1[c] * w, s2 += x2[c] * w, s3 += x3[c] * w;
                s4 += x4[c] * w, s5 += x5[c] * w, s6 += x6[c] * w, s7 += x7[c] * w;
            }
        }
        const lanes sums[LANES] = {s0, s1, s2, s3, s4, s5, s6, s7};
        for (uint32_t p = 0; p < LANES; p++)
            for (uint32_t i = 0; i < LANES; i++) out[p * width + n + i] = rectify && sums[p][i] < 0 ? 0 : sums[p][i];
    }
}

/* Matrix product over rows: out[row] = rectified(bias + kernel' * in[row]). */
static void multiply_rows(const float *in, uint32_t rows, const float *kernel, const float *bias, uint32_t depth,
                          uint32_t width, int rectify, float *out) {
    float last[LANES * WIDEST] = {0};
    for (uint32_t row = 0; row < rows; row += LANES) {
        const uint32_t count = rows - row < LANES ? rows - row : LANES;
        const float *from[1][LANES];
        for (uint32_t p = 0; p < LANES; p++) from[0][p] = p < count ? in + (size_t)(row + p) * depth : nothing;
        float *to = out + (size_t)row * width;
        multiply(from, 1, depth, kernel, bias, width, rectify, count < LANES ? last : to);
        if (count < LANES) memcpy(to, last, (size_t)count * width * sizeof(float));
    }
}

/* Where the 3 x 3 kernel at an output position reads; the position may lie beyond the last one. */
static void look_around(const struct layer *layer, const float *in, uint32_t times, uint32_t bands, uint32_t row,
                        uint32_t column, uint32_t lane, const float *from[9][LANES]) {
    const int64_t time = (int64_t)row * layer->stride_time - 1, band = (int64_t)column * layer->stride_band - 1;
    for (uint32_t tap = 0; tap < 9; tap++) {
        const int64_t t = time + tap / 3, b = band + tap % 3;
        const int inside = t >= 0 && t < times && b >= 0 && b < bands;
        from[tap][lane] = inside ? in + ((size_t)t * bands + (size_t)b) * layer->in : nothing;
    }
}

/* One 3 x 3 convolution with zeros around it: in [times][bands][in], out [ceil(times/st)][ceil(bands/sf)][out]. */
static void convolve(const struct layer *layer, const float *kernel, const float *bias, const float *in, uint32_t times,
                     uint32_t bands, float *out) {
    float last[LANES * WIDEST] = {0};
    const uint32_t columns = (bands + layer->stride_band - 1) / layer->stride_band, width = layer->out;
    const uint32_t positions = (times + layer->stride_time - 1) / layer->stride_time * columns;
    for (uint32_t first = 0; first < positions; first += LANES) {
        const uint32_t count = positions - first < LANES ? positions - first : LANES;
        const float *from[9][LANES];
        for (uint32_t p = 0; p < LANES; p++)
            look_around(layer, in, times, bands, (first + p) / columns, (first + p) % columns, p, from);
        float *to = out + (size_t)first * width;
        multiply(from, 9, layer->in, kernel, bias, width, 1, count < LANES ? last : to);
        if (count < LANES) memcpy(to, last, (size_t)count * width * sizeof(float));
    }
}

/* Frame f of the region with its margins of silence, f from 0 to frames + 2 BRANCH_MARGIN: normalised, [BANDS][inputs]. */
static void read_frame(const struct branch *branch, const struct branch_frames *frames, uint64_t f, float *out) {
    const uint64_t inside = f - BRANCH_MARGIN;
    const int silent = f < BRANCH_MARGIN || inside >= frames->count;
    for (uint32_t input = 0; input < branch->inputs; input++) {
        const float *values = frames->values[input] + (silent ? 0 : inside * BANDS);
        const float *mean = branch->mean + (size_t)input * BANDS, *scale = branch->scale + (size_t)input * BANDS;
        for (uint32_t band = 0; band < BANDS; band++) {
            const float value = silent ? frames->silence[input] : values[band];
            out[band * branch->inputs + input] = (value - mean[band]) * scale[band];
        }
    }
}

/* Runs the convolutions and the dense layer over frames [start, end) of the padded region, writes the embeddings of
 * [core, core_end), all multiples of the stride from the padded start. */
static void run_tile(const struct branch *branch, const struct branch_frames *frames, uint64_t start, uint64_t end,
                     uint64_t core, uint64_t core_end, float *const room[2], float *out) {
    uint32_t times = (uint32_t)(end - start), bands = BANDS;
    float *in = room[0], *next = room[1];
    for (uint32_t t = 0; t < times; t++) read_frame(branch, frames, start + t, in + (size_t)t * bands * branch->inputs);
    for (uint32_t i = 0; i < LAYERS; i++) {
        const struct layer layer = layer_of(branch, i);
        convolve(&layer, branch->kernel[i], branch->bias[i], in, times, bands, next);
        times = (times + layer.stride_time - 1) / layer.stride_time;
        bands = (bands + layer.stride_band - 1) / layer.stride_band;
        float *swap = in;
        in = next, next = swap;
    }
    const uint32_t skip = (uint32_t)(core - start) / NETWORK_STRIDE;
    const uint32_t rows = (uint32_t)((core_end - core + NETWORK_STRIDE - 1) / NETWORK_STRIDE);
    multiply_rows(in + (size_t)skip * FLAT, rows, branch->dense, branch->dense_bias, FLAT, NETWORK_DIMENSIONS, 1, out);
}

/* x += point(depth(x)), rectified: the residual block over time. */
static void run_context(const struct branch *branch, uint32_t index, float *x, uint32_t count, float *scratch) {
    const uint32_t d = NETWORK_DIMENSIONS;
    float *depth = scratch, *sum = scratch + (size_t)count * d;
    for (uint32_t t = 0; t < count; t++) {
        float *out = depth + (size_t)t * d;
        memcpy(out, branch->depth_bias[index], d * sizeof(float));
        for (int tap = 0; tap < TAPS; tap++) {
            const int64_t from = (int64_t)t + (tap - TAPS / 2) * (int64_t)dilations[index];
            if (from < 0 || from >= count) continue;
            const float *row = x + (size_t)from * d, *kernel = branch->depth[index] + (size_t)tap * d;
            for (uint32_t i = 0; i < d; i++) out[i] += row[i] * kernel[i];
        }
    }
    multiply_rows(depth, count, branch->point[index], branch->point_bias[index], d, d, 0, sum);
    for (size_t i = 0; i < (size_t)count * d; i++) x[i] = fmaxf(x[i] + sum[i], 0);
}

uint32_t branch_steps(uint64_t frames) {
    return (uint32_t)((frames + 2 * BRANCH_MARGIN + NETWORK_STRIDE - 1) / NETWORK_STRIDE);
}

void branch_run(const struct branch *branch, const struct branch_frames *frames, float *const room[2], float *scratch,
                float *embedding) {
    const uint64_t padded = frames->count + 2 * BRANCH_MARGIN;
    for (uint64_t core = 0; core < padded; core += CORE) {
        const uint64_t core_end = core + CORE < padded ? core + CORE : padded;
        const uint64_t start = core < HALO ? 0 : core - HALO, end = core_end + HALO < padded ? core_end + HALO : padded;
        run_tile(branch, frames, start, end, core, core_end, room,
                 embedding + core / NETWORK_STRIDE * NETWORK_DIMENSIONS);
    }
    for (uint32_t i = 0; i < CONTEXTS; i++) run_context(branch, i, embedding, branch_steps(frames->count), scratch);
}
