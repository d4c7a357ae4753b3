/* A Vamp library with a plugin that works and one that crashes on every block. */
#include <vamp/vamp.h>

#include <stdlib.h>
#include <string.h>

static VampPluginHandle make(const VampPluginDescriptor *descriptor, float rate) {
    (void)rate;
    const VampPluginDescriptor **self = malloc(sizeof *self);
    if (self) *self = descriptor;
    return self;
}

static void drop(VampPluginHandle handle) {
    free(handle);
}

static int initialise(VampPluginHandle handle, unsigned channels, unsigned step, unsigned block) {
    (void)handle, (void)channels, (void)step, (void)block;
    return 1;
}

static void reset(VampPluginHandle handle) {
    (void)handle;
}

static float get_parameter(VampPluginHandle handle, int index) {
    (void)handle, (void)index;
    return 0;
}

static void set_parameter(VampPluginHandle handle, int index, float value) {
    (void)handle, (void)index, (void)value;
}

static unsigned get_program(VampPluginHandle handle) {
    (void)handle;
    return 0;
}

static void set_program(VampPluginHandle handle, unsigned index) {
    (void)handle, (void)index;
}

static unsigned zero(VampPluginHandle handle) {
    (void)handle;
    return 0;
}

static unsigned one(VampPluginHandle handle) {
    (void)handle;
    return 1;
}

static VampOutputDescriptor *describe_output(VampPluginHandle handle, unsigned index) {
    static char name[] = "Value", unit[] = "", id[] = "value", text[] = "Always a half, and once not a number.";
    static VampOutputDescriptor output = {.identifier = id,
                                          .name = name,
                                          .description = text,
                                          .unit = unit,
                                          .hasFixedBinCount = 1,
                                          .binCount = 1,
                                          .sampleType = vampOneSamplePerStep};
    (void)handle;
    return index == 0 ? &output : NULL;
}

static void release_output(VampOutputDescriptor *output) {
    (void)output;
}

static VampFeatureList *features(int count, float value) {
    static float values[1];
    static VampFeatureUnion both[2];
    static VampFeatureList list;
    values[0] = value;
    both[0].v1 = (VampFeature){.valueCount = 1, .values = values};
    memset(&both[1], 0, sizeof both[1]);
    list.featureCount = (unsigned)count;
    list.features = both;
    return &list;
}

static VampFeatureList *process(VampPluginHandle handle, const float *const *input, int seconds, int nanoseconds) {
    const VampPluginDescriptor *const *self = handle;
    (void)input;
    if (strcmp((*self)->identifier, "crashing") == 0) abort();
    return features(1, seconds == 0 && nanoseconds == 0 ? 0.0f / 0.0f : 0.5f);
}

static VampFeatureList *remaining(VampPluginHandle handle) {
    (void)handle;
    return features(0, 0);
}

static void release_features(VampFeatureList *list) {
    (void)list;
}

#define PLUGIN(id)                                                                                                     \
    {                                                                                                                  \
        .vampApiVersion = 2, .identifier = id, .name = "A test", .description = "Of the bridge.", .maker = "sonde",    \
        .pluginVersion = 3, .copyright = "none", .inputDomain = vampTimeDomain, .instantiate = make, .cleanup = drop,  \
        .initialise = initialise, .reset = reset, .getParameter = get_parameter, .setParameter = set_parameter,        \
        .getCurrentProgram = get_program, .selectProgram = set_program, .getPreferredStepSize = zero,                  \
        .getPreferredBlockSize = zero, .getMinChannelCount = one, .getMaxChannelCount = one, .getOutputCount = one,    \
        .getOutputDescriptor = describe_output, .releaseOutputDescriptor = release_output, .process = process,         \
        .getRemainingFeatures = remaining, .releaseFeatureSet = release_features,                                      \
    }

__attribute__((visibility("default"))) const VampPluginDescriptor *vampGetPluginDescriptor(unsigned version,
                                                                                           unsigned index) {
    static const VampPluginDescriptor plugins[] = {PLUGIN("crashing"), PLUGIN("Working")};
    (void)version;
    return index < sizeof plugins / sizeof *plugins ? &plugins[index] : NULL;
}
