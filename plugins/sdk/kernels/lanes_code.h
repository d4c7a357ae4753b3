/* The inner loops of lanes.c. lanes_code.c is compiled once for each set of instructions; each time it defines one of the
 * tables below. (target_clones wouldn't do: GCC splits vectors before it makes the clones.) */
#ifndef SONDE_KERNELS_LANES_CODE_H
#define SONDE_KERNELS_LANES_CODE_H

#include "kernels/lanes.h"

#define LANES_STAGES 33 /* enough for any 32-bit length, and a zero */

typedef float lanes_vector __attribute__((vector_size(4 * LANES)));

/* A complex value in each lane. */
struct lanes_pair {
    lanes_vector re, im;
};

struct lanes {
    uint32_t length, half;          /* real samples; complex values */
    uint32_t radices[LANES_STAGES]; /* of the stages, zero-terminated */
    struct lanes_pair *a, *b;       /* half + 1 values each: a stage reads one and writes the other */
    struct lanes_pair *result;      /* that of the two which holds the last transform */
    float *twiddles;                /* exp(-2 pi i k / half), k < half: pairs */
    float *unpack;                  /* exp(-2 pi i k / length), k <= half: pairs */
    const struct lanes_code *code;
};

struct lanes_code {
    void (*transform)(struct lanes *lanes, const float *samples, size_t hop, uint32_t count, const float *weights);
    void (*values)(const struct lanes *lanes, uint32_t count, float *out, size_t stride);
    void (*powers)(const struct lanes *lanes, uint32_t count, float *out, size_t stride);
};

extern const struct lanes_code lanes_code_plain, lanes_code_avx2;

#endif
