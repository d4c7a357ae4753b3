/* Passing one descriptor at a time over the SOCK_SEQPACKET pair that a worker is born with (its descriptor 3).
 *
 * Only the engine sends. The receiver believes nothing: length, magic, number of descriptors, kind of file, access
 * mode, seals and size are checked, and whatever doesn't fit is closed. */
#ifndef SONDE_IPC_DESCRIPTORS_H
#define SONDE_IPC_DESCRIPTORS_H

#include "engine/base/error.h"

#include <stdint.h>

#define DESCRIPTOR_MAGIC 0x73646373u

enum descriptor_kind {
    DESCRIPTOR_FILE = 1, /* the input: a regular file, readable and not writable */
    DESCRIPTOR_FILL,     /* a memfd to be filled: writable, not yet sealed */
    DESCRIPTOR_PCM,      /* a sealed memfd: planar float32, channel after channel of `frames` each */
    DESCRIPTOR_ARRAY,    /* a sealed memfd: one array of an input */
    DESCRIPTOR_SHORTS,   /* as PCM, but int16, full scale 32768 */
    DESCRIPTOR_KINDS
};

/* The payload of a packet. What `start` and `frames` mean: schema/protocol.md. */
struct descriptor_packet {
    uint32_t magic; /* set by descriptors_send */
    uint32_t kind;
    uint64_t job, serial;
    int64_t start;
    uint64_t frames;
};

/* A descriptor that has arrived and passed the checks; the receiver closes `fd`. */
struct descriptor {
    struct descriptor_packet packet;
    int fd;
    uint64_t bytes; /* size of the file or memfd */
};

/* Makes the pair: [0] stays with the engine (non-blocking, close-on-exec), [1] goes to the worker (close-on-exec too:
 * spawning duplicates it). */
bool descriptors_pair(int pair[2], struct error *error);

/* Sends `fd`, which stays the caller's, never blocking. `error->code` is EAGAIN when the worker hasn't taken earlier
 * ones (try again when the socket is writable), EPIPE or ECONNRESET when it is gone. */
bool descriptors_send(int socket, const struct descriptor_packet *packet, int fd, struct error *error);

/* Waits up to `timeout_ms` (-1: for ever) for one descriptor. `error->code` is ETIMEDOUT when none came, EPIPE when the
 * other end is closed, EPROTO when what came was refused (and closed). */
bool descriptors_receive(int socket, int timeout_ms, struct descriptor *out, struct error *error);

#endif
