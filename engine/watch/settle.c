#include "engine/watch/settle.h"

#include <errno.h>
#include <stdint.h>
#include <stdlib.h>
#include <string.h>
#include <sys/stat.h>

struct entry {
    char *path;
    size_t group;
    enum settle_reason reason;
    uint64_t touch;
    double due;
    bool asked; /* it is in a batch */
    bool seen;  /* size and mtime hold what the last look saw */
    int64_t size, mtime_ns;
};

struct settle {
    struct settle_delays delays;
    struct entry *entries; /* no order */
    size_t count, room;
    size_t *slots; /* open addressing: index + 1 into entries, 0 empty */
    size_t slots_room;
    uint64_t touches; /* so many so far */
    size_t cursor;    /* where the next batch begins, so that nobody starves */
};

struct settle *settle_new(struct settle_delays delays) {
    struct settle *settle = calloc(1, sizeof *settle);
    if (!settle) return NULL;
    settle->delays = delays;
    settle->slots_room = 64;
    settle->slots = calloc(settle->slots_room, sizeof *settle->slots);
    if (settle->slots) return settle;
    free(settle);
    return NULL;
}

void settle_free(struct settle *settle) {
    if (!settle) return;
    for (size_t i = 0; i < settle->count; i++) free(settle->entries[i].path);
    free(settle->entries);
    free(settle->slots);
    free(settle);
}

static size_t hash(const char *s) { /* FNV-1a */
    uint64_t h = 1469598103934665603u;
    for (; *s; s++) h = (h ^ (unsigned char)*s) * 1099511628211u;
    return (size_t)(h ^ (h >> 29));
}

/* The slot that holds `path`, or the empty one where it belongs. */
static size_t find_slot(const struct settle *settle, const char *path) {
    size_t i = hash(path) & (settle->slots_room - 1);
    while (settle->slots[i] && strcmp(settle->entries[settle->slots[i] - 1].path, path) != 0)
        i = (i + 1) & (settle->slots_room - 1);
    return i;
}

static bool reserve(struct settle *settle) {
    if (settle->count == settle->room) {
        size_t room = settle->room ? 2 * settle->room : 32;
        struct entry *grown = realloc(settle->entries, room * sizeof *grown);
        if (!grown) return false;
        settle->entries = grown;
        settle->room = room;
    }
    if (2 * (settle->count + 1) <= settle->slots_room) return true;
    size_t *slots = calloc(2 * settle->slots_room, sizeof *slots);
    if (!slots) return false;
    free(settle->slots);
    settle->slots = slots;
    settle->slots_room *= 2;
    for (size_t i = 0; i < settle->count; i++) slots[find_slot(settle, settle->entries[i].path)] = i + 1;
    return true;
}

/* Empties a slot and closes the gap it leaves in the probe sequence behind it. */
static void clear_slot(struct settle *settle, size_t slot) {
    size_t mask = settle->slots_room - 1;
    settle->slots[slot] = 0;
    for (size_t i = (slot + 1) & mask; settle->slots[i]; i = (i + 1) & mask) {
        size_t index = settle->slots[i];
        settle->slots[i] = 0;
        settle->slots[find_slot(settle, settle->entries[index - 1].path)] = index;
    }
}

static void remove_entry(struct settle *settle, size_t index) {
    clear_slot(settle, find_slot(settle, settle->entries[index].path));
    free(settle->entries[index].path);
    size_t last = --settle->count;
    if (index == last) return;
    settle->slots[find_slot(settle, settle->entries[last].path)] = index + 1;
    settle->entries[index] = settle->entries[last];
}

static double delay_of(const struct settle *settle, enum settle_reason reason) {
    const struct settle_delays *d = &settle->delays;
    return reason == SETTLE_CLOSED ? d->soon : reason == SETTLE_APPEARED ? d->quiet : d->stalled;
}

bool settle_touch(struct settle *settle, const char *path, size_t group, enum settle_reason reason, double now) {
    size_t slot = find_slot(settle, path);
    if (!settle->slots[slot]) {
        if (!reserve(settle)) return false;
        slot = find_slot(settle, path);
        char *copy = strdup(path);
        if (!copy) return false;
        settle->entries[settle->count] = (struct entry){.path = copy};
        settle->slots[slot] = ++settle->count;
    }
    struct entry *entry = &settle->entries[settle->slots[slot] - 1];
    entry->group = group;
    entry->reason = reason;
    entry->touch = ++settle->touches;
    entry->due = now;
    entry->seen = false;
    return true;
}

void settle_forget(struct settle *settle, const char *path, bool folder) {
    if (!folder) {
        size_t slot = find_slot(settle, path);
        if (settle->slots[slot]) remove_entry(settle, settle->slots[slot] - 1);
        return;
    }
    size_t n = strlen(path);
    for (size_t i = settle->count; i-- > 0;)
        if (strncmp(settle->entries[i].path, path, n) == 0 && settle->entries[i].path[n] == '/')
            remove_entry(settle, i);
}

static bool is_due(const struct entry *entry, size_t group, double now) {
    return entry->group == group && !entry->asked && entry->due <= now;
}

static size_t count_due(const struct settle *settle, size_t group, double now, size_t max) {
    size_t n = 0;
    for (size_t i = 0; i < settle->count && n < max; i++) n += is_due(&settle->entries[i], group, now);
    return n;
}

struct settle_batch *settle_due(struct settle *settle, size_t group, double now, size_t max) {
    size_t n = count_due(settle, group, now, max);
    struct settle_batch *batch = n > 0 ? calloc(1, sizeof *batch + n * sizeof *batch->looks) : NULL;
    if (!batch) return NULL;
    for (size_t left = settle->count; left > 0 && batch->n < n; left--, settle->cursor++) {
        if (settle->cursor >= settle->count) settle->cursor = 0;
        struct entry *entry = &settle->entries[settle->cursor];
        char *path = is_due(entry, group, now) ? strdup(entry->path) : NULL;
        if (!path) continue;
        entry->asked = true;
        batch->looks[batch->n++] = (struct settle_look){.path = path, .touch = entry->touch};
    }
    return batch;
}

void settle_batch_look(struct settle_batch *batch) {
    for (size_t i = 0; i < batch->n; i++) {
        struct settle_look *look = &batch->looks[i];
        struct stat st;
        bool looked = lstat(look->path, &st) == 0;
        /* What can't be looked at hasn't gone: the engine will say what is wrong with it. */
        look->there = looked ? S_ISREG(st.st_mode) || S_ISLNK(st.st_mode) : errno != ENOENT && errno != ENOTDIR;
        look->taken = true;
        if (!looked) continue;
        look->size = st.st_size;
        look->mtime_ns = (int64_t)st.st_mtim.tv_sec * 1000000000 + st.st_mtim.tv_nsec;
    }
}

/* Whether the file of this entry is whole, after another look at it; *gone: it isn't there any more. */
static bool is_whole(const struct settle *settle, struct entry *entry, const struct settle_look *look, double now,
                     bool *gone) {
    entry->asked = false;
    if (!look->taken || look->touch != entry->touch) return false;
    *gone = !look->there;
    if (*gone) return false;
    if (entry->seen && entry->size == look->size && entry->mtime_ns == look->mtime_ns) return true;
    entry->seen = true;
    entry->size = look->size;
    entry->mtime_ns = look->mtime_ns;
    entry->due = now + delay_of(settle, entry->reason);
    return false;
}

void settle_take(struct settle *settle, struct settle_batch *batch, double now,
                 void (*settled)(void *context, const char *path), void *context) {
    for (size_t i = 0; i < batch->n; i++) {
        const struct settle_look *look = &batch->looks[i];
        size_t slot = find_slot(settle, look->path), index = settle->slots[slot];
        bool gone = false, whole = index > 0 && is_whole(settle, &settle->entries[index - 1], look, now, &gone);
        if (index > 0 && (whole || gone)) remove_entry(settle, index - 1);
        if (whole) settled(context, look->path);
    }
    settle_batch_free(batch);
}

void settle_batch_free(struct settle_batch *batch) {
    for (size_t i = 0; batch && i < batch->n; i++) free(batch->looks[i].path);
    free(batch);
}

size_t settle_waiting(const struct settle *settle) {
    return settle->count;
}
