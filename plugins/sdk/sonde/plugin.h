/* SPDX-License-Identifier: MIT
 *
 * sonde/plugin.h: everything needed to write an analysis plugin for sonde.
 *
 * A plugin is a shared library that exports one symbol, `sonde_entry`. sonde loads it into a sandboxed worker process,
 * hands it the audio of one region at a time, and stores the JSON result and the arrays that it writes. This file is the
 * interface and its manual; it needs nothing but the C standard's headers, in C99 or later or C++11 or later.
 *
 * THE LIFE OF A LIBRARY AND ITS INSTANCES
 *
 *     load -> init -> plugin_count, plugin_at -> create -> [ lock-down ] ->
 *         ( begin -> process ... process -> finish | abandon )*  -> destroy -> deinit -> unload
 *
 * - Files can be read and threads started until the last `create` returns (through `resource_open` only, as far as files
 *   go). Then the sandbox closes: no files, no sockets, no processes, no new threads, no executable memory. Opening a file
 *   fails (EACCES); a system call outside the list ends the worker, and the result says so: "violation".
 * - An instance serves many regions, one after the other. Nothing may be remembered from one region to the next: the same
 *   region must give the same result whatever came before it.
 * - Regions arrive block by block. Blocks have any size from one frame up; a result may not depend on where they are cut.
 * - A region ends with `finish` or with `abandon`, exactly one of them.
 * - destroy, deinit and the unloading are a courtesy: a worker may just exit. Nothing may depend on them.
 * - If anything goes wrong, return SONDE_FAILED with a sentence (`writer->fail`). If a plugin crashes, hangs or takes too
 *   much memory, only its own result is lost, and that is recorded against it.
 *
 * THREADS
 *
 * - init, deinit, plugin_count, plugin_at, create and destroy: never two at a time in one library.
 * - begin, process, finish and abandon: one at a time for each instance, and not during create or destroy of the same
 *   instance. Calls may come from different threads over time, and a host may use two instances of a library in two threads
 *   at the same time: what instances share must be constant after init, or guarded.
 * - What the plugin is given (host, inputs, writer, kernels) is called from the thread that is inside the plugin's call, never
 *   from a thread of the plugin's own.
 * - A call has at least 1 MiB of stack. The locale is "C", the arithmetic rounds to nearest and keeps denormals; the host
 *   restores both after every call. Signal handlers are not the plugin's to set.
 * - C++ exceptions and longjmp may not leave a call: catch everything inside (plugins/examples/cpp shows how).
 *
 * CONVENTIONS
 *
 * - Fixed-width integers, float audio, double time, 64-bit machines.
 * - Strings are UTF-8, zero-terminated, and owned by whoever declares them.
 * - Memory never changes owner across this interface: who allocates, frees. Pointers received in a call are valid during that
 *   call, unless said otherwise.
 * - Time: a plugin's results count seconds from the start of the REGION. Fields that the schema marks with the unit
 *   "s@region" are instants: the engine shifts them to seconds from the start of the file. "s" is a duration.
 * - No clocks, no random numbers but those made from `region->seed`: results are bit-identical from run to run.
 *
 * VERSIONS: ABI 1.0, FROZEN
 *
 * Within major version 1 nothing below changes its place, type or meaning; a minor version only adds. So a library built with
 * any 1.x header runs in any 1.y host, and a host refuses another major version only. The rules that make it so:
 *
 * - Every struct begins with its size in bytes, `struct_size`, set by whoever fills it in: write `sizeof` there. Minor versions
 *   append members. A member beyond the given size does not exist; one that is zero or NULL means what its absence means.
 * - Lists that a plugin declares (inputs, params ...) are walked in steps of their elements' struct_size, the same for all
 *   elements of one list.
 * - Structs marked FIXED never grow within major version 1: lists of them that the host passes can be indexed plainly.
 * - Unknown flags and kinds in a descriptor are refused with a sentence: that plugin needs a newer host. A plugin that can do
 *   with less looks at `host->abi_minor` in init, before plugin_at is called, and declares accordingly.
 * - Unknown return codes are taken as SONDE_BROKEN.
 * - What goes beyond this file is asked for by a text id: `host->kernel` gives tables of the host's, `plugin->extension` tables
 *   of the plugin's. NULL is always a possible answer.
 */
#ifndef SONDE_PLUGIN_H
#define SONDE_PLUGIN_H

#include <stdint.h>

#ifdef __cplusplus
extern "C" {
#endif

#define SONDE_ABI_MAJOR 1u
#define SONDE_ABI_MINOR 0u

#if defined(_WIN32)
#define SONDE_EXPORT __declspec(dllexport)
#else
#define SONDE_EXPORT __attribute__((visibility("default")))
#endif

/* ------------------------------------------------------------------------------------------------ what calls return */

/* What the host does then. In begin and process, everything but SONDE_OK ends the region: abandon is called, and the outcome
 * is recorded. After finish the region is over whatever it returns. Any other value is taken as SONDE_BROKEN. */
#define SONDE_OK          0 /* go on; from finish: the result written is checked and stored */
#define SONDE_EMPTY       1 /* begin, process, finish: nothing to say about this region. That is a result, not a fault */
#define SONDE_FAILED      2 /* this region cannot be analysed; the sentence given to writer->fail or host->log is stored */
#define SONDE_UNSUPPORTED 3 /* this kind of region (too short ...) is not for this plugin; create: nor these values */
#define SONDE_NO_MEMORY   4 /* an allocation failed: the outcome is "memory" */
#define SONDE_BROKEN      5 /* the instance cannot go on: it is destroyed, and a new one is created for the next region */

/* --------------------------------------------------------------------------------------------------------- the host */

#define SONDE_LOG_DEBUG   0
#define SONDE_LOG_INFO    1
#define SONDE_LOG_WARNING 2
#define SONDE_LOG_ERROR   3

/* Owned by the host; valid from init to the return of deinit, so a plugin may keep the pointer that init or create got. */
typedef struct sonde_host {
    uint32_t struct_size;
    uint32_t abi_major, abi_minor; /* the host's, not this header's */
    uint32_t reserved;
    void *context;       /* the host's own; do not touch */
    const char *name;    /* "sonde" */
    const char *version; /* for example "0.1.0" */

    /* Any phase. One line of text, at most 1,000 bytes are kept (copied); it ends up in the worker's log. When the call that it
     * is made in fails without a sentence for writer->fail, the last line logged is stored as the reason. */
    void (*log)(const struct sonde_host *host, int32_t level, const char *text);

    /* begin, process, finish. Non-zero when the result is no longer wanted: return SONDE_FAILED soon. Costs a system call:
     * ask every 10 ms, not every sample. Plugins whose calls take less than a second need not ask at all. */
    int32_t (*cancelled)(const struct sonde_host *host);

    /* init and create only. Maps the file `name` (a plain name or a path below it, without "..") from the library's
     * resource folder (of DIR/NAME.so it is DIR/NAME.resources), read-only, until deinit returns. The data is 64-byte
     * aligned, and no zero follows it: text isn't a string. Opening it again gives the same data. The content's hash
     * becomes part of the identity of every result, so that new weights make old results stale. At most 256 files. Returns
     * SONDE_OK; SONDE_FAILED (no such file, not a plain file, or the wrong phase), *data and *size are then unchanged and a
     * line is in the log; SONDE_NO_MEMORY. */
    int32_t (*resource_open)(const struct sonde_host *host, const char *name, const void **data, uint64_t *size);

    /* Any phase. A table of functions by its id, "sonde.fft/1" for example, or NULL when this host doesn't have it:
     * sonde/kernels.h lists FFT, resampling, HPSS, YIN and CQT. Valid until deinit returns. */
    const void *(*kernel)(const struct sonde_host *host, const char *id);
} sonde_host_t;

/* ----------------------------------------------------------------------------------------------------- parameters */

#define SONDE_PARAM_NUMBER  0 /* a double within min..max */
#define SONDE_PARAM_INTEGER 1 /* a whole number within min..max, which are whole too */
#define SONDE_PARAM_BOOLEAN 2 /* 0 or 1 */
#define SONDE_PARAM_CHOICE  3 /* text, one of choices */
#define SONDE_PARAM_TEXT    4 /* at most 4,000 bytes */
#define SONDE_PARAM_FILE    5 /* text: the name of a resource */

/* A parameter that users can set (configuration file: `id = value` in the section [plugin:PLUGIN-ID]; command line:
 * `--set PLUGIN-ID:id=value`). Its effective value is part of every result's identity. */
typedef struct sonde_param {
    uint32_t struct_size;
    uint32_t kind;              /* SONDE_PARAM_... */
    const char *id;             /* [a-z0-9_]+, at most 100 bytes, each but once in a plugin */
    const char *name;           /* for people */
    const char *description;    /* one sentence */
    const char *unit;           /* "Hz", "dBFS", "s", "" ... */
    double min, max;            /* NUMBER and INTEGER: the inclusive range, finite */
    double default_number;      /* NUMBER, INTEGER, BOOLEAN: within the range */
    const char *default_text;   /* CHOICE, TEXT, FILE */
    const char *const *choices; /* CHOICE: 1 to 64, NULL-terminated */
} sonde_param_t;

/* The effective value of one parameter, checked against its declaration by the host. FIXED. */
typedef struct sonde_param_value {
    uint32_t struct_size;
    uint32_t reserved;
    const char *id;
    double number;    /* NUMBER, INTEGER, BOOLEAN */
    const char *text; /* CHOICE, TEXT, FILE; NULL otherwise */
} sonde_param_value_t;

/* -------------------------------------------------------------------------------------------------------- inputs */

#define SONDE_INPUT_AUDIO     0
#define SONDE_INPUT_SPECTRUM  1

#define SONDE_CHANNELS_MID    0 /* one plane: the mean of all channels, taken before resampling */
#define SONDE_CHANNELS_STEREO 1 /* AUDIO: two planes: channels 1 and 2; a mono file gives the same plane twice */
#define SONDE_CHANNELS_NATIVE                                                                                          \
    2 /* one plane a channel (AUDIO), or one spectrum a channel, interleaved by frame (SPECTRUM) */

#define SONDE_SPECTRUM_POWER   0 /* bins = window/2 + 1 floats a frame: squared magnitude */
#define SONDE_SPECTRUM_COMPLEX 1 /* 2 * bins floats a frame: re, im, re, im ... */

/* One stream that the plugin wants. The host resamples once for all plugins that want the same rate, and computes each
 * distinct spectrum once.
 *
 * Resampling is soxr HQ, delay-compensated: sample k of the stream is at time k/rate of the region.
 * A spectrum uses a periodic Hann window of `window` samples and is scaled so that a full-scale sine peaks at 1.0.
 * Frame k is centred on sample k*hop; samples outside the region are zero; there are floor((N-1)/hop) + 1 frames for N
 * samples (none for N = 0). */
typedef struct sonde_input {
    uint32_t struct_size;
    uint32_t kind;     /* SONDE_INPUT_... */
    uint32_t channels; /* SONDE_CHANNELS_... ; SPECTRUM: MID or NATIVE */
    uint32_t rate;     /* Hz, 1000 to 768000; 0: the file's own rate */
    uint32_t window;   /* SPECTRUM: samples, even, 16 to 65536, without prime factors above 7 */
    uint32_t hop;      /* SPECTRUM: samples, 1 to window */
    uint32_t form;     /* SPECTRUM: SONDE_SPECTRUM_... */
    uint32_t reserved;
} sonde_input_t;

/* ------------------------------------------------------------------------------------------------------ interfaces */

/* A named kind of result with a major version, such as {"content_timeline", 1}. Plugins depend on interfaces, never on
 * plugins, so that anyone can offer a better provider. Its result follows the interface's published schema: fields may be
 * added to an interface, what is there stays within a major version. */
typedef struct sonde_interface {
    uint32_t struct_size;
    uint32_t major;
    const char *id; /* [a-z0-9._-]+, at most 100 bytes; put yours under your domain: "org.example.applause" */
} sonde_interface_t;

#define SONDE_NEED_REQUIRED  0 /* without it the outcome is "skipped", naming the interface and what became of it */
#define SONDE_NEED_OPTIONAL  1
#define SONDE_NEED_AT_FINISH 0 /* readable in finish */
#define SONDE_NEED_EARLY     1 /* readable from begin on: costs a pass of its own over the region */

/* Two needs may name the same interface with different major versions, to take whichever is there. */
typedef struct sonde_need {
    uint32_t struct_size;
    uint32_t major;
    const char *id;
    uint32_t necessity; /* SONDE_NEED_REQUIRED or _OPTIONAL */
    uint32_t when;      /* SONDE_NEED_AT_FINISH or _EARLY */
} sonde_need_t;

#define SONDE_F32 0
#define SONDE_F64 1
#define SONDE_I32 2
#define SONDE_U8  3

/* An array that the plugin may write beside its JSON: a long series, stored as binary. */
typedef struct sonde_array_info {
    uint32_t struct_size;
    uint32_t dtype;          /* SONDE_F32 ... */
    const char *name;        /* [a-z0-9_]+, at most 100 bytes */
    const char *unit;        /* of the values */
    const char *description; /* one sentence, with the meaning of each axis */
    uint32_t dimensions;     /* 1 to 4; the first axis is time where there is one */
    uint32_t reserved;
} sonde_array_info_t;

/* ------------------------------------------------------------------------------------------------------ descriptor */

#define SONDE_FLAG_DETERMINISTIC                                                                                       \
    1u /* same input, same bytes. Expected of every plugin; without it results aren't cached */
#define SONDE_FLAG_WHOLE_REGION 2u /* audio inputs arrive in one block each, for regions up to whole_region_seconds */

/* What a plugin is and wants. It and all that it points to belong to the library, and stay valid and unchanged from plugin_at
 * until deinit. At most 64 of each list. */
typedef struct sonde_descriptor {
    uint32_t struct_size;
    uint32_t flags;   /* SONDE_FLAG_... */
    const char *id;   /* reverse domain, [a-z0-9._-]+, at most 100 bytes: "org.example.loudness". Never change it. */
    const char *name; /* for people; this and the next three: 1 to 100 bytes */
    const char *vendor;
    const char *version;     /* "1.2.3": must change whenever results do */
    const char *licence;     /* SPDX expression */
    const char *description; /* one or two sentences */
    const char *schema;      /* JSON Schema (sonde's subset, schema/README.md) of the result; NULL: any object */

    const sonde_interface_t *provides;
    uint32_t provides_count;
    uint32_t needs_count;
    const sonde_need_t *needs;
    const sonde_input_t *inputs; /* none: the plugin works on the results of others alone */
    uint32_t inputs_count;
    uint32_t params_count;
    const sonde_param_t *params;
    const sonde_array_info_t *arrays;
    uint32_t arrays_count;
    uint32_t reserved;
    double whole_region_seconds; /* with SONDE_FLAG_WHOLE_REGION: longer regions are "unsupported" */
    const char *url;             /* where to read more and report faults; NULL: nowhere */
} sonde_descriptor_t;

/* ---------------------------------------------------------------------------------------------------------- region */

#define SONDE_REGION_AT_FILE_START 1u /* the region begins with the file's first frame */
#define SONDE_REGION_AT_FILE_END   2u /* the region ends with the file's last frame */

/* FIXED. */
typedef struct sonde_loop {
    uint32_t struct_size;
    uint32_t reserved;
    int64_t start_frame, end_frame; /* native frames of the file, end exclusive */
} sonde_loop_t;

/* What is known about the region that begins. Owned by the host, valid from begin until finish or abandon returns. */
typedef struct sonde_region {
    uint32_t struct_size;
    uint32_t flags;           /* SONDE_REGION_... ; ignore those you don't know */
    uint32_t index;           /* of the region in its file, from 0 */
    uint32_t regions;         /* in the file */
    uint32_t part;            /* long stretches are cut into parts: 0-based ... */
    uint32_t parts;           /* ... of so many; 1 when it wasn't cut */
    uint32_t rate;            /* native, Hz */
    uint32_t channels;        /* native */
    int64_t start_frame;      /* native frames from the start of the file */
    int64_t frames;           /* native, at least 1 */
    double duration;          /* s */
    double sound_start;       /* s from the start of the region: where the sound itself begins, without padding */
    double sound_end;         /* s from the start of the region */
    double lead;              /* s of silence trimmed before the region (to the file's start or the region before) */
    double tail;              /* s of silence trimmed after it */
    int64_t file_frames;      /* native */
    double file_duration;     /* s */
    double embedded_bpm;      /* from the file's tags or loop chunk; 0 when there is none */
    const char *embedded_key; /* as written in the file, or NULL */
    const sonde_loop_t *loops;
    uint32_t loops_count;
    uint32_t reserved;
    uint64_t seed; /* for plugins that need random numbers: depends on the audio alone */
} sonde_region_t;

/* ----------------------------------------------------------------------------------------------------------- block */

/* A stretch of one input. Each input is a stream of its own, in order and without gaps; how the streams interleave is not
 * defined. Everything is owned by the host, read-only, and valid during the call. */
typedef struct sonde_block {
    uint32_t struct_size;
    uint32_t input;    /* index into the descriptor's inputs */
    int64_t start;     /* AUDIO: first sample, SPECTRUM: first frame; counted from the start of the region */
    uint32_t frames;   /* AUDIO: samples in each plane, SPECTRUM: spectral frames; at least 1 */
    uint32_t channels; /* AUDIO: planes; SPECTRUM: spectra a frame */
    /* AUDIO: channels pointers, 64-byte aligned. Non-finite samples, and those beyond 1e10 or below 1e-30, are 0. */
    const float *const *planes;
    const float *spectra; /* SPECTRUM: value b of frame f, channel c is spectra[(f * channels + c) * stride + b] */
    uint32_t stride;      /* SPECTRUM: floats from one spectrum to the next */
    uint32_t bins;        /* SPECTRUM: window/2 + 1 */
    uint32_t rate;        /* Hz, of this input */
    uint32_t nonfinite; /* AUDIO: samples in this block (all native channels) that were NaN, infinite or beyond 1e10 */
} sonde_block_t;

/* ------------------------------------------------------------------------------------------------ results of others */

/* FIXED: the plugin provides the struct, the host fills it in. */
typedef struct sonde_array_view {
    uint32_t struct_size;
    uint32_t dtype; /* SONDE_F32 ... */
    uint32_t dimensions;
    uint32_t reserved;
    uint64_t shape[4]; /* as many as dimensions; the others are 0 */
    double hop;        /* s between entries of the first axis; 0 when it isn't time */
    double start;      /* s from the start of the region of entry 0 */
    const char *unit;
    const void *data; /* row-major, 64-byte aligned, read-only */
} sonde_array_view_t;

/* Results of the interfaces that this plugin needs. Times are relative to the region, as their plugin wrote them. Owned by the
 * host; valid, with all that it gives, from the call that it is passed to until finish or abandon returns. To be called in
 * begin (for EARLY needs) and in finish.
 *
 * `interface_id` is the id of a need, "key"; where needs differ in the major version only, "key/2". An interface that isn't
 * among the descriptor's needs has no result. */
typedef struct sonde_inputs {
    uint32_t struct_size;
    uint32_t reserved;
    void *context;

    /* The JSON of the interface's result, zero-terminated, or NULL when there is none (an optional need). `length`, without
     * the zero, may be NULL. The host has checked it against its own plugin's schema, which needn't be the one you know: look
     * before you leap. */
    const char *(*json)(const struct sonde_inputs *inputs, const char *interface_id, uint64_t *length);

    /* One array of the interface's result. SONDE_OK, or SONDE_FAILED (no such array; *view is unchanged). */
    int32_t (*array)(const struct sonde_inputs *inputs, const char *interface_id, const char *name,
                     sonde_array_view_t *view);
} sonde_inputs_t;

/* ---------------------------------------------------------------------------------------------------------- writer */

/* Writes the result, a JSON object, which is open when finish begins and closed by the host. `key` is the name inside an
 * object, and NULL inside an array. Everything given is copied before the call returns. Errors stick: after the first, all
 * calls do nothing, `status` says SONDE_FAILED, and the result is refused even if finish returns SONDE_OK. Numbers are written
 * with 9 significant digits; NaN and infinity are errors. At most 1 MiB of JSON, 32 levels deep. Owned by the host, only valid
 * inside finish. */
typedef struct sonde_writer {
    uint32_t struct_size;
    uint32_t reserved;
    void *context;
    void (*begin_object)(const struct sonde_writer *w, const char *key);
    void (*end_object)(const struct sonde_writer *w);
    void (*begin_array)(const struct sonde_writer *w, const char *key);
    void (*end_array)(const struct sonde_writer *w);
    void (*number)(const struct sonde_writer *w, const char *key, double value);
    void (*integer)(const struct sonde_writer *w, const char *key, int64_t value); /* up to 2^53 either way */
    void (*boolean)(const struct sonde_writer *w, const char *key, int32_t value); /* 0: false */
    void (*string)(const struct sonde_writer *w, const char *key, const char *utf8);
    void (*null)(const struct sonde_writer *w, const char *key);
    /* A JSON array of numbers in one call. */
    void (*numbers)(const struct sonde_writer *w, const char *key, const float *values, uint32_t count);
    /* One complete JSON value. It is parsed and checked like all the rest. */
    void (*raw_json)(const struct sonde_writer *w, const char *key, const char *json, uint64_t length);

    /* Writes an array declared in the descriptor, once. `shape` has as many entries as declared dimensions; `hop` and
     * `start` as in sonde_array_view. NaN and infinity are errors here too. At most 32 MiB for all arrays of one result. An
     * array that isn't written doesn't exist. */
    void (*array)(const struct sonde_writer *w, const char *name, const void *data, const uint64_t *shape, double hop,
                  double start);

    /* The sentence that is stored with SONDE_FAILED, SONDE_EMPTY or SONDE_UNSUPPORTED: say what and why. Up to 499 bytes are
     * kept. It fails nothing by itself: return the code too. */
    void (*fail)(const struct sonde_writer *w, const char *sentence);

    /* SONDE_OK, or SONDE_FAILED once any call above has failed: what finish returns when it has nothing else to say. */
    int32_t (*status)(const struct sonde_writer *w);
} sonde_writer_t;

/* -------------------------------------------------------------------------------------------------------- instance */

/* Made by create; the memory is the plugin's, until it frees it in destroy. The host reads the members after create and doesn't
 * write to them. All functions but `extension` must be there. */
typedef struct sonde_plugin {
    uint32_t struct_size;
    uint32_t reserved;
    void *state; /* the plugin's own */

    /* A region begins. `inputs` gives the results of EARLY needs. Allocate here what depends on the region.
     * SONDE_OK: blocks follow, then finish or abandon. Anything else: abandon follows at once. */
    int32_t (*begin)(struct sonde_plugin *self, const sonde_region_t *region, const sonde_inputs_t *inputs);

    /* Some audio or some spectral frames. Never called for a plugin without inputs.
     * SONDE_OK: go on. Anything else: no more blocks, abandon follows. */
    int32_t (*process)(struct sonde_plugin *self, const sonde_block_t *block);

    /* All blocks have been seen: write the result. After the return the instance is as if newly created.
     * SONDE_OK: the result is checked (schema, instants within the region, sizes) and stored, or refused with the sentence that
     * says what is wrong with it. Anything else: what was written is dropped, the outcome and the sentence are stored. */
    int32_t (*finish)(struct sonde_plugin *self, const sonde_inputs_t *inputs, const sonde_writer_t *out);

    /* Instead of finish, also after a failed begin or process: drop the region and be as if newly created. */
    void (*abandon)(struct sonde_plugin *self);

    /* Frees everything, `self` included. Never between begin and finish or abandon. */
    void (*destroy)(struct sonde_plugin *self);

    /* Any time between create and destroy: a table of an extension by its id, or NULL; owned by the plugin, valid until
     * destroy. The member itself may be NULL. (Live streams will be one; no host asks for any yet.) */
    const void *(*extension)(struct sonde_plugin *self, const char *id);
} sonde_plugin_t;

/* ----------------------------------------------------------------------------------------------------------- entry */

/* The library itself. Constant, valid while the library is loaded. */
typedef struct sonde_entry {
    uint32_t struct_size;
    uint32_t abi_major, abi_minor; /* SONDE_ABI_MAJOR, SONDE_ABI_MINOR: of the header that it was built with */
    uint32_t reserved;

    /* Once, before anything else. `plugin_dir` is the library's resource folder, for messages only ("" when there is none): open
     * resources with host->resource_open. Anything but SONDE_OK refuses the library with the last line logged as the reason;
     * deinit isn't called then. */
    int32_t (*init)(const sonde_host_t *host, const char *plugin_dir);

    /* Once, after all instances are destroyed. */
    void (*deinit)(void);

    /* After init. 1 to 64 plugins; the same for as long as the library is loaded. A library may find out in init which ones it
     * has. A descriptor that breaks a rule of this file refuses the library. */
    uint32_t (*plugin_count)(void);
    const sonde_descriptor_t *(*plugin_at)(uint32_t index);

    /* An instance of plugin `id`, with all its parameters (`values`, in the descriptor's order). `id` and `values` are the
     * host's, valid during the call: copy what you keep. Several instances of one plugin may exist.
     * SONDE_OK: *plugin is the new instance. Anything else: *plugin is ignored and the plugin isn't run; `sonde plugin list`
     * shows the last line logged as the reason. SONDE_FAILED for an id that none of them has. SONDE_UNSUPPORTED refuses the
     * values: where a user set them, nothing is run before they are mended, as when one is outside its range.
     * Also called later, after the lock-down, to replace an instance that said SONDE_BROKEN: resources that were opened before
     * can be opened again then, others can't, nor can threads be started. */
    int32_t (*create)(const sonde_host_t *host, const char *id, const sonde_param_value_t *values, uint32_t count,
                      sonde_plugin_t **plugin);
} sonde_entry_t;

/* The one exported symbol, which the library defines:
 *     const sonde_entry_t sonde_entry = {sizeof(sonde_entry_t), SONDE_ABI_MAJOR, SONDE_ABI_MINOR, 0, ...};
 */
extern SONDE_EXPORT const sonde_entry_t sonde_entry;

#ifdef __cplusplus
}
#endif
#endif
