#include "kernels/lanes_code.h"

#include <math.h>
#include <stdlib.h>

static bool find_radices(struct lanes *lanes) {
    static const uint32_t choice[] = {4, 2, 3, 5, 7};
    uint32_t n = lanes->half;
    size_t count = 0;
    for (size_t c = 0; c < sizeof choice / sizeof *choice; c++)
        for (; n % choice[c] == 0; n /= choice[c]) lanes->radices[count++] = choice[c];
    return n == 1;
}

static float *roots(uint32_t count, uint32_t of) {
    float *table = malloc(2 * (size_t)count * sizeof *table);
    for (uint32_t k = 0; table && k < count; k++) {
        table[2 * k] = (float)cos(2 * M_PI * k / of);
        table[2 * k + 1] = (float)-sin(2 * M_PI * k / of);
    }
    return table;
}

static const struct lanes_code *choose_code(bool plain) {
#if defined(LANES_HAVE_AVX2)
    if (!plain && __builtin_cpu_supports("avx2")) return &lanes_code_avx2;
#endif
    (void)plain;
    return &lanes_code_plain;
}

struct lanes *lanes_new(uint32_t length, bool plain) {
    struct lanes *lanes = calloc(1, sizeof *lanes);
    if (!lanes) return NULL;
    lanes->length = length;
    lanes->half = length / 2;
    lanes->code = choose_code(plain);
    size_t bytes = ((size_t)lanes->half + 1) * sizeof(struct lanes_pair);
    if (length >= 2 && length % 2 == 0 && find_radices(lanes)) {
        lanes->a = aligned_alloc(64, (bytes + 63) / 64 * 64);
        lanes->b = aligned_alloc(64, (bytes + 63) / 64 * 64);
        lanes->twiddles = roots(lanes->half, lanes->half);
        lanes->unpack = roots(lanes->half + 1, length);
    }
    lanes->result = lanes->b;
    if (lanes->a && lanes->b && lanes->twiddles && lanes->unpack) return lanes;
    lanes_free(lanes);
    return NULL;
}

void lanes_free(struct lanes *lanes) {
    if (!lanes) return;
    free(lanes->a);
    free(lanes->b);
    free(lanes->twiddles);
    free(lanes->unpack);
    free(lanes);
}

void lanes_transform(struct lanes *lanes, const float *samples, size_t hop, uint32_t count, const float *weights) {
    lanes->code->transform(lanes, samples, hop, count, weights);
}

void lanes_values(const struct lanes *lanes, uint32_t count, float *out, size_t stride) {
    lanes->code->values(lanes, count, out, stride);
}

void lanes_powers(const struct lanes *lanes, uint32_t count, float *out, size_t stride) {
    lanes->code->powers(lanes, count, out, stride);
}
