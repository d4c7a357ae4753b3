/* Built instead of libav.c where FFmpeg's headers aren't there. */
#include "workers/decode/libav.h"

struct libav *libav_load(struct error *error) {
    error_set(error, "sonde was built without FFmpeg's libraries (meson option libav)");
    return NULL;
}

const struct source_reader *libav_reader(const struct libav *libav) {
    (void)libav;
    return NULL;
}

void libav_free(struct libav *libav) {
    (void)libav;
}
