#include "engine/schedule/ids.h"

#include <stdlib.h>

static size_t slot_of(const struct ids *ids, int64_t id) {
    size_t i = (size_t)((uint64_t)id * 0x9e3779b97f4a7c15u >> 20) & (ids->room - 1);
    while (ids->slots[i] != 0 && ids->slots[i] != id) i = (i + 1) & (ids->room - 1);
    return i;
}

static bool grow(struct ids *ids) {
    struct ids grown = {.room = ids->room ? 2 * ids->room : 64, .count = ids->count};
    grown.slots = calloc(grown.room, sizeof *grown.slots);
    if (!grown.slots) return false;
    for (size_t i = 0; i < ids->room; i++)
        if (ids->slots[i] != 0) grown.slots[slot_of(&grown, ids->slots[i])] = ids->slots[i];
    free(ids->slots);
    *ids = grown;
    return true;
}

bool ids_add(struct ids *ids, int64_t id) {
    if (2 * (ids->count + 1) > ids->room && !grow(ids)) return false;
    size_t i = slot_of(ids, id);
    ids->count += ids->slots[i] == 0;
    ids->slots[i] = id;
    return true;
}

bool ids_has(const struct ids *ids, int64_t id) {
    return ids->room > 0 && ids->slots[slot_of(ids, id)] == id;
}

bool ids_remove(struct ids *ids, int64_t id) {
    if (!ids_has(ids, id)) return false;
    size_t i = slot_of(ids, id);
    ids->slots[i] = 0;
    ids->count--;
    /* Closes the gap that it leaves in the probe sequences behind it. */
    for (size_t k = (i + 1) & (ids->room - 1); ids->slots[k] != 0; k = (k + 1) & (ids->room - 1)) {
        int64_t moved = ids->slots[k];
        ids->slots[k] = 0;
        ids->slots[slot_of(ids, moved)] = moved;
    }
    return true;
}

void ids_clear(struct ids *ids) {
    free(ids->slots);
    *ids = (struct ids){0};
}
