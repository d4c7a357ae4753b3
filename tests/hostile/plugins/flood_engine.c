/* Sends messages of almost 2 MiB about some other job over the connection to the engine, as fast as that takes them, for ever.
 * expect: failed broken protocol: it answers again and again what it wasn't asked
 * check: run.crash */
#define FINISH                                                                                                         \
    enum { PAIRS = 1000000 };                                                                                          \
    static const char head[] = "{\"type\":\"result\",\"job\":0,\"nonce\":0,\"json\":[0", end[] = "]}";                 \
    static char frame[13 + sizeof head + 2 * PAIRS + sizeof end];                                                      \
    char *to = frame + 13;                                                                                             \
    to = (char *)memcpy(to, head, sizeof head - 1) + sizeof head - 1;                                                  \
    for (int i = 0; i < PAIRS; i++, to += 2) memcpy(to, ",1", 2);                                                      \
    to = (char *)memcpy(to, end, sizeof end - 1) + sizeof end - 1;                                                     \
    frame[0] = frame[12] = 1;                                                                                          \
    for (int i = 0; i < 8; i++) frame[8 - i] = (char)((size_t)(to - frame - 9) >> 8 * i);                              \
    int fd = 3, type = 0;                                                                                              \
    for (socklen_t n = sizeof type; fd < 256 && (getsockopt(fd, SOL_SOCKET, SO_TYPE, &type, &n) || type != SOCK_STREAM);) \
        fd++;                                                                                                          \
    for (const char *at = frame;;) {                                                                                   \
        ssize_t sent = write(fd, at, (size_t)(to - at));                                                               \
        if (sent > 0) at = at + sent == to ? frame : at + sent;                                                        \
    }
#include "../hostile.h"
