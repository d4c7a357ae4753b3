#include "workers/decode/source.h"

#include "workers/decode/tags.h"

#include <errno.h>
#include <stdlib.h>
#include <string.h>

#define NEAR_SECONDS 10    /* so far ahead, decoding is as good as seeking */
#define SKIP_FLOATS  16384 /* decoded at a time while moving forward */

struct source {
    struct input *input;
    const struct source_reader *reader, *libav;
    void *state;
    struct facts facts;
    int64_t position;
    bool ended;
    struct error trouble;
    float *first; /* frames decoded by source_open to see that there are any */
    int64_t first_frames, first_taken;
};

/* Opens with one library and decodes a little: a library that knows the header but not the data hasn't opened the file. */
static bool open_with(struct source *source, const struct source_reader *reader, struct error *error) {
    source->input->position = 0;
    source->facts = (struct facts){0};
    void *state = reader->open(reader, source->input, &source->facts, error);
    if (!state) return false;
    const struct facts *facts = &source->facts;
    if (facts->rate < SOURCE_RATE_MIN || facts->rate > SOURCE_RATE_MAX) {
        error_set(error, "a sample rate of %d Hz is outside %d to %d Hz", facts->rate, SOURCE_RATE_MIN,
                  SOURCE_RATE_MAX);
    } else if (facts->channels < 1 || facts->channels > SOURCE_CHANNELS_MAX) {
        error_set(error, "%d channels: 1 to %d can be read", facts->channels, SOURCE_CHANNELS_MAX);
    } else {
        int64_t frames = SKIP_FLOATS / facts->channels;
        struct error trouble = {0};
        source->first_frames = reader->read(state, source->first, frames, &trouble);
        if (source->first_frames > 0) {
            source->reader = reader;
            source->state = state;
            source->trouble = trouble;
            return true;
        }
        if (trouble.text[0])
            *error = trouble;
        else
            error_set(error, "there is a header (%s), but not a single frame of audio behind it", facts->container);
    }
    reader->close(state);
    return false;
}

static bool is_zero(struct input *input) {
    unsigned char block[4096];
    size_t n = input_read_at(input, 0, block, sizeof block);
    for (size_t i = 0; i < n; i++)
        if (block[i]) return false;
    return n > 0;
}

/* An MP4 whose table of contents (moov) isn't there is nothing to any library. */
static bool is_mp4(struct input *input) {
    char head[8];
    return input_read_at(input, 0, head, sizeof head) == sizeof head && memcmp(head + 4, "ftyp", 4) == 0;
}

static bool open_any(struct source *source, struct error *error) {
    struct error first = {0}, second = {0};
    if (source->input->size == 0) return error_set(error, "the file is empty (0 bytes)");
    if (is_zero(source->input)) {
        error_set(error, "the file begins with zero bytes only; it was probably never completely copied");
        return false;
    }
    if (open_with(source, &source_sndfile, &first)) return true;
    if (source->libav && open_with(source, source->libav, &second)) return true;
    if (source->input->error_code) return error_system(error, source->input->error_code, "cannot read the file");
    bool unknown = first.code == ENOTSUP && (!source->libav || second.code == ENOTSUP);
    if (unknown && source->libav && is_mp4(source->input)) {
        unknown = false;
        error_set(error,
                  "FFmpeg can't read this MP4; it was probably never completely copied, or its recording never ended");
    } else if (unknown && source->libav) {
        error_set(error, "this is not audio in a format that libsndfile or FFmpeg knows");
    } else if (unknown) {
        error_set(error,
                  "this is not audio in a format that libsndfile knows, and FFmpeg's libraries (M4A, AAC, WMA and "
                  "others) are not there");
    } else if (first.code == ENOTSUP || !source->libav) {
        *error = source->libav ? second : first;
    } else if (second.code == ENOTSUP || strcmp(first.text, second.text) == 0) {
        *error = first;
    } else {
        error_set(error, "%s; %s", first.text, second.text);
    }
    error->code = unknown ? ENOTSUP : 0;
    return false;
}

struct source *source_open(struct input *input, const struct source_reader *libav, struct error *error) {
    struct source *source = calloc(1, sizeof *source);
    if (!source) {
        error_memory(error);
        return NULL;
    }
    source->input = input;
    source->libav = libav;
    source->first = malloc(SKIP_FLOATS * sizeof(float));
    struct error local = {0};
    if (!source->first || !open_any(source, &local)) {
        if (!source->first) error_memory(&local);
        if (error) *error = local;
        source_close(source);
        return NULL;
    }
    int64_t position = input->position; /* the library's place in the file: tags are read elsewhere */
    tags_read(input, &source->facts);
    input->position = position;
    return source;
}

const struct facts *source_facts(const struct source *source) {
    return &source->facts;
}

int64_t source_read(struct source *source, float *to, int64_t frames) {
    int64_t done = 0;
    size_t channels = (size_t)source->facts.channels;
    int64_t waiting = source->first_frames - source->first_taken;
    if (waiting > 0) {
        done = waiting < frames ? waiting : frames;
        memcpy(to, source->first + (size_t)source->first_taken * channels, (size_t)done * channels * sizeof(float));
        source->first_taken += done;
    }
    if (source->trouble.text[0] && source->first_taken == source->first_frames) source->ended = done < frames;
    while (done < frames && !source->ended) {
        int64_t got = source->reader->read(source->state, to + (size_t)done * channels, frames - done,
                                           &source->trouble);
        if (got <= 0)
            source->ended = true;
        else
            done += got;
    }
    source->position += done;
    if (source->ended) source->facts.frames = source->position;
    return done;
}

const char *source_trouble(const struct source *source) {
    if (!source->ended) return "";
    if (source->trouble.text[0]) return source->trouble.text;
    return input_is_spent(source->input) ? "the library read in circles and was stopped" : "";
}

static bool start_again(struct source *source, struct error *error) {
    struct facts facts = source->facts;
    source->reader->close(source->state);
    source->state = NULL;
    source->first_taken = source->position = 0;
    source->ended = false;
    source->trouble = (struct error){0};
    struct error local = {0};
    if (!open_with(source, source->reader, &local)) return error_set(error, "cannot read it again: %s", local.text);
    source->facts = facts;
    return true;
}

static bool skip_to(struct source *source, int64_t frame, struct error *error) {
    float *drop = malloc(SKIP_FLOATS * sizeof(float));
    if (!drop) return error_memory(error);
    int64_t step = SKIP_FLOATS / source->facts.channels;
    while (source->position < frame && !source->ended) {
        int64_t left = frame - source->position;
        source_read(source, drop, left < step ? left : step);
    }
    free(drop);
    if (source->position == frame) return true;
    return error_set(error, "the file ends at frame %lld, before frame %lld", (long long)source->position,
                     (long long)frame);
}

bool source_seek(struct source *source, int64_t frame, struct error *error) {
    if (frame == source->position) return true;
    int64_t ahead = frame - source->position;
    bool near = ahead > 0 && ahead <= (int64_t)NEAR_SECONDS * source->facts.rate;
    int moved = near ? 0 : source->reader->seek(source->state, frame);
    if (moved > 0) {
        source->position = frame;
        source->first_taken = source->first_frames;
        source->ended = false;
        source->trouble = (struct error){0};
        return true;
    }
    if ((moved < 0 || ahead < 0) && !start_again(source, error)) return false;
    return skip_to(source, frame, error);
}

void source_close(struct source *source) {
    if (!source) return;
    if (source->state) source->reader->close(source->state);
    free(source->first);
    free(source);
}
