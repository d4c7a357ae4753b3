/* Fuzzes the note: a hostile worker may write anything into its page. */
#include "engine/base/text.h"
#include "engine/ipc/note.h"

#include <stdlib.h>
#include <string.h>

int LLVMFuzzerTestOneInput(const uint8_t *data, size_t n);

int LLVMFuzzerTestOneInput(const uint8_t *data, size_t n) {
    _Alignas(64) static unsigned char page[NOTE_BYTES];
    memset(page, 0, sizeof page);
    memcpy(page, data, n < sizeof page ? n : sizeof page);
    struct note_copy copy;
    struct note_reader reader = {.fd = -1, .page = (const struct note *)(const void *)page};
    note_read(&reader, &copy);
    if (memchr(copy.plugin, '\0', sizeof copy.plugin) == NULL) abort();
    if (!text_is_utf8(copy.plugin, strlen(copy.plugin))) abort();
    if (copy.frame_count > NOTE_FRAMES || (unsigned)copy.phase >= NOTE_PHASES) abort();
    for (uint32_t i = 0; i < copy.frame_count; i++)
        if (!text_is_utf8(copy.frames[i].object, strnlen(copy.frames[i].object, NOTE_OBJECT))) abort();
    return 0;
}
