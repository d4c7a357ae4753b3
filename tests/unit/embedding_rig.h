/* Runs a plugin that stands on features/1 through the plugin host, with embeddings and weights made up by the test. */
#ifndef SONDE_TESTS_EMBEDDING_RIG_H
#define SONDE_TESTS_EMBEDDING_RIG_H

#include "weights_rig.h"
#include "workers/host/host.h"

#define EMBEDDING_RIG_PARENT   0x1234u
#define EMBEDDING_RIG_FEATURES "{\"embedding\":{\"model\":\"m\",\"version\":1,\"hash\":\"0000000000001234\"}}"
#define EMBEDDING_RIG_HOP      0.2
#define EMBEDDING_RIG_D        96u
#define EMBEDDING_RIG_TIMBRE   80u
#define EMBEDDING_RIG_ONE      32u

struct embedding_rig {
    struct host *host;
    const struct host_plugin *plugin;
    char folder[64];
    char files[2][128];
    float *values;                     /* [count][EMBEDDING_RIG_D] */
    uint8_t *scene;                    /* [count][EMBEDDING_RIG_D], in steps of 1 / EMBEDDING_RIG_ONE */
    float *timbre, *level;             /* [count][EMBEDDING_RIG_TIMBRE], [count] */
    struct host_input_array arrays[4]; /* in the same order */
    struct host_input features;
    sonde_region_t region;
    cJSON *json; /* of the last run, NULL unless ok */
};

/* A resource of the plugin. */
struct embedding_rig_file {
    const char *name;
    const uint8_t *bytes;
    uint64_t size;
};

/* Loads $SONDE_PLUGIN_DIR/NAME/NAME.so with at most two resources; settings: JSON {plugin: {parameter: value}}, or
 * NULL. */
void embedding_rig_open(struct embedding_rig *rig, const char *name, const struct embedding_rig_file *files,
                        size_t count, const char *settings);
void embedding_rig_close(struct embedding_rig *rig);

/* `count` embeddings of zeros at -20 dBFS, and the region that fits them. */
void embedding_rig_fill(struct embedding_rig *rig, uint32_t count);

/* Runs one region; `inputs` (features first, if at all). Checks an ok result against the plugin's schema. The result is
 * valid until the next run. */
const struct host_result *embedding_rig_run(struct embedding_rig *rig, const struct host_input *inputs, size_t count);

#endif
