#include "workers/host/guard.h"

#include <stdbool.h>
#include <string.h>
#include <sys/mman.h>
#include <unistd.h>

#define ALIGNMENT 64
#define FILLING   0xff /* of what isn't the block's: NaN as floats, no address as pointers */

static size_t page_size(void) {
    return (size_t)sysconf(_SC_PAGESIZE);
}

/* Whole pages that hold so many bytes. */
static size_t rounded(size_t bytes) {
    size_t page = page_size();
    return (bytes + page - 1) / page * page;
}

enum guard_side guard_side_of(const char *name) {
    if (name && strcmp(name, "before") == 0) return GUARD_BEFORE;
    return name && strcmp(name, "after") == 0 ? GUARD_AFTER : GUARD_NONE;
}

/* Opens the pages at *place for `bytes` of data, copies it to one end of them, and goes on behind the page that follows. NULL:
 * out of memory. */
static void *take_room(const struct guard *guard, char **place, const void *data, size_t bytes, size_t alignment) {
    size_t room = rounded(bytes);
    char *pages = *place;
    *place += room + page_size();
    if (mprotect(pages, room, PROT_READ | PROT_WRITE) != 0) return NULL;
    memset(pages, FILLING, room);
    char *to = guard->side == GUARD_AFTER ? pages + (room - bytes) / alignment * alignment : pages;
    return memcpy(to, data, bytes);
}

static size_t bytes_of(const sonde_block_t *block) {
    size_t rows = block->planes ? 1 : (size_t)block->channels * block->stride;
    return rows * block->frames * sizeof(float);
}

/* Memory for `count` parts of `bytes` each and for as many pointers, every one between two untouchable pages. */
static bool reserve(struct guard *guard, uint32_t count, size_t bytes) {
    size_t all = page_size() + count * (rounded(bytes) + page_size()) + rounded(count * sizeof(void *)) + page_size();
    void *memory = mmap(NULL, all, PROT_NONE, MAP_PRIVATE | MAP_ANONYMOUS | MAP_NORESERVE, -1, 0);
    guard_close(guard);
    if (memory == MAP_FAILED) return false;
    guard->memory = memory;
    guard->bytes = all;
    return true;
}

static bool copy_planes(struct guard *guard, const sonde_block_t *block, char *place) {
    const float **planes = take_room(guard, &place, block->planes, block->channels * sizeof *planes, sizeof *planes);
    for (uint32_t c = 0; planes && c < block->channels; c++)
        if (!(planes[c] = take_room(guard, &place, block->planes[c], bytes_of(block), ALIGNMENT))) return false;
    guard->block.planes = planes;
    return planes != NULL;
}

const sonde_block_t *guard_give(struct guard *guard, const sonde_block_t *block) {
    if (guard->side == GUARD_NONE || !reserve(guard, block->planes ? block->channels : 1, bytes_of(block)))
        return block;
    char *place = guard->memory + page_size();
    guard->block = *block;
    if (block->planes) return copy_planes(guard, block, place) ? &guard->block : block;
    guard->block.spectra = take_room(guard, &place, block->spectra, bytes_of(block), ALIGNMENT);
    return guard->block.spectra ? &guard->block : block;
}

void guard_take(struct guard *guard) {
    if (guard->memory) (void)mprotect(guard->memory, guard->bytes, PROT_NONE);
}

void guard_close(struct guard *guard) {
    if (guard->memory) (void)munmap(guard->memory, guard->bytes);
    guard->memory = NULL;
}
