/* The libsndfile reader: WAV, AIFF, FLAC, Ogg Vorbis, Opus, MP3, CAF, W64, AU and its many others. */
#include "engine/base/shorts.h"
#include "workers/decode/source.h"

#include <errno.h>
#include <sndfile.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

#define SHORTS 32768 /* read at a time; at least a frame of SOURCE_CHANNELS_MAX */

/* An open file. */
struct reading {
    SNDFILE *file;
    int channels;
    int16_t *shorts; /* SHORTS of them, where samples have 16 bits; else NULL */
};

static sf_count_t virtual_length(void *user) {
    return ((struct input *)user)->size;
}

static sf_count_t virtual_seek(sf_count_t offset, int whence, void *user) {
    return input_seek(user, offset, whence);
}

static sf_count_t virtual_read(void *to, sf_count_t n, void *user) {
    return n > 0 ? (sf_count_t)input_read(user, to, (size_t)n) : 0;
}

static sf_count_t virtual_write(const void *from, sf_count_t n, void *user) {
    (void)from, (void)n, (void)user;
    return 0;
}

static sf_count_t virtual_tell(void *user) {
    return ((struct input *)user)->position;
}

struct name {
    int format;
    const char *name, *sample_format;
    int bits;
};

static const struct name containers[] = {
    {SF_FORMAT_WAV, "wav", "", 0},   {SF_FORMAT_AIFF, "aiff", "", 0},   {SF_FORMAT_AU, "au", "", 0},
    {SF_FORMAT_PAF, "paf", "", 0},   {SF_FORMAT_SVX, "svx", "", 0},     {SF_FORMAT_NIST, "nist", "", 0},
    {SF_FORMAT_VOC, "voc", "", 0},   {SF_FORMAT_IRCAM, "ircam", "", 0}, {SF_FORMAT_W64, "w64", "", 0},
    {SF_FORMAT_MAT4, "mat4", "", 0}, {SF_FORMAT_MAT5, "mat5", "", 0},   {SF_FORMAT_PVF, "pvf", "", 0},
    {SF_FORMAT_XI, "xi", "", 0},     {SF_FORMAT_HTK, "htk", "", 0},     {SF_FORMAT_SDS, "sds", "", 0},
    {SF_FORMAT_AVR, "avr", "", 0},   {SF_FORMAT_WAVEX, "wav", "", 0},   {SF_FORMAT_SD2, "sd2", "", 0},
    {SF_FORMAT_FLAC, "flac", "", 0}, {SF_FORMAT_CAF, "caf", "", 0},     {SF_FORMAT_WVE, "wve", "", 0},
    {SF_FORMAT_OGG, "ogg", "", 0},   {SF_FORMAT_MPC2K, "mpc2k", "", 0}, {SF_FORMAT_RF64, "rf64", "", 0},
    {SF_FORMAT_MPEG, "mp3", "", 0},
};

static const struct name codecs[] = {
    {SF_FORMAT_PCM_S8, "pcm", "int", 8},
    {SF_FORMAT_PCM_U8, "pcm", "int", 8},
    {SF_FORMAT_PCM_16, "pcm", "int", 16},
    {SF_FORMAT_PCM_24, "pcm", "int", 24},
    {SF_FORMAT_PCM_32, "pcm", "int", 32},
    {SF_FORMAT_FLOAT, "pcm", "float", 32},
    {SF_FORMAT_DOUBLE, "pcm", "float", 64},
    {SF_FORMAT_ULAW, "ulaw", "", 0},
    {SF_FORMAT_ALAW, "alaw", "", 0},
    {SF_FORMAT_IMA_ADPCM, "ima_adpcm", "", 0},
    {SF_FORMAT_MS_ADPCM, "ms_adpcm", "", 0},
    {SF_FORMAT_GSM610, "gsm", "", 0},
    {SF_FORMAT_VOX_ADPCM, "vox_adpcm", "", 0},
    {SF_FORMAT_NMS_ADPCM_16, "nms_adpcm", "", 0},
    {SF_FORMAT_NMS_ADPCM_24, "nms_adpcm", "", 0},
    {SF_FORMAT_NMS_ADPCM_32, "nms_adpcm", "", 0},
    {SF_FORMAT_G721_32, "g721", "", 0},
    {SF_FORMAT_G723_24, "g723", "", 0},
    {SF_FORMAT_G723_40, "g723", "", 0},
    {SF_FORMAT_DWVW_12, "dwvw", "int", 12},
    {SF_FORMAT_DWVW_16, "dwvw", "int", 16},
    {SF_FORMAT_DWVW_24, "dwvw", "int", 24},
    {SF_FORMAT_DWVW_N, "dwvw", "int", 0},
    {SF_FORMAT_DPCM_8, "dpcm", "int", 8},
    {SF_FORMAT_DPCM_16, "dpcm", "int", 16},
    {SF_FORMAT_VORBIS, "vorbis", "", 0},
    {SF_FORMAT_OPUS, "opus", "", 0},
    {SF_FORMAT_ALAC_16, "alac", "int", 16},
    {SF_FORMAT_ALAC_20, "alac", "int", 20},
    {SF_FORMAT_ALAC_24, "alac", "int", 24},
    {SF_FORMAT_ALAC_32, "alac", "int", 32},
    {SF_FORMAT_MPEG_LAYER_I, "mp1", "", 0},
    {SF_FORMAT_MPEG_LAYER_II, "mp2", "", 0},
    {SF_FORMAT_MPEG_LAYER_III, "mp3", "", 0},
};

static const struct name *find_name(const struct name *names, size_t count, int format) {
    static const struct name unknown = {0, "", "", 0};
    for (size_t i = 0; i < count; i++)
        if (names[i].format == format) return &names[i];
    return &unknown;
}

static void set(char *to, size_t size, const char *from) {
    if (from) facts_set_text(to, size, from, strlen(from));
}

static void read_format(const SF_INFO *info, struct facts *facts) {
    const struct name *container = find_name(containers, sizeof containers / sizeof *containers,
                                             info->format & SF_FORMAT_TYPEMASK);
    int subtype = info->format & SF_FORMAT_SUBMASK;
    const struct name *codec = find_name(codecs, sizeof codecs / sizeof *codecs, subtype);
    set(facts->container, sizeof facts->container, container->name);
    set(facts->codec, sizeof facts->codec, container->format == SF_FORMAT_FLAC ? "flac" : codec->name);
    set(facts->sample_format, sizeof facts->sample_format, codec->sample_format);
    facts->bit_depth = codec->bits;
    facts->rate = info->samplerate;
    facts->channels = info->channels;
    facts->frames = info->frames > 0 && info->frames < SF_COUNT_MAX ? info->frames : 0;
    set(facts->decoder, sizeof facts->decoder, "libsndfile");
    const char *version = sf_version_string();
    set(facts->decoder_version, sizeof facts->decoder_version,
        strncmp(version, "libsndfile-", 11) == 0 ? version + 11 : version);
}

/* Speakers in the abbreviations of FFmpeg; layouts that have a name by that name. */
static void read_layout(SNDFILE *file, struct facts *facts) {
    static const char *const speakers[SF_CHANNEL_MAP_MAX] = {
        [SF_CHANNEL_MAP_MONO] = "FC",
        [SF_CHANNEL_MAP_LEFT] = "FL",
        [SF_CHANNEL_MAP_RIGHT] = "FR",
        [SF_CHANNEL_MAP_CENTER] = "FC",
        [SF_CHANNEL_MAP_FRONT_LEFT] = "FL",
        [SF_CHANNEL_MAP_FRONT_RIGHT] = "FR",
        [SF_CHANNEL_MAP_FRONT_CENTER] = "FC",
        [SF_CHANNEL_MAP_REAR_CENTER] = "BC",
        [SF_CHANNEL_MAP_REAR_LEFT] = "BL",
        [SF_CHANNEL_MAP_REAR_RIGHT] = "BR",
        [SF_CHANNEL_MAP_LFE] = "LFE",
        [SF_CHANNEL_MAP_FRONT_LEFT_OF_CENTER] = "FLC",
        [SF_CHANNEL_MAP_FRONT_RIGHT_OF_CENTER] = "FRC",
        [SF_CHANNEL_MAP_SIDE_LEFT] = "SL",
        [SF_CHANNEL_MAP_SIDE_RIGHT] = "SR",
        [SF_CHANNEL_MAP_TOP_CENTER] = "TC",
        [SF_CHANNEL_MAP_TOP_FRONT_LEFT] = "TFL",
        [SF_CHANNEL_MAP_TOP_FRONT_RIGHT] = "TFR",
        [SF_CHANNEL_MAP_TOP_FRONT_CENTER] = "TFC",
        [SF_CHANNEL_MAP_TOP_REAR_LEFT] = "TBL",
        [SF_CHANNEL_MAP_TOP_REAR_RIGHT] = "TBR",
        [SF_CHANNEL_MAP_TOP_REAR_CENTER] = "TBC",
        [SF_CHANNEL_MAP_AMBISONIC_B_W] = "W",
        [SF_CHANNEL_MAP_AMBISONIC_B_X] = "X",
        [SF_CHANNEL_MAP_AMBISONIC_B_Y] = "Y",
        [SF_CHANNEL_MAP_AMBISONIC_B_Z] = "Z",
    };
    static const char *const named[][2] = {
        {"FL FR LFE", "2.1"},          {"FL FR FC", "3.0"},
        {"FL FR BL BR", "quad"},       {"FL FR FC BL BR", "5.0"},
        {"FL FR FC SL SR", "5.0"},     {"FL FR FC LFE BL BR", "5.1"},
        {"FL FR FC LFE SL SR", "5.1"}, {"FL FR FC LFE BL BR SL SR", "7.1"},
        {"W X Y Z", "ambisonic 1"},
    };
    if (facts->channels <= 2) {
        set(facts->layout, sizeof facts->layout, facts->channels == 1 ? "mono" : "stereo");
        return;
    }
    int map[64];
    if (facts->channels > 64) return;
    if (!sf_command(file, SFC_GET_CHANNEL_MAP_INFO, map, facts->channels * (int)sizeof *map)) return;
    char text[FACTS_TEXT] = "";
    for (int c = 0; c < facts->channels; c++) {
        const char *speaker = map[c] > 0 && map[c] < SF_CHANNEL_MAP_MAX ? speakers[map[c]] : NULL;
        if (!speaker) return;
        size_t used = strlen(text);
        snprintf(text + used, sizeof text - used, "%s%s", used ? " " : "", speaker);
    }
    const char *name = text;
    for (size_t i = 0; i < sizeof named / sizeof *named; i++)
        if (strcmp(named[i][0], text) == 0) name = named[i][1];
    set(facts->layout, sizeof facts->layout, name);
}

/* Texts, tempo and loop points that libsndfile finds by itself (RIFF INFO, AIFF text chunks, acid, smpl ...). */
static void read_embedded(SNDFILE *file, struct facts *facts) {
    static const char *const pitches[12] = {"C", "C#", "D", "D#", "E", "F", "F#", "G", "G#", "A", "A#", "B"};
    set(facts->title, sizeof facts->title, sf_get_string(file, SF_STR_TITLE));
    set(facts->artist, sizeof facts->artist, sf_get_string(file, SF_STR_ARTIST));
    set(facts->album, sizeof facts->album, sf_get_string(file, SF_STR_ALBUM));
    set(facts->comment, sizeof facts->comment, sf_get_string(file, SF_STR_COMMENT));
    SF_LOOP_INFO loop = {0};
    if (sf_command(file, SFC_GET_LOOP_INFO, &loop, sizeof loop) == SF_TRUE) {
        if (loop.bpm >= 1 && loop.bpm <= 999) facts->bpm = (double)loop.bpm;
        if (loop.root_key > 0 && loop.root_key < 128) set(facts->key, sizeof facts->key, pitches[loop.root_key % 12]);
    }
    SF_INSTRUMENT instrument = {0};
    if (sf_command(file, SFC_GET_INSTRUMENT, &instrument, sizeof instrument) != SF_TRUE) return;
    for (int i = 0; i < instrument.loop_count && i < 16; i++)
        facts_add_loop(facts, instrument.loops[i].start, instrument.loops[i].end);
}

static void close_file(void *state) {
    struct reading *reading = state;
    if (reading->file) sf_close(reading->file);
    free(reading->shorts);
    free(reading);
}

static void refuse(struct error *error) {
    int code = sf_error(NULL);
    const char *text = sf_strerror(NULL);
    size_t length = strlen(text);
    while (length > 0 && (text[length - 1] == '.' || text[length - 1] == '\n')) length--;
    error_set(error, "libsndfile says: %.*s", (int)length, text);
    if (error && code == SF_ERR_UNRECOGNISED_FORMAT) error->code = ENOTSUP;
}

static void *open_file(const struct source_reader *reader, struct input *input, struct facts *facts,
                       struct error *error) {
    (void)reader;
    SF_VIRTUAL_IO io = {virtual_length, virtual_seek, virtual_read, virtual_write, virtual_tell};
    SF_INFO info = {0};
    struct reading *reading = calloc(1, sizeof *reading);
    bool room = reading != NULL;
    if (room && !(reading->file = sf_open_virtual(&io, SFM_READ, &info, input))) {
        refuse(error);
        close_file(reading);
        return NULL;
    }
    if (room && (info.format & SF_FORMAT_SUBMASK) == SF_FORMAT_PCM_16 && info.channels <= SOURCE_CHANNELS_MAX)
        room = (reading->shorts = malloc(SHORTS * sizeof *reading->shorts)) != NULL;
    if (!room) {
        if (reading) close_file(reading);
        error_memory(error);
        return NULL;
    }
    reading->channels = info.channels;
    read_format(&info, facts);
    facts->shorts = reading->shorts != NULL;
    read_layout(reading->file, facts);
    read_embedded(reading->file, facts);
    return reading;
}

/* Samples of 16 bits. libsndfile would make the very same floats, in twice the time. */
static sf_count_t read_shorts(struct reading *reading, float *to, sf_count_t frames) {
    sf_count_t done = 0, most = SHORTS / reading->channels;
    for (sf_count_t n, got = 1; done < frames && got > 0; done += got) {
        n = frames - done < most ? frames - done : most;
        got = sf_readf_short(reading->file, reading->shorts, n);
        if (got < 0) got = 0;
        shorts_to_floats(reading->shorts, (size_t)(got * reading->channels), to + done * reading->channels);
    }
    return done;
}

static int64_t read_frames(void *state, float *to, int64_t frames, struct error *error) {
    struct reading *reading = state;
    sf_count_t got = reading->shorts ? read_shorts(reading, to, frames) : sf_readf_float(reading->file, to, frames);
    if (got < frames && sf_error(reading->file) != SF_ERR_NO_ERROR)
        error_set(error, "libsndfile says: %s", sf_strerror(reading->file));
    return got > 0 ? got : 0;
}

/* Uncompressed samples and FLAC can be entered anywhere. All others carry state from one frame to the next; and even half a
 * second ahead of the place, where Vorbis and MP3 have long forgotten theirs, libsndfile 1.2.0 is off by some frames every
 * few entries into real files. */
static int seek_frame(void *state, int64_t frame) {
    const struct reading *reading = state;
    SF_INFO info = {0};
    if (sf_command(reading->file, SFC_GET_CURRENT_SF_INFO, &info, sizeof info) != 0 || !info.seekable) return 0;
    int subtype = info.format & SF_FORMAT_SUBMASK;
    bool exact = (subtype >= SF_FORMAT_PCM_S8 && subtype <= SF_FORMAT_DOUBLE) || subtype == SF_FORMAT_ULAW ||
                 subtype == SF_FORMAT_ALAW;
    if (!exact || frame > info.frames) return 0;
    return sf_seek(reading->file, frame, SEEK_SET) == frame ? 1 : -1;
}

const struct source_reader source_sndfile = {
    .name = "libsndfile", .open = open_file, .read = read_frames, .seek = seek_frame, .close = close_file};
