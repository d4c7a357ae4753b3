/* What the Vamp plugins of these tests share: instances without any allocation but their own, and lists of features. A library
 * includes this, defines `find` and `describe`, and makes its plugins of `a_plugin`. */
#ifndef SONDE_TESTS_VAMP_SMALL_H
#define SONDE_TESTS_VAMP_SMALL_H

#include <vamp/vamp.h>

#include <stdlib.h>
#include <string.h>

#define OUTPUTS 40
#define AT_ONCE 64 /* features of one output in one step */
#define VALUES  64 /* of one feature */
#define PARAMS  8

struct list {
    VampFeatureUnion features[2 * AT_ONCE];
    VampFeatureV2 durations[AT_ONCE];
    float values[AT_ONCE][VALUES];
    unsigned count;
};

struct instance {
    const VampPluginDescriptor *plugin;
    unsigned channels, step, block, steps, program;
    float params[PARAMS];
    VampOutputDescriptor output;
    VampFeatureList lists[OUTPUTS];
    struct list found[OUTPUTS];
};

/* What a plugin finds in a step (audio NULL: in none, at the end), with calls of `give`. */
static void find(struct instance *self, const float *const *audio, int sec, int nsec);

/* Output `index` in *output, which is all zero; 0: there is none. */
static int describe(const struct instance *self, unsigned index, VampOutputDescriptor *output);

/* One more feature of output `index`; times in s, below 0: none. The label stays the caller's. */
static void give(struct instance *self, unsigned index, double time, double duration, const char *label,
                 const float *values, unsigned count) {
    struct list *to = &self->found[index];
    if (to->count == AT_ONCE) return;
    unsigned i = to->count++;
    memcpy(to->values[i], values, count * sizeof *values);
    to->features[i].v1 = (VampFeature){.hasTimestamp = time >= 0,
                                       .sec = (int)time,
                                       .nsec = (int)((time - (int)time) * 1e9 + 0.5),
                                       .valueCount = count,
                                       .values = to->values[i],
                                       .label = (char *)(size_t)label};
    to->durations[i] = (VampFeatureV2){.hasDuration = duration >= 0,
                                       .durationSec = (int)duration,
                                       .durationNsec = (int)((duration - (int)duration) * 1e9 + 0.5)};
}

static VampFeatureList *collect(struct instance *self, const float *const *audio, int sec, int nsec) {
    for (unsigned i = 0; i < OUTPUTS; i++) self->found[i].count = 0;
    find(self, audio, sec, nsec);
    for (unsigned i = 0; i < OUTPUTS; i++) {
        struct list *from = &self->found[i];
        for (unsigned k = 0; k < from->count; k++) from->features[from->count + k].v2 = from->durations[k];
        self->lists[i] = (VampFeatureList){from->count, from->features};
    }
    self->steps++;
    return self->lists;
}

/* --------------------------------------------------------------------------------------------------- Vamp's functions */

static VampPluginHandle make(const VampPluginDescriptor *plugin, float rate) {
    struct instance *self = calloc(1, sizeof *self);
    (void)rate;
    if (!self) return NULL;
    self->plugin = plugin;
    for (unsigned i = 0; i < plugin->parameterCount && i < PARAMS; i++)
        self->params[i] = plugin->parameters[i]->defaultValue;
    return self;
}

static void drop(VampPluginHandle handle) {
    free(handle);
}

static int initialise(VampPluginHandle handle, unsigned channels, unsigned step, unsigned block) {
    struct instance *self = handle;
    self->channels = channels;
    self->step = step;
    self->block = block;
    return 1;
}

/* As in many plugins, it doesn't do what it should: whoever relies on it gets another result the second time. */
static void reset(VampPluginHandle handle) {
    ((struct instance *)handle)->steps += 1000;
}

static float get_parameter(VampPluginHandle handle, int index) {
    return ((const struct instance *)handle)->params[index % PARAMS];
}

static void set_parameter(VampPluginHandle handle, int index, float value) {
    ((struct instance *)handle)->params[index % PARAMS] = value;
}

static unsigned get_program(VampPluginHandle handle) {
    return ((const struct instance *)handle)->program;
}

static unsigned get_output_count(VampPluginHandle handle) {
    VampOutputDescriptor output;
    unsigned count = 0;
    while (count < OUTPUTS && describe(handle, count, &output)) count++;
    return count;
}

static VampOutputDescriptor *get_output(VampPluginHandle handle, unsigned index) {
    struct instance *self = handle;
    memset(&self->output, 0, sizeof self->output);
    return describe(self, index, &self->output) ? &self->output : NULL;
}

static void release_output(VampOutputDescriptor *output) {
    (void)output;
}

static VampFeatureList *process(VampPluginHandle handle, const float *const *audio, int sec, int nsec) {
    return collect(handle, audio, sec, nsec);
}

static VampFeatureList *get_remaining(VampPluginHandle handle) {
    return collect(handle, NULL, 0, 0);
}

static void release_features(VampFeatureList *lists) {
    (void)lists;
}

static unsigned zero(VampPluginHandle handle) {
    (void)handle;
    return 0;
}

static unsigned one(VampPluginHandle handle) {
    (void)handle;
    return 1;
}

/* A plugin with one channel and neither parameters nor programs: a library changes what is different in its own. */
static VampPluginDescriptor a_plugin(const char *id) {
    return (VampPluginDescriptor){.vampApiVersion = 2,
                                  .identifier = id,
                                  .name = "A test",
                                  .description = "Of the bridge.",
                                  .maker = "sonde",
                                  .pluginVersion = 3,
                                  .copyright = "none",
                                  .inputDomain = vampTimeDomain,
                                  .instantiate = make,
                                  .cleanup = drop,
                                  .initialise = initialise,
                                  .reset = reset,
                                  .getParameter = get_parameter,
                                  .setParameter = set_parameter,
                                  .getCurrentProgram = get_program,
                                  .getPreferredStepSize = zero,
                                  .getPreferredBlockSize = zero,
                                  .getMinChannelCount = one,
                                  .getMaxChannelCount = one,
                                  .getOutputCount = get_output_count,
                                  .getOutputDescriptor = get_output,
                                  .releaseOutputDescriptor = release_output,
                                  .process = process,
                                  .getRemainingFeatures = get_remaining,
                                  .releaseFeatureSet = release_features};
}

#define EXPORTED __attribute__((visibility("default")))

#endif
