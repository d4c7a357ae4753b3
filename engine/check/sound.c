#include "engine/check/sound.h"

#include "engine/ipc/memfd.h"

#include <math.h>
#include <stdio.h>
#include <unistd.h>

#define MAX_BYTES ((uint64_t)64 << 20)
#define TWO_PI    6.283185307179586
#define CHORDS    4

/* A minor, F, C, G: three notes each, in Hz, one chord in two seconds. */
static const double notes[CHORDS][3] = {
    {220.00, 261.63, 329.63}, {174.61, 220.00, 261.63}, {261.63, 329.63, 392.00}, {196.00, 246.94, 293.66}};

/* -1 to 1, by its number alone. */
static double noise_at(uint64_t n) {
    n = (n ^ (n >> 31)) * 0x9e3779b97f4a7c15u; /* splitmix64 */
    n = (n ^ (n >> 29)) * 0xbf58476d1ce4e5b9u;
    n ^= n >> 32;
    return (double)(n & 0xffffffffu) / 2147483648.0 - 1;
}

/* What all channels have in common at one moment. */
struct moment {
    double sine[3], cosine[3]; /* of the chord's notes */
    double rhythm;             /* bass and drum */
    double cymbal;             /* how loud it is */
};

static struct moment moment_at(int64_t i, uint32_t rate) {
    struct moment m;
    double t = (double)i / rate, beat = fmod(t, 0.5);
    const double *chord = notes[(int64_t)(t / 2) % CHORDS];
    for (int n = 0; n < 3; n++) sincos(TWO_PI * chord[n] * t, &m.sine[n], &m.cosine[n]);
    double decay = exp(-5 * beat), fast = decay * decay * decay, ring = exp(-15 * fmod(t, 0.25));
    m.rhythm = 0.2 * decay * sin(TWO_PI * chord[0] / 2 * t) +
               0.4 * fast * fast * sin(TWO_PI * (50 + 60 * fast * fast * decay * decay) * beat);
    m.cymbal = 0.15 * ring * ring * ring * ring;
    return m;
}

/* Sample `i` of channel `c`: its notes are somewhat later than the other channels', its noise is its own. */
static double music_at(const struct moment *m, int64_t i, uint32_t c) {
    double value = m->rhythm + m->cymbal * noise_at((uint64_t)i * 2654435761u + c);
    double later = sin(0.3 * c), now = cos(0.3 * c);
    for (int n = 0; n < 3; n++) value += 0.1 * (m->sine[n] * now + m->cosine[n] * later);
    return (value + 0.002 * noise_at((uint64_t)i + ((uint64_t)c << 40))) * (1 - 0.1 * (c % 5));
}

static float sample_at(enum sound_kind kind, const struct moment *m, int64_t i, uint32_t c) {
    switch (kind) {
    case SOUND_SILENCE: return 0;
    case SOUND_CONSTANT: return 0.5f;
    case SOUND_LOUD: return (float)(2e9 * music_at(m, i, c));
    case SOUND_NONFINITE:
        if (i % 97 == 13) return i % 2 ? (float)NAN : (float)INFINITY;
        if (i % 97 == 14) return -(float)INFINITY;
        break;
    case SOUND_MUSIC: break;
    }
    return (float)music_at(m, i, c);
}

/* `planes`: one after the other. */
static void fill(const struct sound *s, float *planes) {
    for (int64_t i = 0; i < s->frames; i++) {
        struct moment m = moment_at(i, s->rate);
        for (uint32_t c = 0; c < s->channels; c++) planes[(int64_t)c * s->frames + i] = sample_at(s->kind, &m, i, c);
    }
}

static void describe(struct sound *s) {
    static const char *const kinds[] = {"music", "silence", "music a thousand million times too loud",
                                        "music with NaN and infinity", "a constant"};
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
    if (frames < 1 || channels < 1 || bytes > MAX_BYTES) return error_set(error, "an impossible test sound");
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
