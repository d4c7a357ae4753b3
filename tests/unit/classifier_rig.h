/* plugins/classifier behind the host, with made-up weights, embeddings and timelines: dimension k of an embedding stands for
 * class k; class 3 is not shipped. */
#ifndef SONDE_TESTS_CLASSIFIER_RIG_H
#define SONDE_TESTS_CLASSIFIER_RIG_H

#include "embedding_rig.h"
#include "weights_rig.h"

enum { DOG, RAIN, PIANO, WANTED, CLASSES };

#define VOCABULARY "animals/dog bark\nweather, water and fire/rain\ninstruments/piano\nunknown/other\n"

/* What every weights file has: labels, weight [2 EMBEDDING_RIG_D][CLASSES], bias and shipped [CLASSES], calibration [3]. They
 * must live until weights_rig_make. */
struct weights_rig classifier_parts(const char *labels, uint64_t parent, const float *weight, const float *bias,
                                    const float *shipped, const float *calibration);

/* A weights file with these labels, bound to the network `parent`; the caller frees it. */
uint8_t *make(const char *labels, float temperature, float clearance, uint64_t parent, uint64_t *size);

/* Opens the plugin with this weights file alone; embedding_rig_close closes it. */
void classifier_open(struct embedding_rig *rig, const uint8_t *bytes, uint64_t size);

/* From `from` to `to` seconds there is this class. */
void paint(struct embedding_rig *rig, double from, double to, int class);

/* A timeline of `n` segments of `length` seconds; every `silent`-th is near-silence (0: none). The caller frees it. */
char *timeline_of(int n, double length, int silent);
struct host_input timeline_input(const char *json);

/* Runs the plugin on the rig's embedding and this timeline. */
const struct host_result *run(struct embedding_rig *rig, const char *json);

/* Fail the test if the outcome is another; the reason must contain `reason`. */
void assert_ok(const struct host_result *result);
void assert_outcome(struct embedding_rig *rig, const struct host_input *inputs, size_t count, int outcome,
                    const char *reason);

/* Members of a result, which must be there. */
const char *text(const cJSON *object, const char *key);
double number(const cJSON *object, const char *key);

#endif
