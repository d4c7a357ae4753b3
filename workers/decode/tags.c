#include "workers/decode/tags.h"

#include <stdlib.h>
#include <string.h>

#define TAG_MAX    (256 * 1024) /* of a tag: pictures beyond this are not read, texts come first in practice */
#define CHUNKS_MAX 1000
#define TEXT_MAX   4096

static uint32_t little32(const unsigned char *p) {
    return (uint32_t)p[0] | (uint32_t)p[1] << 8 | (uint32_t)p[2] << 16 | (uint32_t)p[3] << 24;
}

static uint32_t big32(const unsigned char *p) {
    return (uint32_t)p[3] | (uint32_t)p[2] << 8 | (uint32_t)p[1] << 16 | (uint32_t)p[0] << 24;
}

static uint32_t syncsafe32(const unsigned char *p) {
    return (uint32_t)(p[0] & 0x7f) << 21 | (uint32_t)(p[1] & 0x7f) << 14 | (uint32_t)(p[2] & 0x7f) << 7 |
           (p[3] & 0x7fu);
}

/* ------------------------------------------------------------------------------------------------------------- ID3 */

/* Every FF 00 stands for FF. */
static size_t undo_unsynchronisation(unsigned char *bytes, size_t n) {
    size_t used = 0;
    for (size_t i = 0; i < n; i++) {
        bytes[used++] = bytes[i];
        if (bytes[i] == 0xff && i + 1 < n && bytes[i + 1] == 0) i++;
    }
    return used;
}

/* UTF-16 to UTF-8, up to the first zero; unpaired surrogates are dropped. Returns bytes written. */
static size_t from_utf16(const unsigned char *s, size_t n, int big, char *to, size_t size) {
    if (n >= 2 && ((s[0] == 0xff && s[1] == 0xfe) || (s[0] == 0xfe && s[1] == 0xff))) {
        big = s[0] == 0xfe;
        s += 2;
        n -= 2;
    }
    size_t used = 0;
    for (size_t i = 0; i + 1 < n && used + 4 < size; i += 2) {
        uint32_t c = big ? (uint32_t)s[i] << 8 | s[i + 1] : (uint32_t)s[i + 1] << 8 | s[i];
        if (c == 0) break;
        if (c >= 0xd800 && c < 0xdc00 && i + 3 < n) {
            uint32_t low = big ? (uint32_t)s[i + 2] << 8 | s[i + 3] : (uint32_t)s[i + 3] << 8 | s[i + 2];
            if (low < 0xdc00 || low > 0xdfff) continue;
            c = 0x10000 + ((c - 0xd800) << 10) + (low - 0xdc00);
            i += 2;
        } else if (c >= 0xd800 && c < 0xe000) {
            continue;
        }
        if (c < 0x80) {
            to[used++] = (char)c;
        } else if (c < 0x800) {
            to[used++] = (char)(0xc0 | c >> 6);
            to[used++] = (char)(0x80 | (c & 0x3f));
        } else if (c < 0x10000) {
            to[used++] = (char)(0xe0 | c >> 12);
            to[used++] = (char)(0x80 | (c >> 6 & 0x3f));
            to[used++] = (char)(0x80 | (c & 0x3f));
        } else {
            to[used++] = (char)(0xf0 | c >> 18);
            to[used++] = (char)(0x80 | (c >> 12 & 0x3f));
            to[used++] = (char)(0x80 | (c >> 6 & 0x3f));
            to[used++] = (char)(0x80 | (c & 0x3f));
        }
    }
    return used;
}

/* Bytes of the first string of a frame in `encoding`, its terminator included. */
static size_t string_length(const unsigned char *s, size_t n, int encoding) {
    int wide = encoding == 1 || encoding == 2;
    for (size_t i = 0; i < n; i += wide ? 2 : 1) {
        if (wide && i + 1 < n && s[i] == 0 && s[i + 1] == 0) return i + 2;
        if (!wide && s[i] == 0) return i + 1;
    }
    return n;
}

static size_t decode_string(const unsigned char *s, size_t n, int encoding, char text[TEXT_MAX]) {
    if (encoding == 1 || encoding == 2) return from_utf16(s, n, encoding == 2, text, TEXT_MAX);
    size_t length = strnlen((const char *)s, n < TEXT_MAX ? n : TEXT_MAX);
    memcpy(text, s, length);
    return length;
}

/* One frame: text frames, comments (language, description, text) and user texts (name, text). */
static void parse_frame(const char *id, const unsigned char *body, size_t n, struct facts *facts) {
    if (n < 2 || (id[0] != 'T' && strncmp(id, "COM", 3) != 0)) return;
    int encoding = body[0];
    char name[TEXT_MAX] = "", text[TEXT_MAX];
    size_t at = 1;
    if (strncmp(id, "COM", 3) == 0) {
        if (n < 5) return;
        at = 4 + string_length(body + 4, n - 4, encoding);
        if (at > 4 + (encoding == 1 || encoding == 2 ? 4u : 1u)) return; /* described comments are for programs */
    } else if (strcmp(id, "TXXX") == 0 || strcmp(id, "TXX") == 0) {
        size_t length = decode_string(body + 1, n - 1, encoding, name);
        name[length < TEXT_MAX ? length : TEXT_MAX - 1] = '\0';
        at += string_length(body + 1, n - 1, encoding);
    }
    if (at >= n) return;
    size_t length = decode_string(body + at, n - at, encoding, text);
    facts_set_tag(facts, name[0] ? name : id, text, length);
}

void tags_parse_id3(unsigned char *tag, size_t n, struct facts *facts) {
    if (n < 10 || memcmp(tag, "ID3", 3) != 0 || tag[3] < 2 || tag[3] > 4) return;
    int version = tag[3], flags = tag[5];
    size_t size = syncsafe32(tag + 6);
    unsigned char *p = tag + 10;
    size_t left = size < n - 10 ? size : n - 10;
    if ((flags & 0x80) && version < 4) left = undo_unsynchronisation(p, left);
    if ((flags & 0x40) && version >= 3) { /* extended header */
        if (left < 4) return;
        size_t skip = version == 4 ? syncsafe32(p) : (size_t)big32(p) + 4;
        if (skip > left) return;
        p += skip;
        left -= skip;
    }
    size_t head = version == 2 ? 6 : 10;
    while (left > head && p[0] >= 'A' && p[0] <= 'Z') {
        char id[5] = {0};
        memcpy(id, p, version == 2 ? 3 : 4);
        size_t length = version == 2   ? (size_t)p[3] << 16 | (size_t)p[4] << 8 | p[5]
                        : version == 3 ? big32(p + 4)
                                       : syncsafe32(p + 4);
        int packed = version == 3 ? p[9] & 0xc0 : version == 4 ? p[9] & 0x0c : 0; /* compressed, encrypted */
        unsigned char *body = p + head;
        if (length > left - head) return;
        size_t used = length;
        if (version == 4 && (p[9] & 0x01) && used >= 4) { /* a length in front */
            body += 4;
            used -= 4;
        }
        if (version == 4 && (p[9] & 0x02)) used = undo_unsynchronisation(body, used);
        if (!packed) parse_frame(id, body, used, facts);
        p += head + length;
        left -= head + length;
    }
}

static void read_id3(struct input *input, int64_t at, struct facts *facts) {
    unsigned char head[10];
    if (input_read_at(input, at, head, sizeof head) != sizeof head || memcmp(head, "ID3", 3) != 0) return;
    size_t n = (size_t)syncsafe32(head + 6) + 10;
    if (n > TAG_MAX) n = TAG_MAX;
    unsigned char *tag = malloc(n);
    if (!tag) return;
    n = input_read_at(input, at, tag, n);
    tags_parse_id3(tag, n, facts);
    free(tag);
}

/* -------------------------------------------------------------------------------------------------- Vorbis comments */

void tags_parse_vorbis(const unsigned char *body, size_t n, struct facts *facts) {
    if (n < 4) return;
    size_t at = 4 + (size_t)little32(body);
    if (at > n || n - at < 4) return;
    uint32_t count = little32(body + at);
    at += 4;
    for (uint32_t i = 0; i < count && n - at >= 4; i++) {
        size_t length = little32(body + at);
        at += 4;
        if (length > n - at) return;
        const unsigned char *equals = memchr(body + at, '=', length < 64 ? length : 64);
        if (equals) {
            char name[64] = "";
            size_t name_length = (size_t)(equals - (body + at));
            if (name_length < sizeof name) {
                memcpy(name, body + at, name_length);
                name[name_length] = '\0';
                facts_set_tag(facts, name, (const char *)equals + 1, length - name_length - 1);
            }
        }
        at += length;
    }
}

static void read_flac(struct input *input, struct facts *facts) {
    int64_t at = 4;
    unsigned char head[4];
    for (int i = 0; i < CHUNKS_MAX && input_read_at(input, at, head, 4) == 4; i++) {
        size_t n = (size_t)(big32(head) & 0xffffff);
        if ((head[0] & 0x7f) == 4) {
            if (n > TAG_MAX) n = TAG_MAX;
            unsigned char *body = malloc(n ? n : 1);
            if (!body) return;
            n = input_read_at(input, at + 4, body, n);
            tags_parse_vorbis(body, n, facts);
            free(body);
            return;
        }
        if (head[0] & 0x80) return;
        at += 4 + (int64_t)n;
    }
}

/* The second packet of the first stream, put together from its pages (RFC 3533). */
static size_t read_ogg_packet(struct input *input, unsigned char *packet) {
    int64_t at = 0;
    uint32_t serial = 0;
    size_t used = 0;
    int packets = 0;
    for (int page = 0; page < CHUNKS_MAX; page++) {
        unsigned char head[27], lacing[255];
        if (input_read_at(input, at, head, sizeof head) != sizeof head || memcmp(head, "OggS", 4) != 0) return 0;
        size_t segments = head[26];
        if (input_read_at(input, at + 27, lacing, segments) != segments) return 0;
        at += 27 + (int64_t)segments;
        if (page == 0) serial = little32(head + 14);
        int mine = little32(head + 14) == serial;
        for (size_t s = 0; s < segments; s++) {
            if (mine && packets == 1) {
                if (used + lacing[s] > TAG_MAX) return used;
                if (input_read_at(input, at, packet + used, lacing[s]) != lacing[s]) return 0;
                used += lacing[s];
            }
            at += lacing[s];
            if (mine && lacing[s] < 255 && ++packets == 2) return used;
        }
    }
    return 0;
}

static void read_ogg(struct input *input, struct facts *facts) {
    unsigned char *packet = malloc(TAG_MAX);
    if (!packet) return;
    size_t n = read_ogg_packet(input, packet);
    if (n > 7 && memcmp(packet, "\x03vorbis", 7) == 0)
        tags_parse_vorbis(packet + 7, n - 7, facts);
    else if (n > 8 && memcmp(packet, "OpusTags", 8) == 0)
        tags_parse_vorbis(packet + 8, n - 8, facts);
    else if (n > 4 && (packet[0] & 0x7f) == 4)
        tags_parse_vorbis(packet + 4, n - 4, facts);
    free(packet);
}

/* ----------------------------------------------------------------------------------------------------- RIFF and AIFF */

/* Whoever writes to a pipe can't come back to say how long it has become: such sizes are 0, or about 2 or 4 GiB. */
static int is_promise(uint32_t size) {
    return size < 0x7fff0000u || (size > 0x80000000u && size < 0xffff0000u);
}

static void read_chunks(struct input *input, int big, struct facts *facts) {
    const char *samples = big ? "SSND" : "data";
    int64_t at = 12;
    unsigned char head[8];
    for (int i = 0; i < CHUNKS_MAX && input_read_at(input, at, head, 8) == 8; i++) {
        uint32_t size = big ? big32(head + 4) : little32(head + 4);
        if (memcmp(head, "id3 ", 4) == 0 || memcmp(head, "ID3 ", 4) == 0) read_id3(input, at + 8, facts);
        at += 8;
        if (memcmp(head, samples, 4) == 0 && is_promise(size) && size > input->size - at && at < input->size)
            facts->cut = (double)size / (double)(input->size - at);
        at += (int64_t)size + (size & 1);
    }
}

void tags_read(struct input *input, struct facts *facts) {
    unsigned char magic[12];
    if (input_read_at(input, 0, magic, sizeof magic) != sizeof magic) return;
    if (memcmp(magic, "ID3", 3) == 0)
        read_id3(input, 0, facts);
    else if (memcmp(magic, "fLaC", 4) == 0)
        read_flac(input, facts);
    else if (memcmp(magic, "OggS", 4) == 0)
        read_ogg(input, facts);
    else if (memcmp(magic, "RIFF", 4) == 0)
        read_chunks(input, 0, facts);
    else if (memcmp(magic, "FORM", 4) == 0)
        read_chunks(input, 1, facts);
}
