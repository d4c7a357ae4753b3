#include "engine/base/shorts.h"

#include "plugins/sdk/kernels/clones.h"

#define FULL_SCALE 32768.0f

SONDE_CLONES void shorts_to_floats(const int16_t *from, size_t n, float *restrict to) {
    for (size_t i = 0; i < n; i++) to[i] = (float)from[i] * (1 / FULL_SCALE);
}

SONDE_CLONES void shorts_from_floats(const float *from, size_t n, int16_t *restrict to) {
    for (size_t i = 0; i < n; i++) to[i] = (int16_t)(from[i] * FULL_SCALE);
}
