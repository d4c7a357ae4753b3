#include "engine/ipc/descriptors.h"

#include "engine/ipc/memfd.h"

#include <errno.h>
#include <fcntl.h>
#include <poll.h>
#include <string.h>
#include <sys/socket.h>
#include <sys/stat.h>
#include <sys/syscall.h>
#include <time.h>
#include <unistd.h>

bool descriptors_pair(int pair[2], struct error *error) {
    if (socketpair(AF_UNIX, SOCK_SEQPACKET | SOCK_CLOEXEC, 0, pair) != 0)
        return error_system(error, errno, "cannot create a socket pair");
    if (fcntl(pair[0], F_SETFL, O_NONBLOCK) == 0) return true;
    error_system(error, errno, "cannot make a socket non-blocking");
    close(pair[0]);
    close(pair[1]);
    return false;
}

bool descriptors_send(int socket, const struct descriptor_packet *packet, int fd, struct error *error) {
    struct descriptor_packet payload = *packet;
    payload.magic = DESCRIPTOR_MAGIC;
    union {
        struct cmsghdr header; /* for its alignment */
        char bytes[CMSG_SPACE(sizeof(int))];
    } control;
    memset(&control, 0, sizeof control);
    struct iovec part = {&payload, sizeof payload};
    struct msghdr message = {
        .msg_iov = &part, .msg_iovlen = 1, .msg_control = control.bytes, .msg_controllen = sizeof control.bytes};
    struct cmsghdr *header = CMSG_FIRSTHDR(&message);
    header->cmsg_level = SOL_SOCKET;
    header->cmsg_type = SCM_RIGHTS;
    header->cmsg_len = CMSG_LEN(sizeof(int));
    memcpy(CMSG_DATA(header), &fd, sizeof fd);
    ssize_t sent;
    do {
        sent = sendmsg(socket, &message, MSG_NOSIGNAL | MSG_DONTWAIT);
    } while (sent < 0 && errno == EINTR);
    if (sent == (ssize_t)sizeof payload) return true;
    return error_system(error, sent < 0 ? errno : EPROTO, "cannot hand a descriptor to a worker");
}

static bool check_audio(struct descriptor *got, uint64_t sample_bytes, struct error *error) {
    uint64_t frames = got->packet.frames;
    if (!memfd_is_sealed(got->fd, &got->bytes)) return error_system(error, EPROTO, "audio that is not sealed");
    if (frames == 0 || frames > got->bytes / sample_bytes || got->bytes % (frames * sample_bytes) != 0)
        return error_system(error, EPROTO, "audio of another length than said");
    return true;
}

/* What kind of file it is, and whether that fits what the packet says it is. */
static bool check_descriptor(struct descriptor *got, struct error *error) {
    struct stat st;
    int flags = fcntl(got->fd, F_GETFL);
    /* The system call itself: the C library's fstat is newfstatat, which is forbidden after lock-down. */
    if (flags < 0 || syscall(SYS_fstat, got->fd, &st) != 0) return error_system(error, EPROTO, "unusable descriptor");
    if (!S_ISREG(st.st_mode) || st.st_size < 0)
        return error_system(error, EPROTO, "descriptor of something not a file");
    got->bytes = (uint64_t)st.st_size;
    int access = flags & O_ACCMODE;
    const struct descriptor_packet *packet = &got->packet;
    switch (packet->kind) {
    case DESCRIPTOR_FILE:
        if (access != O_RDONLY || (flags & O_PATH))
            return error_system(error, EPROTO, "input file not opened for reading");
        return true;
    case DESCRIPTOR_FILL: {
        int seals = fcntl(got->fd, F_GET_SEALS);
        if (access != O_RDWR || got->bytes == 0 || seals < 0 || (seals & F_SEAL_WRITE))
            return error_system(error, EPROTO, "memory to fill that cannot be filled");
        return true;
    }
    case DESCRIPTOR_PCM: return check_audio(got, sizeof(float), error);
    case DESCRIPTOR_SHORTS: return check_audio(got, sizeof(int16_t), error);
    case DESCRIPTOR_ARRAY:
        if (!memfd_is_sealed(got->fd, &got->bytes)) return error_system(error, EPROTO, "array that is not sealed");
        return true;
    default: return error_system(error, EPROTO, "descriptor of unknown kind %u", packet->kind);
    }
}

static int64_t now_ms(void) {
    struct timespec now;
    clock_gettime(CLOCK_MONOTONIC, &now);
    return (int64_t)now.tv_sec * 1000 + now.tv_nsec / 1000000;
}

static bool wait_readable(int socket, int timeout_ms, struct error *error) {
    int64_t deadline = timeout_ms < 0 ? 0 : now_ms() + timeout_ms;
    for (;;) {
        struct pollfd wait = {.fd = socket, .events = POLLIN};
        int64_t left = timeout_ms < 0 ? -1 : deadline - now_ms();
        int n = poll(&wait, 1, left < 0 && timeout_ms >= 0 ? 0 : (int)left);
        if (n > 0) return true;
        if (n == 0) return error_system(error, ETIMEDOUT, "no descriptor came");
        if (errno != EINTR) return error_system(error, errno, "cannot wait for a descriptor");
    }
}

/* Takes the descriptors out of the control data: exactly one, or all are closed. Returns it, or -1. */
static int take_one(struct msghdr *message) {
    int found = -1, count = 0;
    for (struct cmsghdr *header = CMSG_FIRSTHDR(message); header; header = CMSG_NXTHDR(message, header)) {
        if (header->cmsg_level != SOL_SOCKET || header->cmsg_type != SCM_RIGHTS || header->cmsg_len < CMSG_LEN(0))
            continue;
        size_t n = (header->cmsg_len - CMSG_LEN(0)) / sizeof(int);
        for (size_t i = 0; i < n; i++) {
            int fd;
            memcpy(&fd, CMSG_DATA(header) + i * sizeof fd, sizeof fd);
            if (count++ == 0)
                found = fd;
            else
                close(fd);
        }
    }
    if (count == 1) return found;
    if (found >= 0) close(found);
    return -1;
}

bool descriptors_receive(int socket, int timeout_ms, struct descriptor *out, struct error *error) {
    out->fd = -1;
    out->bytes = 0;
    if (!wait_readable(socket, timeout_ms, error)) return false;
    union {
        struct cmsghdr header;
        char bytes[CMSG_SPACE(8 * sizeof(int))]; /* more than one is refused, but must be seen to be closed */
    } control;
    memset(&control, 0, sizeof control);
    struct iovec part = {&out->packet, sizeof out->packet};
    struct msghdr message = {
        .msg_iov = &part, .msg_iovlen = 1, .msg_control = control.bytes, .msg_controllen = sizeof control.bytes};
    ssize_t n;
    do {
        n = recvmsg(socket, &message, MSG_CMSG_CLOEXEC);
    } while (n < 0 && errno == EINTR);
    if (n < 0) return error_system(error, errno == ECONNRESET ? EPIPE : errno, "cannot receive a descriptor");
    out->fd = take_one(&message);
    if (n == 0 && out->fd < 0) return error_system(error, EPIPE, "the other end of the descriptor socket is closed");
    bool fits = n == (ssize_t)sizeof out->packet && !(message.msg_flags & (MSG_CTRUNC | MSG_TRUNC)) && out->fd >= 0 &&
                out->packet.magic == DESCRIPTOR_MAGIC;
    if (!fits) error_system(error, EPROTO, "a packet that is not one descriptor");
    if (fits && check_descriptor(out, error)) return true;
    if (out->fd >= 0) close(out->fd);
    out->fd = -1;
    return false;
}
