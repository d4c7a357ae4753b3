#include "workers/host/feed.h"

#include "kernels/clones.h"
#include "kernels/kernels.h"
#include "workers/host/clock.h"

#include <stdlib.h>
#include <string.h>

#define MAX_CHANNELS  1024u
#define MAX_BLOCK     1048576u
#define SPECTRA_BYTES 262144u /* of one block of spectra: stays in the cache */
#define MAX_SPECTRA   256u
_Static_assert(MAX_SPECTRA % SPECTRUM_FRAMES == 0, "a block of spectra is made of whole calls");

/* One channel, or the mean of all, at one rate. */
struct plane {
    uint32_t source; /* channel; feed.channels stands for the mean */
    uint32_t rate;
    sonde_resampler_t *resampler; /* NULL at the native rate */
    float *buffer;                /* what the resampler gave */
    uint32_t capacity;
    bool wanted;       /* someone still listens */
    int64_t start;     /* index of data[0] */
    const float *data; /* of the step under way */
    uint32_t count;
    float *whole; /* the whole region, where someone wants it in one block */
    uint64_t whole_length, whole_filled;
};

struct subscription {
    uint32_t subscriber, index, form;
    bool whole, active;
};

/* One distinct input. */
struct stream {
    sonde_input_t input; /* its form doesn't count: one transform serves both */
    uint32_t planes_count;
    uint32_t *planes;       /* indices into feed.planes, which may move while subscriptions come in */
    const float **pointers; /* for the block */
    struct subscription *subscriptions;
    uint32_t subscriptions_count;
    /* Of a spectrum: */
    const struct spectrum_plan *plan;
    struct spectrum_track *tracks;  /* one a plane */
    float *complex_values, *powers; /* `batch` frames of all channels; NULL: nobody wants them */
    uint32_t batch, complex_stride, power_stride;
};

struct feed {
    uint32_t rate, channels, block_frames;
    int64_t frames;
    struct spectrum_plans *plans;
    feed_deliver deliver;
    void *context;
    float **native;       /* channels + 1 buffers of one block: sanitised channels, and their mean */
    const float **cursor; /* where the next block of the caller's planes begins */
    struct plane *planes;
    uint32_t planes_count;
    struct stream *streams;
    uint32_t streams_count;
    uint64_t nonfinite;
    uint32_t step_nonfinite;
    int64_t resample_ns, spectrum_ns;
};

static float *floats_new(size_t count) {
    return aligned_alloc(64, (count * sizeof(float) + 63) / 64 * 64 + 64);
}

/* ------------------------------------------------------------------------------------------------------------ set-up */

struct feed *feed_new(uint32_t rate, uint32_t channels, int64_t frames, uint32_t block_frames,
                      struct spectrum_plans *plans, feed_deliver deliver, void *context, struct error *error) {
    if (rate < 1 || channels < 1 || channels > MAX_CHANNELS || frames < 1) {
        error_set(error, "%u Hz, %u channels, %lld frames: not a region that can be analysed", rate, channels,
                  (long long)frames);
        return NULL;
    }
    struct feed *feed = calloc(1, sizeof *feed);
    if (!feed) {
        error_memory(error);
        return NULL;
    }
    if (block_frames == 0) block_frames = FEED_BLOCK_FRAMES;
    if (block_frames > MAX_BLOCK) block_frames = MAX_BLOCK;
    if (block_frames > frames) block_frames = (uint32_t)frames;
    *feed = (struct feed){.rate = rate,
                          .channels = channels,
                          .block_frames = block_frames,
                          .frames = frames,
                          .plans = plans,
                          .deliver = deliver,
                          .context = context};
    feed->native = calloc(channels + 1, sizeof *feed->native);
    feed->cursor = calloc(channels, sizeof *feed->cursor);
    bool good = feed->native && feed->cursor;
    for (uint32_t c = 0; c <= channels && good; c++) good = (feed->native[c] = floats_new(block_frames)) != NULL;
    if (good) return feed;
    error_memory(error);
    feed_free(feed);
    return NULL;
}

static void stream_close(struct stream *stream) {
    if (stream->tracks)
        for (uint32_t p = 0; p < stream->planes_count; p++) spectrum_track_close(&stream->tracks[p]);
    free(stream->tracks);
    free(stream->complex_values);
    free(stream->powers);
    free(stream->planes);
    free(stream->pointers);
    free(stream->subscriptions);
}

void feed_free(struct feed *feed) {
    if (!feed) return;
    for (uint32_t i = 0; i < feed->streams_count; i++) stream_close(&feed->streams[i]);
    free(feed->streams);
    for (uint32_t i = 0; i < feed->planes_count; i++) {
        kernel_resample.destroy(feed->planes[i].resampler);
        free(feed->planes[i].buffer);
        free(feed->planes[i].whole);
    }
    free(feed->planes);
    for (uint32_t c = 0; feed->native && c <= feed->channels; c++) free(feed->native[c]);
    free(feed->native);
    free(feed->cursor);
    free(feed);
}

/* The index of the plane, which is made if need be; or -1. */
static int64_t plane_get(struct feed *feed, uint32_t source, uint32_t rate) {
    if (source == feed->channels && feed->channels == 1) source = 0; /* the mean of one channel is that channel */
    for (uint32_t i = 0; i < feed->planes_count; i++)
        if (feed->planes[i].source == source && feed->planes[i].rate == rate) return i;
    struct plane *list = realloc(feed->planes, (feed->planes_count + 1) * sizeof *list);
    if (!list) return -1;
    feed->planes = list;
    struct plane plane = {.source = source, .rate = rate};
    if (rate != feed->rate) {
        plane.capacity = (uint32_t)((uint64_t)feed->block_frames * rate / feed->rate) + 1024;
        plane.resampler = kernel_resample.create(feed->rate, rate);
        plane.buffer = floats_new(plane.capacity);
    }
    list[feed->planes_count++] = plane;
    return rate == feed->rate || (plane.resampler && plane.buffer) ? (int64_t)feed->planes_count - 1 : -1;
}

static bool plane_keep_whole(struct feed *feed, struct plane *plane) {
    if (plane->whole) return true;
    plane->whole_length = plane->resampler ? kernel_resample.length(feed->rate, plane->rate, (uint64_t)feed->frames)
                                           : (uint64_t)feed->frames;
    plane->whole = floats_new(plane->whole_length);
    return plane->whole != NULL;
}

static bool stream_init_planes(struct feed *feed, struct stream *stream) {
    uint32_t kind = stream->input.channels, count = feed->channels;
    if (kind == SONDE_CHANNELS_MID) count = 1;
    if (kind == SONDE_CHANNELS_STEREO) count = 2;
    stream->planes = calloc(count, sizeof *stream->planes);
    stream->pointers = calloc(count, sizeof *stream->pointers);
    if (!stream->planes || !stream->pointers) return false;
    for (uint32_t p = 0; p < count; p++) {
        uint32_t source = kind == SONDE_CHANNELS_MID ? feed->channels : p < feed->channels ? p : 0;
        int64_t plane = plane_get(feed, source, stream->input.rate);
        if (plane < 0) return false;
        stream->planes[stream->planes_count++] = (uint32_t)plane;
    }
    return true;
}

static bool stream_init_spectrum(struct feed *feed, struct stream *stream) {
    uint32_t bins = stream->input.window / 2 + 1;
    stream->complex_stride = (2 * bins + 15) / 16 * 16;
    stream->power_stride = (bins + 15) / 16 * 16;
    stream->batch = SPECTRA_BYTES / (stream->complex_stride * (uint32_t)sizeof(float) * stream->planes_count);
    if (stream->batch > MAX_SPECTRA) stream->batch = MAX_SPECTRA;
    stream->batch -= stream->batch % SPECTRUM_FRAMES;
    if (stream->batch == 0) stream->batch = SPECTRUM_FRAMES;
    stream->plan = spectrum_plans_get(feed->plans, stream->input.window);
    stream->tracks = calloc(stream->planes_count, sizeof *stream->tracks);
    if (!stream->plan || !stream->tracks) return false;
    for (uint32_t p = 0; p < stream->planes_count; p++)
        if (!spectrum_track_init(&stream->tracks[p], stream->plan, stream->input.hop)) return false;
    return true;
}

static bool stream_make_buffer(struct stream *stream, uint32_t form) {
    bool power = form == SONDE_SPECTRUM_POWER;
    float **buffer = power ? &stream->powers : &stream->complex_values;
    size_t stride = power ? stream->power_stride : stream->complex_stride;
    if (!*buffer) *buffer = floats_new((size_t)stream->batch * stream->planes_count * stride);
    return *buffer != NULL;
}

static struct stream *stream_get(struct feed *feed, const sonde_input_t *input) {
    sonde_input_t key = *input;
    key.form = 0;
    key.reserved = 0;
    if (key.rate == 0) key.rate = feed->rate;
    if (key.kind == SONDE_INPUT_AUDIO) key.window = key.hop = 0;
    for (uint32_t i = 0; i < feed->streams_count; i++)
        if (memcmp(&feed->streams[i].input, &key, sizeof key) == 0) return &feed->streams[i];
    struct stream *list = realloc(feed->streams, (feed->streams_count + 1) * sizeof *list);
    if (!list) return NULL;
    feed->streams = list;
    struct stream *stream = &list[feed->streams_count++];
    *stream = (struct stream){.input = key};
    bool good = stream_init_planes(feed, stream) &&
                (key.kind == SONDE_INPUT_AUDIO || stream_init_spectrum(feed, stream));
    if (good) return stream;
    stream_close(stream);
    feed->streams_count--;
    return NULL;
}

bool feed_subscribe(struct feed *feed, const sonde_input_t *input, bool whole, uint32_t subscriber, uint32_t index,
                    struct error *error) {
    uint32_t rate = input->rate ? input->rate : feed->rate;
    if (rate != feed->rate && (feed->rate < 1000 || feed->rate > 768000))
        return error_set(error, "audio of %u Hz can't be resampled", feed->rate);
    struct stream *stream = stream_get(feed, input);
    if (!stream) return error_memory(error);
    whole = whole && input->kind == SONDE_INPUT_AUDIO;
    for (uint32_t p = 0; whole && p < stream->planes_count; p++)
        if (!plane_keep_whole(feed, &feed->planes[stream->planes[p]])) return error_memory(error);
    if (input->kind == SONDE_INPUT_SPECTRUM && !stream_make_buffer(stream, input->form)) return error_memory(error);
    struct subscription *list = realloc(stream->subscriptions, (stream->subscriptions_count + 1) * sizeof *list);
    if (!list) return error_memory(error);
    stream->subscriptions = list;
    list[stream->subscriptions_count++] = (struct subscription){
        .subscriber = subscriber, .index = index, .form = input->form, .whole = whole, .active = true};
    return true;
}

/* -------------------------------------------------------------------------------------------------------------- steps */

/* As bit patterns without sign, one comparison of integers finds everything too large, infinities and NaN included. */
#define BITS_HUGE 0x501502f9 /* 1e10f */
#define BITS_TINY 0x0da24260 /* 1e-30f */

SONDE_CLONES
static uint32_t sanitise(const float *in, float *out, uint32_t n) {
    int32_t bad = 0;
    for (uint32_t i = 0; i < n; i++) {
        int32_t bits;
        memcpy(&bits, &in[i], sizeof bits);
        int32_t size = bits & 0x7fffffff;
        bad += size > BITS_HUGE;
        bits = size > BITS_HUGE || size < BITS_TINY ? 0 : bits;
        memcpy(&out[i], &bits, sizeof bits);
    }
    return (uint32_t)bad;
}

SONDE_CLONES
static void mix(float *const *channels, uint32_t count, float *out, uint32_t n) {
    memcpy(out, channels[0], n * sizeof *out);
    for (uint32_t c = 1; c < count; c++) {
        const float *in = channels[c];
        for (uint32_t i = 0; i < n; i++) out[i] += in[i];
    }
    float divisor = (float)count;
    for (uint32_t i = 0; i < n; i++) out[i] /= divisor;
}

static bool stream_is_active(const struct stream *stream) {
    for (uint32_t s = 0; s < stream->subscriptions_count; s++)
        if (stream->subscriptions[s].active) return true;
    return false;
}

/* Which planes somebody still listens to. */
static void mark_wanted(struct feed *feed) {
    for (uint32_t i = 0; i < feed->planes_count; i++) feed->planes[i].wanted = false;
    for (uint32_t i = 0; i < feed->streams_count; i++) {
        const struct stream *stream = &feed->streams[i];
        bool active = stream_is_active(stream);
        for (uint32_t p = 0; active && p < stream->planes_count; p++) feed->planes[stream->planes[p]].wanted = true;
    }
}

static void subscription_deliver(struct feed *feed, struct subscription *s, sonde_block_t block) {
    block.input = s->index;
    s->active = feed->deliver(feed->context, s->subscriber, &block);
}

static void stream_deliver_audio(struct feed *feed, struct stream *stream, bool whole) {
    const struct plane *first = &feed->planes[stream->planes[0]];
    uint64_t count = whole ? first->whole_filled : first->count;
    if (count == 0 || (whole && !first->whole)) return;
    for (uint32_t p = 0; p < stream->planes_count; p++) {
        const struct plane *plane = &feed->planes[stream->planes[p]];
        stream->pointers[p] = whole ? plane->whole : plane->data;
    }
    sonde_block_t block = {.struct_size = sizeof block,
                           .start = whole ? 0 : first->start,
                           .frames = (uint32_t)count,
                           .channels = stream->planes_count,
                           .planes = stream->pointers,
                           .rate = first->rate,
                           .nonfinite = whole ? (uint32_t)feed->nonfinite : feed->step_nonfinite};
    for (uint32_t s = 0; s < stream->subscriptions_count; s++)
        if (stream->subscriptions[s].active && stream->subscriptions[s].whole == whole)
            subscription_deliver(feed, &stream->subscriptions[s], block);
}

static bool stream_wants(const struct stream *stream, uint32_t form) {
    for (uint32_t s = 0; s < stream->subscriptions_count; s++)
        if (stream->subscriptions[s].active && stream->subscriptions[s].form == form) return true;
    return false;
}

static void stream_compute_spectra(struct feed *feed, struct stream *stream, uint32_t frames) {
    int64_t from = clock_cpu_ns();
    uint32_t channels = stream->planes_count;
    size_t complex_stride = (size_t)channels * stream->complex_stride;
    size_t power_stride = (size_t)channels * stream->power_stride;
    float *values = stream_wants(stream, SONDE_SPECTRUM_COMPLEX) ? stream->complex_values : NULL;
    float *powers = stream_wants(stream, SONDE_SPECTRUM_POWER) ? stream->powers : NULL;
    for (uint32_t f = 0; f < frames; f += SPECTRUM_FRAMES) {
        uint32_t count = frames - f < SPECTRUM_FRAMES ? frames - f : SPECTRUM_FRAMES;
        for (uint32_t c = 0; c < channels; c++) {
            float *to_values = values ? values + f * complex_stride + (size_t)c * stream->complex_stride : NULL;
            float *to_powers = powers ? powers + f * power_stride + (size_t)c * stream->power_stride : NULL;
            spectrum_track_take(&stream->tracks[c], count, to_values, complex_stride, to_powers, power_stride);
        }
    }
    feed->spectrum_ns += clock_cpu_ns() - from;
}

/* Frames wait until there are enough to fill a call, but for the last ones of the region. */
static uint32_t stream_frames_due(const struct stream *stream) {
    const struct spectrum_track *track = &stream->tracks[0];
    int64_t ready = spectrum_track_ready(track);
    uint32_t frames = ready < stream->batch ? (uint32_t)ready : stream->batch;
    return track->ended ? frames : frames - frames % SPECTRUM_FRAMES;
}

static void stream_deliver_spectra(struct feed *feed, struct stream *stream) {
    uint32_t frames;
    while (stream_is_active(stream) && (frames = stream_frames_due(stream)) > 0) {
        sonde_block_t block = {.struct_size = sizeof block,
                               .start = stream->tracks[0].next,
                               .frames = frames,
                               .channels = stream->planes_count,
                               .bins = stream->input.window / 2 + 1,
                               .rate = stream->input.rate};
        stream_compute_spectra(feed, stream, frames);
        for (uint32_t s = 0; s < stream->subscriptions_count; s++) {
            struct subscription *sub = &stream->subscriptions[s];
            bool power = sub->form == SONDE_SPECTRUM_POWER;
            block.spectra = power ? stream->powers : stream->complex_values;
            block.stride = power ? stream->power_stride : stream->complex_stride;
            if (sub->active) subscription_deliver(feed, sub, block);
        }
    }
}

/* Hands on what every plane holds for this step. */
static bool distribute(struct feed *feed) {
    for (uint32_t i = 0; i < feed->planes_count; i++) {
        struct plane *plane = &feed->planes[i];
        if (!plane->whole || plane->count == 0 || plane->count > plane->whole_length - plane->whole_filled) continue;
        memcpy(plane->whole + plane->whole_filled, plane->data, plane->count * sizeof(float));
        plane->whole_filled += plane->count;
    }
    for (uint32_t i = 0; i < feed->streams_count; i++) {
        struct stream *stream = &feed->streams[i];
        if (!stream_is_active(stream)) continue;
        if (stream->input.kind == SONDE_INPUT_AUDIO)
            stream_deliver_audio(feed, stream, false);
        else {
            for (uint32_t p = 0; p < stream->planes_count; p++) {
                const struct plane *plane = &feed->planes[stream->planes[p]];
                if (plane->count && !spectrum_track_push(&stream->tracks[p], plane->data, plane->count)) return false;
            }
            stream_deliver_spectra(feed, stream);
        }
    }
    for (uint32_t i = 0; i < feed->planes_count; i++) feed->planes[i].start += feed->planes[i].count;
    return true;
}

static bool resample_planes(struct feed *feed, uint32_t n) {
    int64_t from = clock_cpu_ns();
    bool good = true;
    for (uint32_t i = 0; i < feed->planes_count && good; i++) {
        struct plane *plane = &feed->planes[i];
        const float *native = feed->native[plane->source];
        plane->data = plane->resampler ? plane->buffer : native;
        plane->count = plane->resampler || !plane->wanted ? 0 : n;
        if (!plane->resampler || !plane->wanted) continue;
        uint32_t used = 0;
        plane->count = kernel_resample.process(plane->resampler, native, n, &used, plane->buffer, plane->capacity);
        good = used == n; /* its capacity is made for that: only a lack of memory inside soxr breaks it */
    }
    feed->resample_ns += clock_cpu_ns() - from;
    return good;
}

static bool step(struct feed *feed, uint32_t n) {
    feed->step_nonfinite = 0;
    for (uint32_t c = 0; c < feed->channels; c++) feed->step_nonfinite += sanitise(feed->cursor[c], feed->native[c], n);
    feed->nonfinite += feed->step_nonfinite;
    mark_wanted(feed);
    bool mid = false;
    for (uint32_t i = 0; i < feed->planes_count; i++)
        mid |= feed->planes[i].wanted && feed->planes[i].source == feed->channels;
    if (mid) mix(feed->native, feed->channels, feed->native[feed->channels], n);
    return resample_planes(feed, n) && distribute(feed);
}

bool feed_push(struct feed *feed, const float *const *planes, size_t frames) {
    for (uint32_t c = 0; c < feed->channels; c++) feed->cursor[c] = planes[c];
    while (frames > 0) {
        uint32_t n = frames < feed->block_frames ? (uint32_t)frames : feed->block_frames;
        if (!step(feed, n)) return false;
        for (uint32_t c = 0; c < feed->channels; c++) feed->cursor[c] += n;
        frames -= n;
    }
    return true;
}

/* One round of what the resamplers still hold. All planes of a stream get equally much, having been given equally much. */
static bool drain(struct feed *feed, bool *more) {
    int64_t from = clock_cpu_ns();
    mark_wanted(feed);
    *more = false;
    for (uint32_t i = 0; i < feed->planes_count; i++) {
        struct plane *plane = &feed->planes[i];
        plane->count = plane->resampler && plane->wanted
                           ? kernel_resample.finish(plane->resampler, plane->buffer, plane->capacity)
                           : 0;
        plane->data = plane->buffer;
        *more |= plane->count > 0;
    }
    feed->resample_ns += clock_cpu_ns() - from;
    return *more ? distribute(feed) : true;
}

bool feed_finish(struct feed *feed) {
    feed->step_nonfinite = 0;
    for (bool more = true; more;)
        if (!drain(feed, &more)) return false;
    for (uint32_t i = 0; i < feed->streams_count; i++) {
        struct stream *stream = &feed->streams[i];
        if (stream->input.kind == SONDE_INPUT_AUDIO) {
            stream_deliver_audio(feed, stream, true);
            continue;
        }
        for (uint32_t p = 0; p < stream->planes_count; p++)
            if (!spectrum_track_end(&stream->tracks[p])) return false;
        stream_deliver_spectra(feed, stream);
    }
    return true;
}

uint64_t feed_nonfinite(const struct feed *feed) {
    return feed->nonfinite;
}

void feed_cost(const struct feed *feed, int64_t *resample_us, int64_t *spectrum_us) {
    *resample_us = feed->resample_ns / 1000;
    *spectrum_us = feed->spectrum_ns / 1000;
}
