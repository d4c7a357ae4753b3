#include "engine/check/sound.h"

#include "engine/ipc/memfd.h"

#include <math.h>
#include <stdio.h>
#include <unistd.h>

#define MAX_BYTES    ((uint64_t)64 << 20)
#define MAX_CHANNELS 32
#define TWO_PI       6.283185307179586
#define CHORDS       4

/* A minor, F, C, G: three notes each, in Hz, one chord in two seconds. */
static const double notes[CHORDS][3] = {
    {220.00, 261.63, 329.63}, {174.61, 220.00, 261.63}, {261.63, 329.63, 392.00}, {196.00, 246.94, 293.66}};

uint64_t sound_random(uint64_t n) {
    n = (n ^ (n >> 31)) * 0x9e3779b97f4a7c15u; /* splitmix64 */
    n = (n ^ (n >> 29)) * 0xbf58476d1ce4e5b9u;
    return n ^ (n >> 32);
}

/* -1 to 1, by its number alone. */
static double noise_at(uint64_t n) {
    return (double)(sound_random(n) & 0xffffffffu) / 2147483648.0 - 1;
}

/* A sine that is turned on from frame to frame, which is much faster than asking for its value. */
struct oscillator {
    double sine, cosine;
    double turn_sine, turn_cosine; /* by so much a frame */
};

static void oscillator_start(struct oscillator *o, double hertz, double time, uint32_t rate) {
    sincos(TWO_PI * hertz * time, &o->sine, &o->cosine);
    sincos(TWO_PI * hertz / rate, &o->turn_sine, &o->turn_cosine);
}

static void oscillator_turn(struct oscillator *o) {
    double sine = o->sine * o->turn_cosine + o->cosine * o->turn_sine;
    o->cosine = o->cosine * o->turn_cosine - o->sine * o->turn_sine;
    o->sine = sine;
}

/* What all channels have in common at one moment. */
struct moment {
    int64_t chord;
    struct oscillator notes[3], bass;
    double time;   /* s */
    double rhythm; /* bass and drum */
    double cymbal; /* how loud it is */
};

/* Frame `i`, the one after that which `m` holds; every chord begins anew. */
static void moment_move(struct moment *m, int64_t i, uint32_t rate) {
    double t = m->time = (double)i / rate, beat = fmod(t, 0.5);
    int64_t chord = (int64_t)(t / 2);
    const double *hertz = notes[chord % CHORDS];
    if (i == 0 || chord != m->chord) {
        for (int n = 0; n < 3; n++) oscillator_start(&m->notes[n], hertz[n], t, rate);
        oscillator_start(&m->bass, hertz[0] / 2, t, rate);
        m->chord = chord;
    } else {
        for (int n = 0; n < 3; n++) oscillator_turn(&m->notes[n]);
        oscillator_turn(&m->bass);
    }
    double decay = exp(-5 * beat), fast = decay * decay * decay, ring = exp(-15 * fmod(t, 0.25));
    m->rhythm = 0.2 * decay * m->bass.sine +
                0.4 * fast * fast * sin(TWO_PI * (50 + 60 * fast * fast * decay * decay) * beat);
    m->cymbal = 0.15 * ring * ring * ring * ring;
}

/* How a channel differs from others: its notes are somewhat later, and it may be less loud. */
struct channel {
    double now, later, gain;
};

/* Sample `i` of channel `c`, whose noise is its own. */
static double music_at(const struct moment *m, const struct channel *channel, int64_t i, uint32_t c) {
    double value = m->rhythm + m->cymbal * noise_at((uint64_t)i * 2654435761u + c);
    for (int n = 0; n < 3; n++) value += 0.1 * (m->notes[n].sine * channel->now + m->notes[n].cosine * channel->later);
    return (value + 0.002 * noise_at((uint64_t)i + ((uint64_t)c << 40))) * channel->gain;
}

/* Of the kinds that are made of music. */
static float changed(enum sound_kind kind, double music, double time, int64_t i) {
    switch (kind) {
    case SOUND_LOUD: return (float)(2e9 * music);
    case SOUND_FAINT: return (float)(1e-20 * music);
    case SOUND_FADING: return (float)(pow(10, -10 * time) * music);
    case SOUND_NONFINITE:
        if (i % 97 == 13) return i % 2 ? (float)NAN : (float)INFINITY;
        return i % 97 == 14 ? -(float)INFINITY : (float)music;
    default: return (float)music;
    }
}

static void fill_music(const struct sound *s, float *planes) {
    struct channel channels[MAX_CHANNELS];
    for (uint32_t c = 0; c < s->channels; c++)
        channels[c] = (struct channel){.now = cos(0.3 * c), .later = sin(0.3 * c), .gain = 1 - 0.1 * (c % 5)};
    struct moment m = {0};
    for (int64_t i = 0; i < s->frames; i++) {
        moment_move(&m, i, s->rate);
        for (uint32_t c = 0; c < s->channels; c++)
            planes[c * s->frames + i] = changed(s->kind, music_at(&m, &channels[c], i, c), m.time, i);
    }
}

/* `planes`: one after the other, zeroes. */
static void fill(const struct sound *s, float *planes) {
    int64_t samples = s->frames * s->channels;
    switch (s->kind) {
    case SOUND_SILENCE: break;
    case SOUND_CONSTANT:
        for (int64_t i = 0; i < samples; i++) planes[i] = 0.5f;
        break;
    case SOUND_NOISE:
        for (int64_t i = 0; i < samples; i++) planes[i] = (float)noise_at((uint64_t)i);
        break;
    default: fill_music(s, planes);
    }
}

static void describe(struct sound *s) {
    static const char *const kinds[] = {"music",
                                        "silence",
                                        "music a thousand million times too loud",
                                        "music with NaN and infinity",
                                        "a constant",
                                        "white noise",
                                        "music of 1e-20",
                                        "music that dies away"};
    if (s->frames < s->rate / 10)
        (void)snprintf(s->name, sizeof s->name, "%lld frames of %s, %u Hz, %u channels", (long long)s->frames,
                       kinds[s->kind], s->rate, s->channels);
    else
        (void)snprintf(s->name, sizeof s->name, "%.3g s of %s, %u Hz, %u channels", (double)s->frames / s->rate,
                       kinds[s->kind], s->rate, s->channels);
}

bool sound_make(struct sound *sound, enum sound_kind kind, uint32_t rate, uint32_t channels, int64_t frames,
                struct error *error) {
    *sound = (struct sound){.kind = kind, .rate = rate, .channels = channels, .frames = frames, .fd = -1};
    uint64_t bytes = (uint64_t)frames * channels * sizeof(float);
    if (frames < 1 || channels < 1 || channels > MAX_CHANNELS || bytes > MAX_BYTES)
        return error_set(error, "an impossible test sound");
    describe(sound);
    int fd = memfd_new("sonde-sound", bytes, error);
    float *samples = fd >= 0 ? memfd_map(fd, bytes, true, error) : NULL;
    if (samples) fill(sound, samples);
    memfd_unmap(samples, bytes);
    if (samples && memfd_seal(fd, bytes, error)) {
        sound->fd = fd;
        return true;
    }
    if (fd >= 0) close(fd);
    return false;
}

void sound_free(struct sound *sound) {
    if (sound->fd > 0) close(sound->fd);
    *sound = (struct sound){.fd = -1};
}
