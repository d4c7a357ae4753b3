/* A Vamp library that behaves: every kind of output, programs, and spectra of two channels. It allocates nothing but its
 * instances, so that whatever else is allocated is the bridge's. */
#include "small.h"

#include <math.h>

/* ---------------------------------------------------------------------------------------------------- kinds of outputs */

static const struct kind {
    const char *id;
    int fixed_bins;
    unsigned bins;
    VampSampleType type;
    float rate;
} kinds[] = {
    {"step", 1, 1, vampOneSamplePerStep, 0},       /* from the third step on, none in the sixth, two in the eighth */
    {"row", 1, 3, vampOneSamplePerStep, 0},        /* two values of three, four every other time */
    {"fixed", 1, 1, vampFixedSampleRate, 20},      /* with times, from 0.5 s on, every fourth is missing */
    {"untimed", 1, 2, vampFixedSampleRate, 4},     /* without times, all at the end */
    {"uneven", 0, 0, vampFixedSampleRate, 8},      /* without times nor a number of values: 0, 1, 2 ... of them */
    {"notes", 1, 2, vampVariableSampleRate, 0},    /* durations, values, labels */
    {"instants", 1, 0, vampVariableSampleRate, 0}, /* nothing but times */
    {"last", 1, 1, vampOneSamplePerStep, 0},       /* one for each step, but all at the end */
};

static void find_kinds(struct instance *self, const float *const *audio, double now) {
    static const char *const labels[] = {"A\xe2\x99\xaf major", "say \"no\" \\ \x01", "broken \xff\xc3(", ""};
    const float value = (float)self->steps, row[] = {value, -value, 1, 2};
    unsigned i = self->steps;
    if (audio && i >= 2 && i != 5) give(self, 0, -1, -1, NULL, row, 1);
    if (audio && i == 7) give(self, 0, -1, -1, NULL, row, 1);
    if (audio) give(self, 1, -1, -1, NULL, row, i % 2 ? 4 : 2);
    if (audio && i < 24 && i % 4 != 3) give(self, 2, 0.5 + i / 20.0, -1, NULL, row, 1);
    if (audio && i < 5) give(self, 4, -1, -1, NULL, row, i % 4);
    if (audio && i < 4) give(self, 5, now + 0.001, i < 3 ? 0.25 : 1e6, labels[i], row, 2);
    if (audio && i % 10 == 0) give(self, 6, now, -1, NULL, row, 0);
    if (audio) return;
    for (unsigned k = 0; k < 6; k++) {
        const float late[] = {(float)k, 100 + (float)k};
        give(self, 3, -1, -1, NULL, late, 2);
        give(self, 7, 99, -1, NULL, late, 1);
    }
}

/* -------------------------------------------------------------------------------------------------------------- spectra */

/* For each channel the strongest bin, and the time that came with it. */
static void find_peaks(struct instance *self, const float *const *audio, double now) {
    float peaks[3] = {0, 0, (float)now};
    for (unsigned c = 0; audio && c < self->channels && c < 2; c++) {
        float most = -1;
        for (unsigned b = 0; b <= self->block / 2; b++) {
            float power = audio[c][2 * b] * audio[c][2 * b] + audio[c][2 * b + 1] * audio[c][2 * b + 1];
            if (power > most) peaks[c] = (float)b;
            most = fmaxf(most, power);
        }
    }
    if (audio) give(self, 0, -1, -1, NULL, peaks, 3);
}

static unsigned two(VampPluginHandle handle) {
    (void)handle;
    return 2;
}

static unsigned block_512(VampPluginHandle handle) {
    (void)handle;
    return 512;
}

/* ------------------------------------------------------------------------------------------------------------- programs */

static const char *modes[] = {"low", "middle", "high", NULL};
static const VampParameterDescriptor gain = {.identifier = "Gain",
                                             .name = "Gain",
                                             .description = "In steps.",
                                             .unit = "dB",
                                             .minValue = -1,
                                             .maxValue = 10,
                                             .defaultValue = 2,
                                             .isQuantized = 1,
                                             .quantizeStep = 0.5f};
static const VampParameterDescriptor mode = {.identifier = "mode",
                                             .name = "Mode",
                                             .description = "",
                                             .unit = "",
                                             .minValue = 1,
                                             .maxValue = 3,
                                             .defaultValue = 1,
                                             .isQuantized = 1,
                                             .quantizeStep = 1,
                                             .valueNames = modes};
static const VampParameterDescriptor own_program = {.identifier = "program",
                                                    .name = "",
                                                    .description = "",
                                                    .unit = "",
                                                    .minValue = 0,
                                                    .maxValue = 1,
                                                    .defaultValue = 0.25f};
static const VampParameterDescriptor *params[] = {&gain, &mode, &own_program};
static const char *programs[] = {"plain", "loud", "loud"};

static void select_program(VampPluginHandle handle, unsigned index) {
    struct instance *self = handle;
    self->program = index;
    self->params[0] = 3 + (float)index;
    self->params[1] = 3;
}

/* Which program it has, and its parameters, as one event; the ends of each block, between which there are gaps. */
static void find_settings(struct instance *self, const float *const *audio) {
    const float all[] = {(float)self->program, self->params[0], self->params[1], self->params[2]};
    const float ends[] = {audio ? audio[0][0] : 0, audio ? audio[0][self->block - 1] : 0};
    if (audio)
        give(self, 1, -1, -1, NULL, ends, 2);
    else
        give(self, 0, 0, -1, NULL, all, 4);
}

static unsigned block_300(VampPluginHandle handle) {
    (void)handle;
    return 300;
}

static unsigned step_1000(VampPluginHandle handle) {
    (void)handle;
    return 1000;
}

/* ------------------------------------------------------------------------------------------------------------- the whole */

enum { KINDS, PEAKS, SETTINGS, PLUGINS };

static VampPluginDescriptor plugins[PLUGINS];

static void make_plugins(void) {
    static const char *const ids[PLUGINS] = {"kinds", "peaks", "settings"};
    for (unsigned i = 0; i < PLUGINS; i++) plugins[i] = a_plugin(ids[i]);
    plugins[PEAKS].inputDomain = vampFrequencyDomain;
    plugins[PEAKS].getMinChannelCount = plugins[PEAKS].getMaxChannelCount = two;
    plugins[PEAKS].getPreferredBlockSize = block_512;
    plugins[SETTINGS].parameterCount = sizeof params / sizeof *params;
    plugins[SETTINGS].parameters = params;
    plugins[SETTINGS].programCount = sizeof programs / sizeof *programs;
    plugins[SETTINGS].programs = programs;
    plugins[SETTINGS].selectProgram = select_program;
    plugins[SETTINGS].getPreferredBlockSize = block_300;
    plugins[SETTINGS].getPreferredStepSize = step_1000;
}

static void find(struct instance *self, const float *const *audio, int sec, int nsec) {
    if (self->plugin == &plugins[KINDS]) find_kinds(self, audio, sec + nsec / 1e9);
    if (self->plugin == &plugins[PEAKS]) find_peaks(self, audio, sec + nsec / 1e9);
    if (self->plugin == &plugins[SETTINGS]) find_settings(self, audio);
}

static void describe_kind(const struct kind *kind, VampOutputDescriptor *output) {
    static const char *columns[] = {"positive", "negative", "one"};
    output->identifier = kind->id;
    output->hasFixedBinCount = kind->fixed_bins;
    output->binCount = kind->bins;
    output->binNames = kind->bins == 3 ? columns : NULL;
    output->sampleType = kind->type;
    output->sampleRate = kind->rate;
}

static int describe(const struct instance *self, unsigned index, VampOutputDescriptor *output) {
    enum { KINDS_COUNT = sizeof kinds / sizeof *kinds };
    *output = (VampOutputDescriptor){.identifier = index ? "ends" : "value",
                                     .name = "Something",
                                     .description = "Something",
                                     .unit = "",
                                     .hasFixedBinCount = 1,
                                     .binCount = index ? 2 : 3,
                                     .sampleType = vampOneSamplePerStep};
    if (self->plugin == &plugins[PEAKS]) return index < 1;
    if (self->plugin == &plugins[KINDS] && index < KINDS_COUNT) describe_kind(&kinds[index], output);
    if (self->plugin == &plugins[KINDS]) return index < KINDS_COUNT;
    if (index == 0) output->sampleType = vampVariableSampleRate;
    if (index == 0) output->binCount = 4;
    return index < 2;
}

EXPORTED const VampPluginDescriptor *vampGetPluginDescriptor(unsigned version, unsigned index) {
    (void)version;
    if (!plugins[0].identifier) make_plugins();
    return index < PLUGINS ? &plugins[index] : NULL;
}
