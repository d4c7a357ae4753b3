/* The second instance of a plugin (host_use_twins): see host.h. Nothing that it does has an outcome. */
#include "workers/host/run.h"

#include <stdlib.h>
#include <string.h>

#define ALIGNMENT 64
#define GAIN      0.5f

/* Its own, when create gave two. */
static sonde_plugin_t *twin_of(const struct run *run) {
    sonde_plugin_t *twin = run->plugin->twin;
    return twin == run->plugin->instance ? NULL : twin;
}

static void enter(struct run *run, enum host_phase phase) {
    run_enter(run->host, run->plugin->descriptor->id, phase);
}

void twin_begin(struct run *run) {
    sonde_plugin_t *twin = twin_of(run);
    if (!twin) return;
    run->twinned = true;
    enter(run, HOST_BEGIN);
    int32_t code = twin->begin(twin, run->host->region, &run->inputs);
    run_leave(run);
    if (code != SONDE_OK) twin_abandon(run);
}

/* Rows of `width` floats, `pitch` apart, from `from` to a block of memory with the same pitch. NULL: out of memory. */
static float *copy_rows(const float *from, size_t rows, size_t width, size_t pitch) {
    size_t bytes = (rows * pitch * sizeof(float) + ALIGNMENT) / ALIGNMENT * ALIGNMENT;
    float *to = aligned_alloc(ALIGNMENT, bytes);
    if (!to) return NULL;
    memset(to, 0, bytes);
    for (size_t r = 0; r < rows; r++)
        for (size_t k = 0; k < width; k++) to[r * pitch + k] = from[r * pitch + k] * GAIN;
    return to;
}

static void process(struct run *run, const sonde_block_t *block) {
    sonde_plugin_t *twin = twin_of(run);
    enter(run, HOST_PROCESS);
    int32_t code = twin->process(twin, block);
    run_leave(run);
    if (code != SONDE_OK) twin_abandon(run);
}

static void process_audio(struct run *run, const sonde_block_t *block) {
    float **planes = calloc(block->channels, sizeof *planes);
    bool good = planes != NULL;
    for (uint32_t c = 0; good && c < block->channels; c++)
        good = (planes[c] = copy_rows(block->planes[c], 1, block->frames, block->frames)) != NULL;
    sonde_block_t copy = *block;
    copy.planes = (const float *const *)planes;
    if (good) process(run, &copy);
    for (uint32_t c = 0; planes && c < block->channels; c++) free(planes[c]);
    free(planes);
}

static void process_spectra(struct run *run, const sonde_block_t *block) {
    bool complex = run->plugin->descriptor->inputs[block->input].form == SONDE_SPECTRUM_COMPLEX;
    float *spectra = copy_rows(block->spectra, (size_t)block->frames * block->channels,
                               complex ? 2 * (size_t)block->bins : block->bins, block->stride);
    sonde_block_t copy = *block;
    copy.spectra = spectra;
    if (spectra) process(run, &copy);
    free(spectra);
}

void twin_process(struct run *run, const sonde_block_t *block) {
    if (!run->twinned) return;
    if (block->planes)
        process_audio(run, block);
    else
        process_spectra(run, block);
}

void twin_finish(struct run *run) {
    sonde_plugin_t *twin = twin_of(run);
    if (!run->twinned) return;
    run->twinned = false;
    struct writer writer;
    writer_init(&writer, run->plugin->descriptor, &run->host->environment);
    enter(run, HOST_FINISH);
    (void)twin->finish(twin, &run->inputs, &writer.api);
    run_leave(run);
    writer_close(&writer);
}

void twin_abandon(struct run *run) {
    sonde_plugin_t *twin = twin_of(run);
    if (!run->twinned) return;
    run->twinned = false;
    enter(run, HOST_ABANDON);
    twin->abandon(twin);
    run_leave(run);
}
