/* A Vamp library that misbehaves: a plugin that works, one that crashes on every block, one whose declarations and features are
 * absurd, and some that lack what Vamp requires. With ENDLESS, its list of plugins never ends. */
#include "small.h"

#include <limits.h>
#include <math.h>

#define MANY 200000

static int is(const struct instance *self, const char *id) {
    return strcmp(self->plugin->identifier, id) == 0;
}

/* --------------------------------------------------------------------------------------------------- absurd parameters */

static const char noise[] =
    "\x1b[31m \xff\xfe \xed\xa0\x80 \"\\\n \xf4\x90\x80\x80 and so on and so on and so on and so on and so on and on";
static const VampParameterDescriptor strange[] = {
    {.identifier = "",
     .name = "",
     .description = noise,
     .unit = noise,
     .minValue = -1e38f,
     .maxValue = 1e38f,
     .defaultValue = NAN,
     .isQuantized = 1,
     .quantizeStep = 0},
    {.identifier = "",
     .name = noise,
     .description = "",
     .unit = "",
     .minValue = 5,
     .maxValue = 5,
     .defaultValue = INFINITY},
    {.identifier = "turned", .name = "", .description = "", .unit = "", .minValue = 1, .maxValue = 0},
    {.identifier = "endless", .name = "", .description = "", .unit = "", .minValue = -INFINITY, .maxValue = INFINITY},
};
static const VampParameterDescriptor *params[80];
static const char *programs[70];

static unsigned last_program(VampPluginHandle handle) {
    (void)handle;
    return UINT_MAX;
}

static void select_program(VampPluginHandle handle, unsigned index) {
    ((struct instance *)handle)->program = index;
}

/* ----------------------------------------------------------------------------------------------------- absurd features */

/* Of every output as many as no room is for, at times that can't be, or such as crowd the JSON. */
static VampFeatureList *flood(VampPluginHandle handle, const float *const *audio, int sec, int nsec) {
    static VampFeatureUnion features[2 * MANY];
    static VampFeatureList lists[OUTPUTS];
    static float values[VALUES] = {NAN, INFINITY, -INFINITY, 3e38f, -1.23456789e-30f};
    struct instance *self = handle;
    (void)audio, (void)sec, (void)nsec;
    unsigned many = self->steps++ == 0 ? MANY : 10;
    for (unsigned i = 0; i < many; i++) {
        features[i].v1 = (VampFeature){.hasTimestamp = i % 5 != 4,
                                       .sec = i % 3 == 0   ? INT_MAX
                                              : i % 3 == 1 ? INT_MIN
                                                           : 0,
                                       .nsec = i % 2 ? INT_MIN : INT_MAX,
                                       .valueCount = i % 7 == 6 ? 0 : VALUES,
                                       .values = i % 7 == 6 ? NULL : values,
                                       .label = i % 11 ? (char *)(size_t)noise : NULL};
        features[many + i].v2 = (VampFeatureV2){.hasDuration = 1, .durationSec = i % 2 ? INT_MIN : INT_MAX};
    }
    for (unsigned i = 0; i < OUTPUTS; i++) lists[i] = (VampFeatureList){many, features};
    lists[7].features = NULL;
    return lists;
}

static VampFeatureList *nothing(VampPluginHandle handle) {
    (void)handle;
    return NULL;
}

static VampFeatureList *crash(VampPluginHandle handle, const float *const *audio, int sec, int nsec) {
    (void)handle, (void)audio, (void)sec, (void)nsec;
    abort();
}

/* More outputs than the bridge takes. */
static unsigned forty(VampPluginHandle handle) {
    (void)handle;
    return OUTPUTS;
}

static unsigned eight(VampPluginHandle handle) {
    (void)handle;
    return 8;
}

static unsigned huge(VampPluginHandle handle) {
    (void)handle;
    return UINT_MAX;
}

static VampPluginHandle make_none(const VampPluginDescriptor *plugin, float rate) {
    (void)plugin, (void)rate;
    return NULL;
}

/* ------------------------------------------------------------------------------------------------------------- the whole */

enum { CRASHING, INCOMPLETE, LATER, UNMADE, ABSURD, ALIKE, HUGE_BLOCKS, WORKING, SAME_NAME, PLUGINS };

static VampPluginDescriptor plugins[PLUGINS];

static void make_plugins(void) {
    static const char *const ids[PLUGINS] = {"crashing", "incomplete",  "later",   "unmade", "absurd",
                                             "alike",    "Huge blocks", "Working", "working"};
    for (unsigned i = 0; i < PLUGINS; i++) plugins[i] = a_plugin(ids[i]);
    plugins[CRASHING].process = crash;
    plugins[INCOMPLETE].process = NULL;
    plugins[LATER].vampApiVersion = 3;
    plugins[UNMADE].instantiate = make_none;
    plugins[ALIKE].getOutputCount = forty;
    plugins[HUGE_BLOCKS].getPreferredBlockSize = huge;
    VampPluginDescriptor *absurd = &plugins[ABSURD];
    absurd->pluginVersion = INT_MIN;
    absurd->parameterCount = sizeof params / sizeof *params;
    absurd->parameters = params;
    absurd->programCount = sizeof programs / sizeof *programs;
    absurd->programs = programs;
    absurd->getCurrentProgram = last_program;
    absurd->selectProgram = select_program;
    absurd->getOutputCount = eight;
    absurd->process = flood;
    absurd->getRemainingFeatures = nothing;
    for (size_t i = 0; i < sizeof params / sizeof *params; i++) params[i] = &strange[i % 4];
    for (size_t i = 0; i < sizeof programs / sizeof *programs; i++) programs[i] = i % 2 ? "" : noise;
}

static void find(struct instance *self, const float *const *audio, int sec, int nsec) {
    const float value = sec == 0 && nsec == 0 ? NAN : 0.5f;
    if (audio && !is(self, "alike")) give(self, 0, -1, -1, NULL, &value, 1);
}

static int describe(const struct instance *self, unsigned index, VampOutputDescriptor *output) {
    static char name[] = "Value", unit[] = "", id[] = "value", text[] = "Always a half, and once not a number.";
    *output = (VampOutputDescriptor){.identifier = id,
                                     .name = name,
                                     .description = text,
                                     .unit = unit,
                                     .hasFixedBinCount = 1,
                                     .binCount = 1,
                                     .sampleType = vampOneSamplePerStep};
    if (!is(self, "absurd")) return index == 0 || is(self, "alike");
    output->name = output->description = output->unit = noise;
    output->sampleType = (VampSampleType)(index % 3);
    output->hasFixedBinCount = index < 6;
    output->binCount = index == 0 ? UINT_MAX : index == 1 ? 0 : 3;
    output->sampleRate = index == 4 ? INFINITY : index == 1 ? NAN : 1e30f;
    return 1;
}

EXPORTED const VampPluginDescriptor *vampGetPluginDescriptor(unsigned version, unsigned index) {
    (void)version, (void)index;
    if (!plugins[0].identifier) make_plugins();
#ifdef ENDLESS
    return &plugins[WORKING];
#else
    return index < PLUGINS ? &plugins[index] : NULL;
#endif
}
