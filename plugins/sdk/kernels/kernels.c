#include "kernels/kernels.h"

#include <stddef.h>
#include <string.h>

const void *kernels_find(const char *id) {
    static const struct {
        const char *id;
        const void *table;
    } tables[] = {
        {SONDE_KERNEL_FFT, &kernel_fft},           {SONDE_KERNEL_FFT_MANY, &kernel_fft_many},
        {SONDE_KERNEL_RESAMPLE, &kernel_resample}, {SONDE_KERNEL_HPSS, &kernel_hpss},
        {SONDE_KERNEL_YIN, &kernel_yin},           {SONDE_KERNEL_CQT, &kernel_cqt},
    };
    for (size_t i = 0; id && i < sizeof tables / sizeof *tables; i++)
        if (strcmp(tables[i].id, id) == 0) return tables[i].table;
    return NULL;
}
