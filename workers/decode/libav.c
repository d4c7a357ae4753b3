#include "workers/decode/libav.h"

#include <dlfcn.h>
#include <errno.h>
#include <libavcodec/avcodec.h>
#include <libavformat/avformat.h>
#include <libavutil/channel_layout.h>
#include <libavutil/opt.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

#define IO_BUFFER       (32 * 1024)
#define BAD_PACKETS_MAX 1000 /* in a row, before giving up */
#define STREAMS_MAX     100

/* The functions of FFmpeg's libraries that are used, each with the type of its own declaration. */
#define FUNCTIONS(USE)                                                                                                 \
    USE(format, avformat_alloc_context)                                                                                \
    USE(format, avformat_open_input)                                                                                   \
    USE(format, avformat_close_input)                                                                                  \
    USE(format, avformat_free_context)                                                                                 \
    USE(format, avformat_find_stream_info)                                                                             \
    USE(format, av_find_best_stream)                                                                                   \
    USE(format, av_read_frame)                                                                                         \
    USE(format, avio_alloc_context)                                                                                    \
    USE(format, avio_context_free)                                                                                     \
    USE(codec, avcodec_alloc_context3)                                                                                 \
    USE(codec, avcodec_free_context)                                                                                   \
    USE(codec, avcodec_parameters_to_context)                                                                          \
    USE(codec, avcodec_open2)                                                                                          \
    USE(codec, avcodec_send_packet)                                                                                    \
    USE(codec, avcodec_receive_frame)                                                                                  \
    USE(codec, avcodec_find_decoder)                                                                                   \
    USE(codec, avcodec_descriptor_get)                                                                                 \
    USE(codec, avcodec_version)                                                                                        \
    USE(codec, av_codec_iterate)                                                                                       \
    USE(codec, av_codec_is_decoder)                                                                                    \
    USE(codec, av_get_exact_bits_per_sample)                                                                           \
    USE(codec, av_packet_alloc)                                                                                        \
    USE(codec, av_packet_free)                                                                                         \
    USE(codec, av_packet_unref)                                                                                        \
    USE(util, av_frame_alloc)                                                                                          \
    USE(util, av_frame_free)                                                                                           \
    USE(util, av_malloc)                                                                                               \
    USE(util, av_freep)                                                                                                \
    USE(util, av_strdup)                                                                                               \
    USE(util, av_dict_get)                                                                                             \
    USE(util, av_channel_layout_describe)                                                                              \
    USE(util, av_log_set_level)                                                                                        \
    USE(util, av_strerror)                                                                                             \
    USE(util, av_rescale_q)                                                                                            \
    USE(util, av_sample_fmt_is_planar)                                                                                 \
    USE(util, av_get_bytes_per_sample)

struct libav {
    struct source_reader reader;
    void *util, *codec, *format; /* from dlopen */
    char *audio_decoders;        /* their names, comma-separated: no other decoder may be opened */
#define DECLARE(library, function) __typeof__(&function) function;
    FUNCTIONS(DECLARE)
#undef DECLARE
};

struct stream {
    const struct libav *av;
    AVIOContext *io;
    AVFormatContext *format;
    AVCodecContext *codec;
    AVPacket *packet;
    AVFrame *frame;
    int index; /* of the audio stream */
    int taken; /* frames of `frame` already given out */
    int rate, channels;
    int bad; /* packets in a row that could not be decoded */
    bool flushing, ended;
    struct error trouble; /* the first packet that failed since the last good one, or why the end came early */
};

static int read_io(void *opaque, uint8_t *to, int n) {
    size_t got = n > 0 ? input_read(opaque, to, (size_t)n) : 0;
    return got > 0 ? (int)got : AVERROR_EOF;
}

static int64_t seek_io(void *opaque, int64_t offset, int whence) {
    struct input *input = opaque;
    if (whence & AVSEEK_SIZE) return input->size;
    return input_seek(input, offset, whence & ~AVSEEK_FORCE);
}

/* Play lists, and containers that refer to other files, end here. */
static int deny_open(AVFormatContext *format, AVIOContext **io, const char *url, int flags, AVDictionary **options) {
    (void)format, (void)io, (void)url, (void)flags, (void)options;
    return AVERROR(EACCES);
}

static bool fail(const struct libav *av, struct error *error, int code) {
    char text[AV_ERROR_MAX_STRING_SIZE] = "unknown error";
    av->av_strerror(code, text, sizeof text);
    return error_set(error, "FFmpeg says: %s", text);
}

static bool open_format(struct stream *s, struct input *input, struct error *error) {
    const struct libav *av = s->av;
    unsigned char *buffer = av->av_malloc(IO_BUFFER);
    s->io = buffer ? av->avio_alloc_context(buffer, IO_BUFFER, 0, input, read_io, NULL, seek_io) : NULL;
    if (!s->io) av->av_freep(&buffer);
    s->format = av->avformat_alloc_context();
    if (!s->io || !s->format) return error_memory(error);
    s->format->pb = s->io;
    s->format->flags |= AVFMT_FLAG_CUSTOM_IO;
    s->format->io_open = deny_open;
    s->format->max_streams = STREAMS_MAX;
    s->format->codec_whitelist = av->av_strdup(av->audio_decoders);
    s->format->protocol_whitelist = av->av_strdup("none");
    if (!s->format->codec_whitelist || !s->format->protocol_whitelist) return error_memory(error);
    int code = av->avformat_open_input(&s->format, "", NULL, NULL); /* frees the context when it fails */
    if (code < 0) {
        fail(av, error, code);
        if (error && code == AVERROR_INVALIDDATA) error->code = ENOTSUP; /* no demuxer wants it */
        return false;
    }
    code = av->avformat_find_stream_info(s->format, NULL);
    if (code < 0) return fail(av, error, code);
    s->index = av->av_find_best_stream(s->format, AVMEDIA_TYPE_AUDIO, -1, -1, NULL, 0);
    if (s->index < 0) {
        error_set(error, "there is no audio in this %.40s file", s->format->iformat->name);
        return false;
    }
    for (unsigned i = 0; i < s->format->nb_streams; i++)
        if ((int)i != s->index) s->format->streams[i]->discard = AVDISCARD_ALL;
    return true;
}

static bool open_codec(struct stream *s, struct error *error) {
    const struct libav *av = s->av;
    AVStream *stream = s->format->streams[s->index];
    const AVCodec *decoder = av->avcodec_find_decoder(stream->codecpar->codec_id);
    const AVCodecDescriptor *name = av->avcodec_descriptor_get(stream->codecpar->codec_id);
    if (!decoder) return error_set(error, "no decoder for %s audio", name ? name->name : "this kind of");
    s->codec = av->avcodec_alloc_context3(decoder);
    s->packet = av->av_packet_alloc();
    s->frame = av->av_frame_alloc();
    if (!s->codec || !s->packet || !s->frame) return error_memory(error);
    int code = av->avcodec_parameters_to_context(s->codec, stream->codecpar);
    if (code < 0) return fail(av, error, code);
    s->codec->pkt_timebase = stream->time_base;
    s->codec->thread_count = 1;
    s->codec->flags |= AV_CODEC_FLAG_BITEXACT;
    code = av->avcodec_open2(s->codec, decoder, NULL);
    return code >= 0 || fail(av, error, code);
}

/* The next packet of the audio stream into the decoder. False at the end of the stream. */
static bool feed(struct stream *s) {
    const struct libav *av = s->av;
    if (s->flushing) return false;
    int code = av->av_read_frame(s->format, s->packet);
    if (code < 0) {
        s->flushing = true;
        if (code != AVERROR_EOF && !s->trouble.text[0]) fail(av, &s->trouble, code);
        return av->avcodec_send_packet(s->codec, NULL) >= 0;
    }
    if (s->packet->stream_index == s->index) {
        code = av->avcodec_send_packet(s->codec, s->packet);
        if (code < 0 && code != AVERROR(EAGAIN)) {
            if (!s->trouble.text[0]) fail(av, &s->trouble, code);
            s->bad++;
        }
    }
    av->av_packet_unref(s->packet);
    return s->bad < BAD_PACKETS_MAX;
}

/* Whether `frame` holds undelivered frames, decoding on as needed. */
static bool have_frame(struct stream *s) {
    const struct libav *av = s->av;
    while (!s->ended && s->taken >= s->frame->nb_samples) {
        int code = av->avcodec_receive_frame(s->codec, s->frame);
        s->taken = 0;
        if (code == AVERROR(EAGAIN)) {
            s->frame->nb_samples = 0;
            if (!feed(s) && !s->flushing)
                s->ended = true;
            else
                continue;
        } else if (code < 0) {
            if (code != AVERROR_EOF && !s->trouble.text[0]) fail(av, &s->trouble, code);
            s->bad++;
            s->frame->nb_samples = 0;
            s->ended = code == AVERROR_EOF || s->flushing || s->bad >= BAD_PACKETS_MAX;
        } else {
            int channels = s->frame->ch_layout.nb_channels;
            if (s->channels && (channels != s->channels || s->frame->sample_rate != s->rate)) {
                error_set(&s->trouble, "the sound changes from %d channels at %d Hz to %d channels at %d Hz",
                          s->channels, s->rate, channels, s->frame->sample_rate);
                s->ended = true;
            } else if (s->frame->nb_samples > 0) {
                s->bad = 0;
            }
        }
    }
    return !s->ended;
}

static void read_tags(const struct libav *av, const AVDictionary *metadata, struct facts *facts) {
    const AVDictionaryEntry *entry = NULL;
    while ((entry = av->av_dict_get(metadata, "", entry, AV_DICT_IGNORE_SUFFIX)))
        facts_set_tag(facts, entry->key, entry->value, strlen(entry->value));
}

static void set(char *to, size_t size, const char *from) {
    if (from) facts_set_text(to, size, from, strlen(from));
}

static void read_container(const char *name, struct facts *facts) {
    if (strstr(name, "mp4")) name = "mp4";
    size_t length = strcspn(name, ",");
    facts_set_text(facts->container, sizeof facts->container, name, length);
}

void libav_version(const struct libav *libav, char *out, size_t room) {
    unsigned version = libav->avcodec_version();
    snprintf(out, room, "%u.%u.%u", AV_VERSION_MAJOR(version), AV_VERSION_MINOR(version), AV_VERSION_MICRO(version));
}

static void read_facts(struct stream *s, struct facts *facts) {
    const struct libav *av = s->av;
    const AVStream *stream = s->format->streams[s->index];
    const AVCodecParameters *parameters = stream->codecpar;
    const AVCodecDescriptor *codec = av->avcodec_descriptor_get(parameters->codec_id);
    read_container(s->format->iformat->name, facts);
    if (codec) set(facts->codec, sizeof facts->codec, strncmp(codec->name, "pcm_", 4) == 0 ? "pcm" : codec->name);
    facts->rate = s->rate;
    facts->channels = s->channels;
    int exact = av->av_get_exact_bits_per_sample(parameters->codec_id);
    if (codec && (codec->props & AV_CODEC_PROP_LOSSLESS) && !(codec->props & AV_CODEC_PROP_LOSSY)) {
        facts->bit_depth = exact > 0                             ? exact
                           : parameters->bits_per_raw_sample > 0 ? parameters->bits_per_raw_sample
                                                                 : parameters->bits_per_coded_sample;
        enum AVSampleFormat format = s->codec->sample_fmt;
        bool floating = format == AV_SAMPLE_FMT_FLT || format == AV_SAMPLE_FMT_FLTP || format == AV_SAMPLE_FMT_DBL ||
                        format == AV_SAMPLE_FMT_DBLP;
        set(facts->sample_format, sizeof facts->sample_format, floating ? "float" : "int");
    }
    if (stream->duration > 0 && s->rate > 0)
        facts->frames = av->av_rescale_q(stream->duration, stream->time_base, (AVRational){1, s->rate});
    if (facts->frames < 0) facts->frames = 0;
    char layout[FACTS_TEXT] = "";
    if (s->frame->ch_layout.order != AV_CHANNEL_ORDER_UNSPEC &&
        av->av_channel_layout_describe(&s->frame->ch_layout, layout, sizeof layout) > 0)
        set(facts->layout, sizeof facts->layout, layout);
    set(facts->decoder, sizeof facts->decoder, "libavcodec");
    libav_version(av, facts->decoder_version, sizeof facts->decoder_version);
    read_tags(av, s->format->metadata, facts);
    read_tags(av, stream->metadata, facts);
}

static void close_stream(void *state) {
    struct stream *s = state;
    const struct libav *av = s->av;
    av->av_frame_free(&s->frame);
    av->av_packet_free(&s->packet);
    av->avcodec_free_context(&s->codec);
    if (s->format) av->avformat_close_input(&s->format);
    if (s->io) {
        av->av_freep(&s->io->buffer);
        av->avio_context_free(&s->io);
    }
    free(s);
}

static void *open_stream(const struct source_reader *reader, struct input *input, struct facts *facts,
                         struct error *error) {
    struct stream *s = calloc(1, sizeof *s);
    if (!s) {
        error_memory(error);
        return NULL;
    }
    s->av = (const struct libav *)reader; /* the reader is its first member */
    if (open_format(s, input, error) && open_codec(s, error)) {
        if (have_frame(s)) {
            s->rate = s->frame->sample_rate;
            s->channels = s->frame->ch_layout.nb_channels;
            read_facts(s, facts);
            return s;
        }
        error_set(error, "%s", s->trouble.text[0] ? s->trouble.text : "FFmpeg finds no audio in it");
    }
    close_stream(s);
    return NULL;
}

/* Interleaves `n` frames from frame `at` on as floats; integers are scaled to -1..1 as libsndfile does. */
static void convert(const AVFrame *frame, bool planar, int at, int n, int channels, float *to) {
#define COPY(type, expression)                                                                                         \
    for (int c = 0; c < channels; c++) {                                                                               \
        const type *from = planar ? (const type *)(const void *)frame->extended_data[c] + at                           \
                                  : (const type *)(const void *)frame->extended_data[0] + (size_t)at * channels + c;   \
        size_t step = planar ? 1 : (size_t)channels;                                                                   \
        for (int i = 0; i < n; i++) {                                                                                  \
            type x = from[(size_t)i * step];                                                                           \
            to[(size_t)i * channels + c] = (expression);                                                               \
        }                                                                                                              \
    }                                                                                                                  \
    break
    switch (frame->format) {
    case AV_SAMPLE_FMT_U8:
    case AV_SAMPLE_FMT_U8P: COPY(uint8_t, (float)(x - 128) / 128.0f);
    case AV_SAMPLE_FMT_S16:
    case AV_SAMPLE_FMT_S16P: COPY(int16_t, (float)x / 32768.0f);
    case AV_SAMPLE_FMT_S32:
    case AV_SAMPLE_FMT_S32P: COPY(int32_t, (float)x / 2147483648.0f);
    case AV_SAMPLE_FMT_S64:
    case AV_SAMPLE_FMT_S64P: COPY(int64_t, (float)x / 9223372036854775808.0f);
    case AV_SAMPLE_FMT_FLT:
    case AV_SAMPLE_FMT_FLTP: COPY(float, x);
    case AV_SAMPLE_FMT_DBL:
    case AV_SAMPLE_FMT_DBLP: COPY(double, (float)x);
    default: memset(to, 0, (size_t)n * channels * sizeof(float)); /* there are no others */
    }
#undef COPY
}

static int64_t read_stream(void *state, float *to, int64_t frames, struct error *error) {
    struct stream *s = state;
    int64_t done = 0;
    while (done < frames && have_frame(s)) {
        int left = s->frame->nb_samples - s->taken;
        int n = frames - done < left ? (int)(frames - done) : left;
        bool planar = s->av->av_sample_fmt_is_planar(s->frame->format) != 0;
        convert(s->frame, planar, s->taken, n, s->channels, to + (size_t)done * s->channels);
        s->taken += n;
        done += n;
    }
    if (done < frames && s->trouble.text[0] && error) *error = s->trouble;
    return done;
}

/* Packets depend on those before them, and time stamps lie: no entry but from the start is exact. */
static int seek_stream(void *state, int64_t frame) {
    (void)state, (void)frame;
    return 0;
}

/* ---------------------------------------------------------------------------------------------------------- loading */

static void *load_library(const char *name, struct error *error) {
    void *library = dlopen(name, RTLD_NOW | RTLD_LOCAL);
    if (!library) error_set(error, "FFmpeg's libraries are not installed: %s", dlerror());
    return library;
}

static bool find_functions(struct libav *av, struct error *error) {
#define FIND(library, function)                                                                                        \
    if (!(av->function = (__typeof__(&function))(uintptr_t)dlsym(av->library, #function)))                             \
        return error_set(error, "FFmpeg's libraries don't fit: %s is missing", #function);
    FUNCTIONS(FIND)
#undef FIND
    return true;
}

/* Video and subtitle decoders are not for strangers' files. */
static bool list_audio_decoders(struct libav *av, struct error *error) {
    size_t size = 32768, used = 0;
    av->audio_decoders = calloc(1, size);
    if (!av->audio_decoders) return error_memory(error);
    void *iterator = NULL;
    const AVCodec *codec;
    while ((codec = av->av_codec_iterate(&iterator))) {
        if (codec->type != AVMEDIA_TYPE_AUDIO || !av->av_codec_is_decoder(codec)) continue;
        size_t length = strlen(codec->name);
        if (used + length + 2 > size) break;
        if (used) av->audio_decoders[used++] = ',';
        memcpy(av->audio_decoders + used, codec->name, length);
        used += length;
    }
    return true;
}

#define SONAME_(library, major) "lib" #library ".so." #major
#define SONAME(library, major)  SONAME_(library, major)

struct libav *libav_load(struct error *error) {
    struct libav *av = calloc(1, sizeof *av);
    if (!av) {
        error_memory(error);
        return NULL;
    }
    av->reader = (struct source_reader){
        .name = "FFmpeg", .open = open_stream, .read = read_stream, .seek = seek_stream, .close = close_stream};
    if (!(av->util = load_library(SONAME(avutil, LIBAVUTIL_VERSION_MAJOR), error)) ||
        !(av->codec = load_library(SONAME(avcodec, LIBAVCODEC_VERSION_MAJOR), error)) ||
        !(av->format = load_library(SONAME(avformat, LIBAVFORMAT_VERSION_MAJOR), error)) ||
        !find_functions(av, error) || !list_audio_decoders(av, error)) {
        libav_free(av);
        return NULL;
    }
    av->av_log_set_level(AV_LOG_QUIET);
    return av;
}

const struct source_reader *libav_reader(const struct libav *libav) {
    return libav ? &libav->reader : NULL;
}

/* The libraries stay loaded: unloading 130 of them gains nothing, and their exit handlers would dangle. */
void libav_free(struct libav *libav) {
    if (!libav) return;
    free(libav->audio_decoders);
    free(libav);
}
