#include "engine/base/shorts.h"

#include "plugins/sdk/kernels/clones.h"

#define FULL_SCALE 32768.0f

SONDE_CLONES void shorts_to_floats(const int16_t *from, size_t n, float *restrict to) {
    for (size_t i = 0; i < n; i++) to[i] = (float)from[i] * (1 / FULL_SCALE);
}

SONDE_CLONES static void take_each(const float *from, size_t n, int16_t *restrict to) {
    for (size_t i = 0; i < n; i++) to[i] = (int16_t)(from[i] * FULL_SCALE);
}

SONDE_CLONES static void take_every_second(const float *from, size_t n, int16_t *restrict to) {
    for (size_t i = 0; i < n; i++) to[i] = (int16_t)(from[2 * i] * FULL_SCALE);
}

void shorts_from_floats(const float *from, size_t n, size_t stride, int16_t *restrict to) {
    if (stride == 1)
        take_each(from, n, to);
    else if (stride == 2)
        take_every_second(from, n, to);
    else
        for (size_t i = 0; i < n; i++) to[i] = (int16_t)(from[i * stride] * FULL_SCALE);
}
