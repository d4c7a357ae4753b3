/* Fuzzes what makes printable text of the bytes of a path. */
#include "engine/base/text.h"

#include <stdint.h>
#include <stdlib.h>
#include <string.h>

int LLVMFuzzerTestOneInput(const uint8_t *data, size_t n);

int LLVMFuzzerTestOneInput(const uint8_t *data, size_t n) {
    char *text = text_display((const char *)data, n);
    if (!text) return 0;
    if (!text_is_utf8(text, strlen(text)) || strpbrk(text, "\n\r\t\x1b")) abort();
    size_t max = n ? data[0] : 0, length = strlen(text);
    text_cut(text, max);
    if (strlen(text) > max || (max >= length && strlen(text) != length) || !text_is_utf8(text, strlen(text))) abort();
    free(text);
    return 0;
}
