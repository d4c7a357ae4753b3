/* One plugin library in the host library, and made-up sounds to run it on. Fails the running cmocka test on any trouble. */
#ifndef SONDE_TESTS_PLUGIN_RIG_H
#define SONDE_TESTS_PLUGIN_RIG_H

#include "workers/host/host.h"

#include <cjson/cJSON.h>
#include <stdint.h>

struct rig;

/* Loads the library that environment variable `variable` names. */
struct rig *rig_new(const char *variable);
void rig_free(struct rig *rig);

/* A region of `channels` planes of `frames` samples at `rate` Hz, which is a whole file. Runs plugin `id` on it, checks that
 * the outcome is ok and that the result keeps to the plugin's schema with all instants inside the region. Free with
 * cJSON_Delete. The arrays stay readable by rig_array until the next run. */
cJSON *rig_run(struct rig *rig, const char *id, const float *const *planes, uint32_t channels, int64_t frames,
               uint32_t rate);
cJSON *rig_run_mono(struct rig *rig, const char *id, const float *samples, int64_t frames, uint32_t rate);

/* The array `name` of the last run, or NULL. */
const struct host_array *rig_array(struct rig *rig, const char *name);

/* Makes the next runs feed the host in pieces of `piece` frames, and the host use blocks of `block` frames (0: its choice). */
void rig_pieces(struct rig *rig, int64_t piece, uint32_t block);

/* A member of the result as a number; fails when it is no number. */
double rig_number(const cJSON *result, const char *key);

/* Adds a tone of `hz` with ten harmonics, falling by 0.6 each, and a short fade at both ends. */
void rig_tone(float *samples, uint32_t rate, double from, double to, double hz, double level);

/* White noise, -level to level; the same every time. */
void rig_noise(float *samples, int64_t frames, float level);

#endif
