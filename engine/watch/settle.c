#include "engine/watch/settle.h"

#include <stdint.h>
#include <stdlib.h>
#include <string.h>
#include <sys/stat.h>

struct entry {
    char *path;
    enum settle_reason reason;
    double due;
    bool seen; /* size and mtime hold what the last look saw */
    int64_t size, mtime_ns;
};

struct settle {
    struct settle_delays delays;
    struct entry *entries; /* no order */
    size_t count, room;
    size_t *slots; /* open addressing: index + 1 into entries, 0 empty */
    size_t slots_room;
    size_t cursor; /* where the next look begins, so that nobody starves */
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

/* Takes a picture of the file; false if it is gone or not a regular file. */
static bool look(struct entry *entry, bool *same) {
    struct stat st;
    if (lstat(entry->path, &st) != 0 || !(S_ISREG(st.st_mode) || S_ISLNK(st.st_mode))) return false;
    int64_t mtime = (int64_t)st.st_mtim.tv_sec * 1000000000 + st.st_mtim.tv_nsec;
    *same = entry->seen && entry->size == (int64_t)st.st_size && entry->mtime_ns == mtime;
    entry->seen = true;
    entry->size = st.st_size;
    entry->mtime_ns = mtime;
    return true;
}

bool settle_touch(struct settle *settle, const char *path, enum settle_reason reason, double now) {
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
    entry->reason = reason;
    entry->due = now + delay_of(settle, reason);
    bool same;
    if (!look(entry, &same)) entry->seen = false; /* gone already: the next look forgets it */
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

void settle_look(struct settle *settle, double now, size_t max, void (*settled)(void *context, const char *path),
                 void *context) {
    size_t left = settle->count; /* each entry at most once */
    while (left-- > 0 && max > 0 && settle->count > 0) {
        if (settle->cursor >= settle->count) settle->cursor = 0;
        struct entry *entry = &settle->entries[settle->cursor];
        if (entry->due > now) {
            settle->cursor++;
            continue;
        }
        max--;
        bool same = false;
        if (!look(entry, &same)) {
            remove_entry(settle, settle->cursor);
        } else if (!same) {
            entry->due = now + delay_of(settle, entry->reason);
            settle->cursor++;
        } else {
            char *path = strdup(entry->path);
            if (!path) return; /* the next look tries again */
            remove_entry(settle, settle->cursor);
            settled(context, path);
            free(path);
        }
    }
}

size_t settle_waiting(const struct settle *settle) {
    return settle->count;
}
