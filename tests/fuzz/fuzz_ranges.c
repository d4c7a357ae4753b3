/* Fuzzes ranges as people type them: whatever it is, it is a range in order or refused with a sentence. */
#include "engine/cli/ranges.h"

#include <stdint.h>
#include <stdlib.h>
#include <string.h>

int LLVMFuzzerTestOneInput(const uint8_t *data, size_t n);

int LLVMFuzzerTestOneInput(const uint8_t *data, size_t n) {
    char *text = malloc(n + 1);
    if (!text) return 0;
    memcpy(text, data, n);
    text[n] = '\0';
    for (enum range_kind kind = RANGE_NUMBER; kind <= RANGE_DATE; kind++) {
        struct query_range range = {0};
        struct error error = {0};
        if (range_parse(text, kind, 0.01, &range, &error)) {
            if (range.low > range.high) abort(); /* NaN: open at this end */
        } else if (error.text[0] == '\0') {
            abort();
        }
    }
    free(text);
    return 0;
}
