#include "weights_rig.h"

#include <stdlib.h>
#include <string.h>
#include <xxhash.h>

static void add(struct weights_rig *rig, const char *name, const void *data, uint32_t dtype, uint32_t d0, uint32_t d1,
                uint64_t bytes) {
    struct weights_entry *entry = &rig->entries[rig->count];
    *entry = (struct weights_entry){.dtype = dtype, .dims = {d0, d1, 1}, .bytes = bytes};
    strncpy(entry->name, name, sizeof entry->name - 1);
    rig->data[rig->count++] = data;
}

void weights_rig_add(struct weights_rig *rig, const char *name, const float *values, uint32_t d0, uint32_t d1) {
    add(rig, name, values, WEIGHTS_F32, d0, d1, (uint64_t)d0 * d1 * sizeof(float));
}

void weights_rig_add_text(struct weights_rig *rig, const char *name, const char *text) {
    add(rig, name, text, WEIGHTS_U8, (uint32_t)strlen(text), 1, strlen(text));
}

uint8_t *weights_rig_make(const struct weights_rig *rig, uint64_t *size) {
    uint64_t offset = sizeof(struct weights_header) + rig->count * sizeof(struct weights_entry);
    *size = offset;
    for (uint32_t i = 0; i < rig->count; i++) *size += (rig->entries[i].bytes + 63) / 64 * 64;
    uint8_t *file = aligned_alloc(64, *size);
    if (file == NULL) abort();
    memset(file, 0, *size);
    struct weights_header *header = (struct weights_header *)(void *)file;
    *header = (struct weights_header){.format = WEIGHTS_FORMAT,
                                      .architecture = rig->architecture,
                                      .model = "sonde-embedding",
                                      .version = rig->version,
                                      .tensors = rig->count,
                                      .size = *size,
                                      .parent = rig->parent};
    memcpy(header->magic, "SONDEWTS", 8);
    strncpy(header->kind, rig->kind, sizeof header->kind - 1);
    struct weights_entry *entries = (struct weights_entry *)(void *)(header + 1);
    for (uint32_t i = 0; i < rig->count; i++) {
        entries[i] = rig->entries[i];
        entries[i].offset = offset;
        memcpy(file + offset, rig->data[i], rig->entries[i].bytes);
        offset += (rig->entries[i].bytes + 63) / 64 * 64;
    }
    weights_rig_rehash(file, *size);
    return file;
}

void weights_rig_rehash(uint8_t *file, uint64_t size) {
    struct weights_header *header = (struct weights_header *)(void *)file;
    header->hash = XXH64(header + 1, (size_t)(size - sizeof *header), 0);
}

float weights_rig_random(uint32_t *state) {
    *state = *state * 1664525u + 1013904223u; /* Numerical Recipes' generator */
    return (float)(*state >> 8) / 8388608.0f - 1.0f;
}
