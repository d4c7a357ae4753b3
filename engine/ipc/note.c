#include "engine/ipc/note.h"

#include "engine/base/text.h"
#include "engine/ipc/memfd.h"

#include <errno.h>
#include <linux/audit.h>
#include <seccomp.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/mman.h>
#include <unistd.h>

#if defined(__x86_64__)
#define NATIVE_ARCH AUDIT_ARCH_X86_64
#elif defined(__aarch64__)
#define NATIVE_ARCH AUDIT_ARCH_AARCH64
#endif                     /* sonde runs on these two */
#define X32_BIT 0x40000000 /* marks an x32 call on x86-64 */

bool note_open(struct note_reader *reader, struct error *error) {
    reader->page = NULL;
    reader->fd = memfd_new_fixed("sonde-note", NOTE_BYTES, error);
    if (reader->fd < 0) return false;
    reader->page = memfd_map(reader->fd, NOTE_BYTES, false, error);
    if (reader->page) return true;
    note_close(reader);
    return false;
}

void note_close(struct note_reader *reader) {
    if (reader->page) memfd_unmap((void *)reader->page, NOTE_BYTES);
    if (reader->fd >= 0) close(reader->fd);
    reader->page = NULL;
    reader->fd = -1;
}

/* Makes a text that the worker wrote fit to be shown: ended, valid UTF-8, without control characters. */
static void clean_text(char *text, size_t size) {
    text[size - 1] = '\0';
    size_t n = strlen(text);
    for (size_t i = 0; i < n;) {
        size_t length = text_character(text + i, n - i);
        if (length == 0 || (unsigned char)text[i] < 0x20 || text[i] == 0x7f) text[i] = '?', length = 1;
        i += length;
    }
}

void note_read(const struct note_reader *reader, struct note_copy *copy) {
    memset(copy, 0, sizeof *copy);
    copy->forbidden = -1;
    const struct note *page = reader->page;
    if (!page) return;
    uint32_t state = atomic_load_explicit(&page->state, memory_order_acquire);
    int32_t forbidden = atomic_load_explicit(&page->forbidden, memory_order_acquire);
    int32_t died = atomic_load_explicit(&page->died, memory_order_acquire);
    copy->job = atomic_load_explicit(&page->job, memory_order_relaxed);
    copy->beats = atomic_load_explicit(&page->beats, memory_order_relaxed);
    /* Every byte is read once, through volatile, so that nothing is decided on one value and used with another. */
    copy->valid = *(const volatile uint32_t *)&page->magic == NOTE_MAGIC;
    if (!copy->valid) return;
    copy->phase = state < NOTE_PHASES ? (enum note_phase)state : NOTE_NONE;
    for (size_t i = 0; i < NOTE_PLUGIN; i++) copy->plugin[i] = *(const volatile char *)&page->plugin[i];
    clean_text(copy->plugin, sizeof copy->plugin);
    if (forbidden >= 0) {
        copy->forbidden = forbidden;
        copy->foreign = *(const volatile uint32_t *)&page->forbidden_arch != NATIVE_ARCH || (forbidden & X32_BIT);
    }
    if (died <= 0 || died > 64) return;
    copy->died = died;
    copy->fault_address = *(const volatile uint64_t *)&page->fault_address;
    copy->data_bytes = *(const volatile uint64_t *)&page->data_bytes;
    uint32_t frames = *(const volatile uint32_t *)&page->frame_count;
    copy->frame_count = frames < NOTE_FRAMES ? frames : NOTE_FRAMES;
    for (uint32_t i = 0; i < copy->frame_count; i++) {
        struct note_frame *frame = &copy->frames[i];
        frame->offset = *(const volatile uint64_t *)&page->frames[i].offset;
        for (size_t k = 0; k < NOTE_OBJECT; k++) frame->object[k] = *(const volatile char *)&page->frames[i].object[k];
        clean_text(frame->object, sizeof frame->object);
    }
}

const char *note_phase_name(enum note_phase phase) {
    static const char *const names[NOTE_PHASES] = {
        [NOTE_NONE] = "none",         [NOTE_LOAD] = "load",       [NOTE_INIT] = "init",     [NOTE_CREATE] = "create",
        [NOTE_BEGIN] = "begin",       [NOTE_PROCESS] = "process", [NOTE_FINISH] = "finish", [NOTE_ABANDON] = "abandon",
        [NOTE_DESTROY] = "destroy",   [NOTE_DEINIT] = "deinit",   [NOTE_UNLOAD] = "unload", [NOTE_FEED] = "feed",
        [NOTE_IDENTIFY] = "identify", [NOTE_OPEN] = "open",       [NOTE_DECODE] = "decode", [NOTE_SEGMENT] = "segment",
    };
    return (unsigned)phase < NOTE_PHASES ? names[phase] : "none";
}

void note_system_call_name(const struct note_copy *copy, char *out, size_t n) {
    if (copy->forbidden < 0) {
        snprintf(out, n, "%s", NOTE_UNRECORDED);
        return;
    }
    char *name = copy->foreign ? NULL : seccomp_syscall_resolve_num_arch(SCMP_ARCH_NATIVE, copy->forbidden);
    if (name)
        snprintf(out, n, "%s", name);
    else
        snprintf(out, n, "%ssystem call %d", copy->foreign ? "foreign " : "", (int)copy->forbidden);
    free(name);
}

struct note *note_map(int fd, struct error *error) {
    struct note *note = memfd_map(fd, NOTE_BYTES, true, error);
    if (!note) return NULL;
    memset(note, 0, sizeof *note);
    atomic_store_explicit(&note->forbidden, -1, memory_order_relaxed);
    note->magic = NOTE_MAGIC;
    return note;
}

void note_set(struct note *note, uint64_t job, const char *plugin, enum note_phase phase) {
    size_t n = plugin ? strnlen(plugin, NOTE_PLUGIN - 1) : 0;
    if (n > 0) memcpy(note->plugin, plugin, n);
    note->plugin[n] = '\0';
    atomic_store_explicit(&note->job, job, memory_order_relaxed);
    atomic_store_explicit(&note->beats, atomic_load_explicit(&note->beats, memory_order_relaxed) + 1,
                          memory_order_relaxed);
    atomic_store_explicit(&note->state, (uint32_t)phase, memory_order_release);
}
