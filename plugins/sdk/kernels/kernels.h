/* The kernels behind sonde/kernels.h, as the host links them. Any thread. */
#ifndef SONDE_KERNELS_TABLES_H
#define SONDE_KERNELS_TABLES_H

#include "sonde/kernels.h"

/* The table called `id` ("sonde.fft/1"), or NULL. It is constant and lives as long as the program. */
const void *kernels_find(const char *id);

/* The tables; each in the file of its name. */
extern const sonde_kernel_fft_t kernel_fft;
extern const sonde_kernel_fft_many_t kernel_fft_many;
extern const sonde_kernel_resample_t kernel_resample;
extern const sonde_kernel_hpss_t kernel_hpss;
extern const sonde_kernel_yin_t kernel_yin;
extern const sonde_kernel_cqt_t kernel_cqt;

#endif
