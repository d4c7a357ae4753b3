/* Makes the demo folder of tools/quickstart:
 *
 *     sonde-demo DIR [SPEECH.wav]
 *
 * a melody in A minor, a drum loop of exactly four bars at 120 bpm, rain-like noise, and a take that holds all of them (and
 * the speech, if given) with silences between, over a faint noise floor. Everything is computed: the same on every run. */
#include <math.h>
#include <sndfile.h>
#include <stdbool.h>
#include <stdint.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

enum { RATE = 44100 };

/* Mono samples at RATE. */
struct sound {
    float *samples;
    size_t frames;
};

static bool sound_init(struct sound *s, double seconds) {
    s->frames = (size_t)(seconds * RATE);
    s->samples = calloc(s->frames, sizeof *s->samples);
    return s->samples != NULL;
}

/* Uniform in -1..1 (xorshift32). */
static double noise(uint32_t *state) {
    *state ^= *state << 13;
    *state ^= *state >> 17;
    *state ^= *state << 5;
    return (double)*state / 2147483648.0 - 1.0;
}

/* A plucked tone of eight partials, MIDI note number `note`, added at `start` seconds. */
static void add_tone(struct sound *s, double start, double length, double note, double level) {
    double f0 = 440.0 * pow(2.0, (note - 69.0) / 12.0);
    size_t first = (size_t)(start * RATE), count = (size_t)(length * RATE);
    for (size_t i = 0; i < count && first + i < s->frames; i++) {
        double t = (double)i / RATE, envelope = fmin(1.0, t / 0.008) * exp(-2.2 * t) * fmin(1.0, (length - t) / 0.02);
        double v = 0;
        for (int h = 1; h <= 8 && f0 * h < RATE * 0.45; h++) v += sin(2 * M_PI * f0 * h * t) * exp(-0.7 * t * h) / h;
        s->samples[first + i] += (float)(level * envelope * v);
    }
}

/* Eight bars of 2 seconds: i - iv - V - i in A minor, chords below, a tune above; the leading note tells it from C major. */
static bool make_melody(struct sound *s) {
    if (!sound_init(s, 16.5)) return false;
    static const int roots[4] = {45, 50, 40, 45};
    static const int thirds[4] = {3, 3, 4, 3};
    static const int tune[32] = {69, 72, 76, 72, 74, 77, 81, 77, 76, 74, 71, 68, 69, 72, 71, 69,
                                 76, 72, 69, 72, 77, 74, 69, 74, 71, 68, 71, 76, 72, 71, 69, 69};
    for (int bar = 0; bar < 8; bar++) {
        int c = bar % 4;
        double at = bar * 2.0;
        for (int beat = 0; beat < 4; beat++) {
            add_tone(s, at + beat * 0.5, 0.48, roots[c] + (beat % 2 ? 7 : 0), 0.16);
            add_tone(s, at + beat * 0.5, 0.48, roots[c] + 12 + thirds[c], 0.08);
            add_tone(s, at + beat * 0.5, 0.48, roots[c] + 19, 0.08);
            int step = (bar * 4 + beat) % 32;
            add_tone(s, at + beat * 0.5, 0.5, bar == 7 && beat == 3 ? 69 : tune[step], 0.2);
        }
    }
    return true;
}

static void add_kick(struct sound *s, double start) {
    size_t first = (size_t)(start * RATE);
    double phase = 0;
    for (size_t i = 0; i < RATE / 4 && first + i < s->frames; i++) {
        double t = (double)i / RATE;
        phase += 2 * M_PI * (48 + 140 * exp(-t * 38)) / RATE;
        s->samples[first + i] += (float)(0.8 * exp(-t * 14) * sin(phase));
    }
}

static void add_noise_hit(struct sound *s, double start, double decay, double level, double brightness,
                          uint32_t *seed) {
    size_t first = (size_t)(start * RATE);
    double low = 0;
    for (size_t i = 0; i < RATE / 3 && first + i < s->frames; i++) {
        double t = (double)i / RATE, white = noise(seed);
        low += (1 - brightness) * (white - low);
        s->samples[first + i] += (float)(level * exp(-t * decay) * (white - low));
    }
}

/* Four bars of 4/4 at 120 bpm: exactly 8 seconds, so that it loops. */
static bool make_drums(struct sound *s) {
    if (!sound_init(s, 8.0)) return false;
    uint32_t seed = 7;
    for (int eighth = 0; eighth < 32; eighth++) {
        double at = eighth * 0.25;
        if (eighth % 8 == 0 || eighth % 8 == 5) add_kick(s, at);
        if (eighth % 4 == 2) add_noise_hit(s, at, 18, 0.5, 0.3, &seed);
        add_noise_hit(s, at, eighth % 2 ? 60 : 90, eighth % 2 ? 0.16 : 0.1, 0.05, &seed);
    }
    return true;
}

/* A steady hiss with many small drops. */
static bool make_rain(struct sound *s) {
    if (!sound_init(s, 12.0)) return false;
    uint32_t seed = 99;
    double low = 0;
    for (size_t i = 0; i < s->frames; i++) {
        double white = noise(&seed);
        low += 0.35 * (white - low);
        s->samples[i] = (float)(0.05 * (white - low) + 0.03 * low);
    }
    for (int drop = 0; drop < 1500; drop++) {
        size_t first = (size_t)((noise(&seed) + 1) * 0.5 * (double)s->frames);
        double f = 1800 + 2500 * (noise(&seed) + 1), level = 0.03 + 0.05 * fabs(noise(&seed));
        for (size_t i = 0; i < 400 && first + i < s->frames; i++)
            s->samples[first + i] += (float)(level * exp(-(double)i / 70) * sin(2 * M_PI * f * (double)i / RATE));
    }
    double ramp = 0.3 * RATE;
    for (size_t i = 0; i < s->frames; i++) {
        double edge = fmin((double)i, (double)(s->frames - i));
        if (edge < ramp) s->samples[i] *= (float)(edge / ramp);
    }
    return true;
}

/* A speech file as mono at RATE, by linear interpolation: good enough for a voice. */
static bool read_speech(const char *path, struct sound *s) {
    SF_INFO info = {0};
    SNDFILE *file = sf_open(path, SFM_READ, &info);
    if (!file) return false;
    bool ok = info.channels == 1 && info.frames > 0 && info.frames < 60 * (sf_count_t)info.samplerate;
    float *raw = ok ? calloc((size_t)info.frames + 1, sizeof *raw) : NULL;
    ok = raw && sf_readf_float(file, raw, info.frames) == info.frames;
    ok = ok && sound_init(s, (double)info.frames / info.samplerate);
    for (size_t i = 0; ok && i < s->frames; i++) {
        double at = (double)i * info.samplerate / RATE;
        size_t k = (size_t)at;
        double part = at - (double)k;
        s->samples[i] = (float)((1 - part) * raw[k] + part * raw[k + 1]);
    }
    free(raw);
    sf_close(file);
    return ok;
}

static bool write_sound(const char *folder, const char *name, const struct sound *s, int format) {
    char path[4096];
    snprintf(path, sizeof path, "%s/%s", folder, name);
    SF_INFO info = {.samplerate = RATE, .channels = 1, .format = format};
    SNDFILE *file = sf_open(path, SFM_WRITE, &info);
    if (!file) {
        fprintf(stderr, "sonde-demo: cannot write %s: %s\n", path, sf_strerror(NULL));
        return false;
    }
    bool ok = sf_writef_float(file, s->samples, (sf_count_t)s->frames) == (sf_count_t)s->frames;
    return sf_close(file) == 0 && ok;
}

/* All sounds one after the other with 3 s between them, over a floor of about -66 dBFS. */
static bool make_take(struct sound *take, const struct sound *parts, size_t count) {
    double seconds = 3;
    for (size_t p = 0; p < count; p++) seconds += (double)parts[p].frames / RATE + 3;
    if (!sound_init(take, seconds)) return false;
    uint32_t seed = 1234;
    for (size_t i = 0; i < take->frames; i++) take->samples[i] = (float)(0.0008 * noise(&seed));
    size_t at = 3 * RATE;
    for (size_t p = 0; p < count; p++) {
        for (size_t i = 0; i < parts[p].frames && at + i < take->frames; i++)
            take->samples[at + i] += parts[p].samples[i];
        at += parts[p].frames + 3 * RATE;
    }
    return true;
}

int main(int argc, char **argv) {
    if (argc < 2 || argc > 3) {
        fprintf(stderr, "usage: sonde-demo DIR [SPEECH.wav]\n");
        return 2;
    }
    struct sound parts[4] = {0}, take = {0};
    size_t count = 3;
    int wav = SF_FORMAT_WAV | SF_FORMAT_PCM_16, flac = SF_FORMAT_FLAC | SF_FORMAT_PCM_16;
    bool ok = make_melody(&parts[0]) && make_drums(&parts[1]) && make_rain(&parts[2]);
    if (ok && argc == 3 && read_speech(argv[2], &parts[3])) count = 4;
    ok = ok && make_take(&take, parts, count);
    ok = ok && write_sound(argv[1], "melody in A minor.wav", &parts[0], wav);
    ok = ok && write_sound(argv[1], "drum loop 120.wav", &parts[1], wav);
    ok = ok && write_sound(argv[1], "rain.flac", &parts[2], flac);
    ok = ok && (count < 4 || write_sound(argv[1], "speech.wav", &parts[3], wav));
    ok = ok && write_sound(argv[1], "a walk with silences.flac", &take, flac);
    for (size_t p = 0; p < 4; p++) free(parts[p].samples);
    free(take.samples);
    if (!ok) fprintf(stderr, "sonde-demo: could not make the demo folder\n");
    return ok ? 0 : 1;
}
