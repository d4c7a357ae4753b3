/* The frame of a plugin that misbehaves. Each file in plugins/ defines what it does in one or more of the phases below and
 * includes this header; the rest does nothing wrong. HOSTILE_NAME comes from the build.
 *
 * The comment at the top of each file holds the line that tests/hostile/run.py checks:
 *
 *     expect: OUTCOME[|OUTCOME...] [REGULAR EXPRESSION that the reason matches]
 *
 * OUTCOME is one of schema/outcomes.md, or "refused" for a library that must not be loaded at all. Another line is for
 * tests/integration/plugin_check.py, which has `sonde plugin check` look at it; one of these checks must fail:
 *
 *     check: ID[|ID...] [REGULAR EXPRESSION that the reason matches] */
#include <errno.h>
#include <fcntl.h>
#include <math.h>
#include <pthread.h>
#include <signal.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/mman.h>
#include <sys/resource.h>
#include <sys/socket.h>
#include <sys/stat.h>
#include <sys/syscall.h>
#include <time.h>
#include <unistd.h>

#include <sonde/plugin.h>

#ifndef INIT
#define INIT
#endif
#ifndef DEINIT
#define DEINIT
#endif
#ifndef CREATE
#define CREATE
#endif
#ifndef BEGIN
#define BEGIN
#endif
#ifndef PROCESS
#define PROCESS
#endif
#ifndef FINISH
#define FINISH
#endif
#ifndef ABANDON
#define ABANDON
#endif
#ifndef DESTROY
#define DESTROY
#endif
#ifndef SCHEMA
#define SCHEMA                                                                                                         \
    "{\"type\":\"object\",\"additionalProperties\":true,\"properties\":{\"at\":{\"type\":\"number\",\"x-unit\":\"s@region\"}}}"
#endif
#ifndef ABI_MAJOR
#define ABI_MAJOR SONDE_ABI_MAJOR
#endif

/* Where compilers can't see it: a null pointer to write through. */
static int *volatile hostile_null;

/* Says which call was refused and how; a call that succeeds is the bad case, and says so. */
#define REFUSED(call)                                                                                                  \
    do {                                                                                                               \
        errno = 0;                                                                                                     \
        long hostile_result = (long)(call);                                                                            \
        char hostile_text[200];                                                                                        \
        snprintf(hostile_text, sizeof hostile_text, hostile_result == -1 ? "refused: %s: %s" : "ALLOWED: %s %s",       \
                 #call, hostile_result == -1 ? strerror(errno) : "");                                                  \
        out->fail(out, hostile_text);                                                                                  \
        return SONDE_FAILED;                                                                                           \
    } while (0)

static int32_t hostile_begin(sonde_plugin_t *self, const sonde_region_t *region, const sonde_inputs_t *inputs) {
    (void)self, (void)region, (void)inputs;
    BEGIN
    return SONDE_OK;
}

static int32_t hostile_process(sonde_plugin_t *self, const sonde_block_t *block) {
    (void)self, (void)block;
    PROCESS
    return SONDE_OK;
}

static int32_t hostile_finish(sonde_plugin_t *self, const sonde_inputs_t *inputs, const sonde_writer_t *out) {
    (void)self, (void)inputs, (void)out;
    FINISH
    return SONDE_OK;
}

static void hostile_abandon(sonde_plugin_t *self) {
    (void)self;
    ABANDON
}

static void hostile_destroy(sonde_plugin_t *self) {
    (void)self;
    DESTROY
}

static sonde_plugin_t hostile_instance = {
    .struct_size = sizeof(sonde_plugin_t),
    .begin = hostile_begin,
    .process = hostile_process,
    .finish = hostile_finish,
    .abandon = hostile_abandon,
    .destroy = hostile_destroy,
};

static const sonde_input_t hostile_inputs[] = {
    {.struct_size = sizeof(sonde_input_t), .kind = SONDE_INPUT_AUDIO, .channels = SONDE_CHANNELS_MID, .rate = 0},
};

#ifndef PROVIDES
#define PROVIDES "hostile." HOSTILE_NAME
#endif

#ifndef DESCRIPTOR
static const sonde_interface_t hostile_provides = {.struct_size = sizeof hostile_provides, .major = 1, .id = PROVIDES};

static const sonde_descriptor_t hostile_descriptor = {
    .struct_size = sizeof(sonde_descriptor_t),
    .flags = SONDE_FLAG_DETERMINISTIC,
    .id = "hostile." HOSTILE_NAME,
    .name = HOSTILE_NAME,
    .vendor = "sonde's tests",
    .version = "1.0",
    .licence = "MIT",
    .description = "Misbehaves.",
    .schema = SCHEMA,
    .provides = &hostile_provides,
    .provides_count = 1,
    .inputs = hostile_inputs,
    .inputs_count = 1,
};

static uint32_t hostile_count(void) {
    return 1;
}

static const sonde_descriptor_t *hostile_at(uint32_t index) {
    return index == 0 ? &hostile_descriptor : NULL;
}
#else
DESCRIPTOR
#endif

static int32_t hostile_init(const sonde_host_t *host, const char *plugin_dir) {
    (void)host, (void)plugin_dir;
    INIT return SONDE_OK;
}

static void hostile_deinit(void) {
    DEINIT
}

static int32_t hostile_create(const sonde_host_t *host, const char *id, const sonde_param_value_t *values,
                              uint32_t count, sonde_plugin_t **plugin) {
    (void)host, (void)id, (void)values, (void)count;
    CREATE
    *plugin = &hostile_instance;
    return SONDE_OK;
}

#ifndef NO_ENTRY
extern SONDE_EXPORT const sonde_entry_t sonde_entry;
SONDE_EXPORT const sonde_entry_t sonde_entry = {
    .struct_size = sizeof(sonde_entry_t),
    .abi_major = ABI_MAJOR,
    .abi_minor = SONDE_ABI_MINOR,
    .init = hostile_init,
    .deinit = hostile_deinit,
    .plugin_count = hostile_count,
    .plugin_at = hostile_at,
    .create = hostile_create,
};
#endif
