/* How alike a series is to itself some time later. */
#ifndef TEMPO_METER_LAGS_H
#define TEMPO_METER_LAGS_H

#include <stdint.h>

/* Sum of x[t] y[t] over `count` values; the same bits on every processor. */
float lags_product(const float *x, const float *y, int64_t count);

/* Autocovariance of the `count` values of x, whose sum is `sum`, at `lag` >= 0 values: mean product of what lies `lag` apart,
 * linear between whole lags; 0 where less than two values are left. */
double lags_covariance(const float *x, int64_t count, double sum, double lag);

#endif
