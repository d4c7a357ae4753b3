/* Runs a fuzz target without libFuzzer: over each file of a corpus folder, each of its beginnings, and 2,000 changed copies of
 * it (bytes flipped, cut, doubled), always the same ones. */
#include <dirent.h>
#include <stdint.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

int LLVMFuzzerTestOneInput(const uint8_t *data, size_t n);

enum { MAX = 65536, CHANGES = 2000 };

static uint32_t next(uint32_t *state) { /* xorshift32 */
    *state ^= *state << 13;
    *state ^= *state >> 17;
    *state ^= *state << 5;
    return *state;
}

/* A copy of its own for each try, so that a sanitizer sees reads beyond the end. */
static void attempt(const uint8_t *data, size_t n) {
    uint8_t *copy = malloc(n ? n : 1);
    if (!copy) abort();
    memcpy(copy, data, n);
    LLVMFuzzerTestOneInput(copy, n);
    free(copy);
}

static void change(uint8_t *data, size_t *n, uint32_t *seed) {
    for (uint32_t times = 1 + next(seed) % 4; times > 0 && *n > 0; times--) {
        size_t at = next(seed) % *n;
        switch (next(seed) % 4) {
        case 0: data[at] = (uint8_t)next(seed); break;
        case 1: data[at] ^= (uint8_t)(1u << next(seed) % 8); break;
        case 2: *n = at; break;
        default: {
            size_t length = next(seed) % (*n - at) + 1;
            if (*n + length > MAX) break;
            memmove(data + at + length, data + at, *n - at);
            *n += length;
        }
        }
    }
}

static void replay(const uint8_t *data, size_t n) {
    attempt(data, n);
    for (size_t cut = 0; cut < n && cut < 512; cut++) attempt(data, cut);
    uint32_t seed = 0x9e3779b9u ^ (uint32_t)n;
    static uint8_t changed[2 * MAX];
    for (int i = 0; i < CHANGES; i++) {
        size_t length = n;
        memcpy(changed, data, n);
        change(changed, &length, &seed);
        attempt(changed, length);
    }
}

int main(int argc, char **argv) {
    DIR *dir = argc == 2 ? opendir(argv[1]) : NULL;
    if (!dir) {
        fprintf(stderr, "usage: fuzz_TARGET CORPUS\n");
        return 2;
    }
    int files = 0;
    for (struct dirent *entry; (entry = readdir(dir));) {
        char path[4096];
        snprintf(path, sizeof path, "%s/%s", argv[1], entry->d_name);
        FILE *stream = entry->d_name[0] != '.' ? fopen(path, "rb") : NULL;
        if (!stream) continue;
        static uint8_t data[MAX];
        size_t n = fread(data, 1, sizeof data, stream);
        fclose(stream);
        replay(data, n);
        files++;
    }
    closedir(dir);
    printf("%d seeds\n", files);
    return files > 0 ? 0 : 1;
}
