/* The loops of sums.c, which includes this once for each set of instructions. (target_clones wouldn't do: GCC takes vectors
 * apart before it makes the clones.) */

SUMS_TARGET static void SUMS_NAME(level)(const float *x, size_t n, float *sum, float *square, float *peak) {
    lanes s = {0}, q = {0}, p = {0};
    size_t i = 0;
    for (; i + LANES <= n; i += LANES) {
        lanes v = *(const anywhere *)(x + i), a = (lanes)((bits)v & 0x7fffffff);
        s += v;
        q += v * v;
        bits higher = a > p;
        p = (lanes)(((bits)a & higher) | ((bits)p & ~higher));
    }
    for (; i < n; i++) {
        float a = fabsf(x[i]);
        s[0] += x[i];
        q[0] += x[i] * x[i];
        p[0] = a > p[0] ? a : p[0];
    }
    *sum = *square = *peak = 0.0f;
    for (int j = 0; j < LANES; j++) {
        *sum += s[j];
        *square += q[j];
        *peak = p[j] > *peak ? p[j] : *peak;
    }
}

SUMS_TARGET static double SUMS_NAME(dot)(const float *x, const float *y, size_t n) {
    lanes s = {0};
    size_t i = 0;
    for (; i + LANES <= n; i += LANES) s += *(const anywhere *)(x + i) * *(const anywhere *)(y + i);
    for (; i < n; i++) s[0] += x[i] * y[i];
    double sum = 0.0;
    for (int j = 0; j < LANES; j++) sum += (double)s[j];
    return sum;
}

SUMS_TARGET static float SUMS_NAME(band)(const float *x, const float *y, size_t n) {
    lanes s = {0};
    for (size_t i = 0; i < n; i += LANES) s += *(const anywhere *)(x + i) * *(const anywhere *)(y + i);
    return ((s[0] + s[4]) + (s[2] + s[6])) + ((s[1] + s[5]) + (s[3] + s[7]));
}

SUMS_TARGET static float SUMS_NAME(lowest)(const float *p, size_t n) {
    float least = p[0] + p[1] + p[2];
    lanes low = {least, least, least, least, least, least, least, least};
    size_t i = 0;
    for (; i + LANES + 2 <= n; i += LANES) {
        lanes v = *(const anywhere *)(p + i) + *(const anywhere *)(p + i + 1) + *(const anywhere *)(p + i + 2);
        bits lower = v < low;
        low = (lanes)(((bits)v & lower) | ((bits)low & ~lower));
    }
    for (; i + 3 <= n; i++) {
        float v = p[i] + p[i + 1] + p[i + 2];
        least = v < least ? v : least;
    }
    for (int j = 0; j < LANES; j++) least = low[j] < least ? low[j] : least;
    return least;
}

SUMS_TARGET static void SUMS_NAME(moments)(const float *p, size_t n, double moments[3]) {
    lanes a = {0}, b = {0}, c = {0}, k = {0, 1, 2, 3, 4, 5, 6, 7};
    for (size_t i = 0; i + LANES <= n; i += LANES) {
        lanes v = *(const anywhere *)(p + i);
        a += v;
        b += v * k;
        c += v * k * k;
        k += LANES;
    }
    moments[0] = moments[1] = moments[2] = 0.0;
    for (int j = 0; j < LANES; j++) {
        moments[0] += (double)a[j];
        moments[1] += (double)b[j];
        moments[2] += (double)c[j];
    }
}
