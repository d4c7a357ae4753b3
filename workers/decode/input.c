#include "workers/decode/input.h"

#include <errno.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <unistd.h>

#define REFILL     (64 * 1024)
#define CALL_COST  64 /* bytes that a call costs beside what it reads: even reads of nothing come to an end */
#define EMPTY_COST 4096

void input_renew(struct input *input) {
    input->budget = input->size > INT64_MAX / 32 ? INT64_MAX / 2 : 16 * input->size + 64 * 1024 * 1024;
}

bool input_open(struct input *input, int fd, int64_t size, struct error *error) {
    *input = (struct input){.fd = fd, .size = size};
    input_renew(input);
    input->buffer = malloc(INPUT_BUFFER);
    if (!input->buffer) return error_memory(error);
    return true;
}

void input_close(struct input *input) {
    free(input->buffer);
    input->buffer = NULL;
}

bool input_is_spent(const struct input *input) {
    return input->budget <= 0;
}

/* pread until `n` bytes are there, the end is reached or reading fails. */
static size_t read_fully(struct input *input, int64_t offset, unsigned char *to, size_t n) {
    size_t done = 0;
    while (done < n) {
        ssize_t got = pread(input->fd, to + done, n - done, offset + (int64_t)done);
        if (got < 0 && errno == EINTR) continue;
        if (got < 0 && !input->error_code) input->error_code = errno;
        if (got <= 0) break;
        done += (size_t)got;
    }
    return done;
}

size_t input_read_at(struct input *input, int64_t offset, void *to, size_t n) {
    input->budget -= CALL_COST;
    if (offset < 0 || offset >= input->size || n == 0 || input->budget <= 0) {
        input->budget -= EMPTY_COST;
        return 0;
    }
    if ((int64_t)n > input->size - offset) n = (size_t)(input->size - offset);
    input->budget -= (int64_t)n;
    size_t done = 0;
    while (done < n) {
        int64_t at = offset + (int64_t)done;
        if (at >= input->buffer_start && at < input->buffer_start + (int64_t)input->buffered) {
            size_t skip = (size_t)(at - input->buffer_start);
            size_t take = input->buffered - skip < n - done ? input->buffered - skip : n - done;
            memcpy((unsigned char *)to + done, input->buffer + skip, take);
            done += take;
        } else if (n - done >= REFILL) {
            return done + read_fully(input, at, (unsigned char *)to + done, n - done);
        } else {
            int64_t left = input->size - at;
            input->buffer_start = at;
            input->buffered = read_fully(input, at, input->buffer, left < REFILL ? (size_t)left : REFILL);
            if (input->buffered == 0) break;
        }
    }
    return done;
}

size_t input_read(struct input *input, void *to, size_t n) {
    size_t got = input_read_at(input, input->position, to, n);
    input->position += (int64_t)got;
    return got;
}

int64_t input_seek(struct input *input, int64_t offset, int whence) {
    int64_t base = whence == SEEK_SET ? 0 : whence == SEEK_CUR ? input->position : input->size;
    int64_t place;
    if (__builtin_add_overflow(base, offset, &place)) place = offset < 0 ? 0 : input->size;
    input->position = place < 0 ? 0 : place > input->size ? input->size : place;
    return input->position;
}

bool input_hash(struct input *input, char out[HASH_TEXT], struct error *error) {
    struct hash *hash = hash_new();
    if (!hash) return error_memory(error);
    int64_t at = 0;
    while (at < input->size) {
        int64_t left = input->size - at;
        input->buffer_start = at;
        input->buffered = read_fully(input, at, input->buffer, left < INPUT_BUFFER ? (size_t)left : INPUT_BUFFER);
        if (input->buffered == 0) break;
        hash_add(hash, input->buffer, input->buffered);
        at += (int64_t)input->buffered;
    }
    hash_text(hash, out);
    hash_free(hash);
    if (at == input->size) return true;
    if (input->error_code) return error_system(error, input->error_code, "cannot read the file");
    return error_set(error,
                     "the file became shorter while it was read; it will be looked at again when it is complete");
}
