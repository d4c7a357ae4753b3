#include "weights.h"

#include <math.h>
#include <stdio.h>
#include <string.h>
#include <xxhash.h>

_Static_assert(sizeof(struct weights_header) == 128, "the header is 128 bytes in the file");
_Static_assert(sizeof(struct weights_entry) == 64, "an entry is 64 bytes in the file");

static int refuse(char *error, size_t n, const char *sentence) {
    snprintf(error, n, "%s", sentence);
    return -1;
}

static int check_entry(const struct weights *weights, const struct weights_entry *entry) {
    if (memchr(entry->name, 0, sizeof entry->name) == NULL) return -1;
    if (entry->dtype != WEIGHTS_F32 && entry->dtype != WEIGHTS_U8) return -1;
    uint64_t count = entry->dtype == WEIGHTS_F32 ? sizeof(float) : 1;
    for (int i = 0; i < 3; i++) {
        if (entry->dims[i] == 0 || entry->dims[i] > 1u << 20) return -1;
        count *= entry->dims[i]; /* at most 2^62 */
    }
    if (count != entry->bytes || entry->offset % 64 != 0 || entry->offset > weights->size) return -1;
    return entry->bytes > weights->size - entry->offset ? -1 : 0;
}

int weights_open(struct weights *weights, const void *data, uint64_t size, const char *kind, uint32_t architecture,
                 char *error, size_t n) {
    const struct weights_header *header = data;
    if (size < sizeof *header) return refuse(error, n, "the weights file is too short to have a header");
    if (memcmp(header->magic, "SONDEWTS", 8) != 0) return refuse(error, n, "the file is not a sonde weights file");
    if (header->format != WEIGHTS_FORMAT) {
        snprintf(error, n, "the weights file has format %u, this plugin reads format %u", header->format,
                 WEIGHTS_FORMAT);
        return -1;
    }
    if (strncmp(header->kind, kind, sizeof header->kind) != 0) {
        snprintf(error, n, "the weights file is of kind \"%.16s\", not \"%s\"", header->kind, kind);
        return -1;
    }
    if (header->architecture != architecture) {
        snprintf(error, n, "the weights file is for architecture %u, this plugin has architecture %u",
                 header->architecture, architecture);
        return -1;
    }
    if (header->size != size) {
        snprintf(error, n, "the weights file is %s: it has %llu bytes of %llu",
                 size < header->size ? "truncated" : "longer than it says", (unsigned long long)size,
                 (unsigned long long)header->size);
        return -1;
    }
    if (XXH64(header + 1, (size_t)(size - sizeof *header), 0) != header->hash)
        return refuse(error, n, "the weights file is damaged: its content does not match its hash");
    if (memchr(header->model, 0, sizeof header->model) == NULL || header->tensors > 1000 ||
        sizeof *header + header->tensors * sizeof(struct weights_entry) > size)
        return refuse(error, n, "the weights file has a malformed header");
    *weights = (struct weights){data, size, header, (const struct weights_entry *)(header + 1)};
    for (uint32_t i = 0; i < header->tensors; i++)
        if (check_entry(weights, &weights->entries[i]) != 0)
            return refuse(error, n, "the weights file has a malformed table");
    return 0;
}

static const struct weights_entry *find(const struct weights *weights, const char *name, uint32_t dtype) {
    for (uint32_t i = 0; i < weights->header->tensors; i++)
        if (strcmp(weights->entries[i].name, name) == 0 && weights->entries[i].dtype == dtype)
            return &weights->entries[i];
    return NULL;
}

const float *weights_floats(const struct weights *weights, const char *name, uint32_t d0, uint32_t d1, uint32_t d2,
                            char *error, size_t n) {
    const struct weights_entry *entry = find(weights, name, WEIGHTS_F32);
    if (entry == NULL) {
        snprintf(error, n, "the weights file has no tensor \"%s\"", name);
        return NULL;
    }
    if (entry->dims[0] != d0 || entry->dims[1] != d1 || entry->dims[2] != d2) {
        snprintf(error, n, "tensor \"%s\" of the weights file is %u x %u x %u, expected %u x %u x %u", name,
                 entry->dims[0], entry->dims[1], entry->dims[2], d0, d1, d2);
        return NULL;
    }
    const float *values = (const float *)(const void *)(weights->data + entry->offset);
    for (uint64_t i = 0; i < entry->bytes / sizeof(float); i++)
        if (!isfinite(values[i])) {
            snprintf(error, n, "tensor \"%s\" of the weights file holds a value that is not finite", name);
            return NULL;
        }
    return values;
}

const char *weights_text(const struct weights *weights, const char *name, uint64_t *length, char *error, size_t n) {
    const struct weights_entry *entry = find(weights, name, WEIGHTS_U8);
    if (entry == NULL) {
        snprintf(error, n, "the weights file has no text \"%s\"", name);
        return NULL;
    }
    *length = entry->bytes;
    return (const char *)weights->data + entry->offset;
}

uint32_t weights_rows(const struct weights *weights, const char *name) {
    for (uint32_t i = 0; i < weights->header->tensors; i++)
        if (strcmp(weights->entries[i].name, name) == 0) return weights->entries[i].dims[0];
    return 0;
}
