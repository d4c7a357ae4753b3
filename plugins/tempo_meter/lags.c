/* SPDX-License-Identifier: MIT */
#include "lags.h"

#include "kernels/clones.h"

SONDE_CLONES float lags_product(const float *x, const float *y, int64_t count) {
    float sum[8] = {0}, total = 0;
    int64_t t = 0;
    for (; t + 8 <= count; t += 8)
        for (int k = 0; k < 8; k++) sum[k] += x[t + k] * y[t + k];
    for (; t < count; t++) total += x[t] * y[t];
    for (int k = 0; k < 8; k++) total += sum[k];
    return total;
}

/* At a whole lag, of the first `count` pairs. The mean of all values is taken from each product by its sums. */
static double covariance_at(const float *x, int64_t count, double sum, int64_t lag) {
    const int64_t n = count - lag;
    double head = sum, tail = sum;
    for (int64_t t = 0; t < lag; t++) {
        tail -= (double)x[t];
        head -= (double)x[n + t];
    }
    const double mean = sum / (double)count;
    return ((double)lags_product(x, x + lag, n) - mean * (head + tail)) / (double)n + mean * mean;
}

double lags_covariance(const float *x, int64_t count, double sum, double lag) {
    const int64_t k = (int64_t)lag;
    const double part = lag - (double)k;
    if (k + 1 >= count) return 0;
    return (1 - part) * covariance_at(x, count, sum, k) + (part > 0 ? part * covariance_at(x, count, sum, k + 1) : 0);
}
