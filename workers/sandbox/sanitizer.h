/* Whether this is a build with AddressSanitizer or ThreadSanitizer, whose run-time library needs more of the system
 * than the sandbox allows. */
#ifndef SONDE_SANDBOX_SANITIZER_H
#define SONDE_SANDBOX_SANITIZER_H

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

#endif
