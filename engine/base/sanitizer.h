/* SANITIZED: whether this is a build with AddressSanitizer or ThreadSanitizer; SANITIZED_THREADS: with the latter. Such a build has the whole sandbox: its run-time library does
 * within it what it must, with the options that workers/sandbox/sanitizer.c gives it, and the limit of memory counts from what its shadow takes. */
#ifndef SONDE_BASE_SANITIZER_H
#define SONDE_BASE_SANITIZER_H

#if defined(__SANITIZE_ADDRESS__) || defined(__SANITIZE_THREAD__)
#define SANITIZED 1
#elif defined(__has_feature)
#if __has_feature(address_sanitizer) || __has_feature(thread_sanitizer)
#define SANITIZED 1
#endif
#endif
#ifndef SANITIZED
#define SANITIZED 0
#endif

#if defined(__SANITIZE_THREAD__)
#define SANITIZED_THREADS 1
#elif defined(__has_feature)
#if __has_feature(thread_sanitizer)
#define SANITIZED_THREADS 1
#endif
#endif
#ifndef SANITIZED_THREADS
#define SANITIZED_THREADS 0
#endif

#endif
