/* SONDE_CLONES before a function compiles it twice, for processors with AVX2 and for all, and picks at load time. Sums keep
 * their order and are never contracted, so both give the same bits as long as the source fixes the order of additions.
 * Not in sanitizer builds: what picks runs before their run-time library is there. */
#ifndef SONDE_KERNELS_CLONES_H
#define SONDE_KERNELS_CLONES_H

#if defined(__x86_64__) && defined(__GNUC__) && !defined(__SANITIZE_ADDRESS__) && !defined(__SANITIZE_THREAD__) &&     \
    !defined(__clang__)
#define SONDE_CLONES __attribute__((target_clones("avx2", "default")))
#else
#define SONDE_CLONES
#endif

#endif
