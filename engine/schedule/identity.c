#include "engine/schedule/identity.h"

static void add_number(struct hash *hash, int64_t number) {
    unsigned char bytes[8];
    for (int i = 0; i < 8; i++) bytes[i] = (unsigned char)((uint64_t)number >> (8 * i));
    hash_add(hash, bytes, sizeof bytes);
}

bool identity_of_region(const struct identity_region *region, char out[HASH_TEXT]) {
    struct hash *hash = hash_new();
    if (!hash) return false;
    const char *const texts[] = {region->audio_hash, region->decoder, region->decoder_version, region->segmenter,
                                 region->host};
    const int64_t numbers[] = {region->start, region->end,     region->sound_start, region->sound_end,
                               region->index, region->regions, region->part,        region->parts};
    for (size_t i = 0; i < sizeof texts / sizeof *texts; i++) hash_add_text(hash, texts[i]);
    for (size_t i = 0; i < sizeof numbers / sizeof *numbers; i++) add_number(hash, numbers[i]);
    hash_text(hash, out);
    hash_free(hash);
    return true;
}

bool identity_of_result(const char *region, const char *plugin_base, const struct identity_input *inputs, size_t count,
                        char out[HASH_TEXT]) {
    struct hash *hash = hash_new();
    if (!hash) return false;
    hash_add_text(hash, region);
    hash_add_text(hash, plugin_base);
    for (size_t i = 0; i < count; i++) {
        hash_add_text(hash, inputs[i].interface);
        hash_add_text(hash, inputs[i].identity);
    }
    hash_text(hash, out);
    hash_free(hash);
    return true;
}
