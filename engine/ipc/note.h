/* The note: one shared page in which a worker says what it is doing, and how it died if it had the time to say so.
 *
 * Only the worker writes it, only the engine reads it. A plugin can scribble on it: what it says is a hint for people
 * and for the choice of whom to test alone, never proof. The engine creates the page and seals its size (a worker that
 * could truncate it would give the engine a SIGBUS), maps it read-only, and copies it out defensively. */
#ifndef SONDE_IPC_NOTE_H
#define SONDE_IPC_NOTE_H

#include "engine/base/error.h"

#include <stdatomic.h>
#include <stddef.h>
#include <stdint.h>

#define NOTE_BYTES  4096
#define NOTE_MAGIC  0x6e6f7465u
#define NOTE_PLUGIN 128 /* longest plugin id and its zero */
#define NOTE_FRAMES 24  /* return addresses kept */
#define NOTE_OBJECT 56  /* longest base name of an object file kept, and its zero */

enum note_phase {
    NOTE_NONE = 0, /* nothing of anyone else's is running */
    NOTE_LOAD,     /* dlopen of a library: constructors */
    NOTE_INIT,
    NOTE_CREATE,
    NOTE_BEGIN,
    NOTE_PROCESS,
    NOTE_FINISH,
    NOTE_ABANDON,
    NOTE_DESTROY,
    NOTE_DEINIT,
    NOTE_UNLOAD,   /* dlclose: destructors */
    NOTE_FEED,     /* the host's own work on a region: resampling, spectra */
    NOTE_IDENTIFY, /* the decoder hashes the file's bytes */
    NOTE_OPEN,     /* the decoder opens the container */
    NOTE_DECODE,
    NOTE_SEGMENT,
    NOTE_PHASES
};

/* One return address: the object file it lies in and the offset there, so that addr2line can name it later. */
struct note_frame {
    uint64_t offset;
    char object[NOTE_OBJECT];
};

/* The page itself. Plain members are published by a release store to `state`, `died` or `forbidden`. */
struct note {
    uint32_t magic;
    _Atomic uint32_t state; /* enum note_phase */
    _Atomic uint64_t job;   /* 0: none */
    _Atomic uint64_t beats; /* counts note_set: it moves while work does */
    char plugin[NOTE_PLUGIN];
    _Atomic int32_t forbidden; /* number of the forbidden system call, -1: none */
    uint32_t forbidden_arch;   /* AUDIT_ARCH_... it was made in */
    _Atomic int32_t died;      /* the fatal signal that was caught, 0: none */
    uint32_t frame_count;
    uint64_t fault_address; /* of SIGSEGV, SIGBUS, SIGILL, SIGFPE */
    uint64_t data_bytes;    /* private writable memory at death, to compare with the limit; 0: unknown */
    struct note_frame frames[NOTE_FRAMES];
};
_Static_assert(sizeof(struct note) <= NOTE_BYTES, "the note is one page");

/* What the engine made of it: every text zero-terminated and clean UTF-8, every number in range. */
struct note_copy {
    bool valid; /* the magic was there */
    enum note_phase phase;
    uint64_t job, beats;
    char plugin[NOTE_PLUGIN]; /* "" when none */
    int32_t forbidden;        /* -1: none */
    bool foreign; /* `forbidden` was made through another ABI (int 0x80, x32), its number means something else */
    int32_t died; /* 0: not said */
    uint64_t fault_address, data_bytes;
    uint32_t frame_count;
    struct note_frame frames[NOTE_FRAMES];
};

/* ---------------------------------------------------------------------------------------------------------- engine */

/* Creates a note for a worker about to be spawned. `fd` (close-on-exec) becomes the worker's descriptor 4. */
struct note_reader {
    int fd;
    const struct note *page;
};
bool note_open(struct note_reader *reader, struct error *error);
void note_close(struct note_reader *reader);
/* The copy may be torn if the worker is alive; loop thread or any other. */
void note_read(const struct note_reader *reader, struct note_copy *copy);

/* "process"; "none" for anything unknown. */
const char *note_phase_name(enum note_phase phase);

/* What a worker that died of SIGSYS without a record did: the C library blocks all signals while it starts a thread or
 * (in system, popen, posix_spawn) a process, and the kernel then kills without asking the handler. */
#define NOTE_UNRECORDED "clone or another call made with signals blocked"

/* The kernel's name of the forbidden system call ("openat"), "system call N", or NOTE_UNRECORDED when the copy has
 * none. `out` has room for `n` bytes (64 are enough). */
void note_system_call_name(const struct note_copy *copy, char *out, size_t n);

/* ---------------------------------------------------------------------------------------------------------- worker */

/* Maps descriptor `fd` writable and initialises it; NULL on failure. Never unmapped: it must outlive everything. */
struct note *note_map(int fd, struct error *error);

/* Says what comes next. `plugin` may be NULL. About 10 ns. One thread (the one that runs plugins). */
void note_set(struct note *note, uint64_t job, const char *plugin, enum note_phase phase);

#endif
