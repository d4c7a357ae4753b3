/* Another provider of key/1, which always says C major; with FAILS it never can tell. */
#include "sonde/frame.h"

static int32_t finish(void *state, const sonde_inputs_t *others, const sonde_writer_t *out) {
    (void)state, (void)others;
#ifdef FAILS
    out->fail(out, "it can't tell");
    return SONDE_FAILED;
#else
    out->string(out, "key", "C major");
    return out->status(out);
#endif
}

static const sonde_interface_t provides[] = {{sizeof(sonde_interface_t), 1, "key"}};

static const sonde_descriptor_t descriptor = {
    .struct_size = sizeof descriptor,
    .flags = SONDE_FLAG_DETERMINISTIC,
    .id = "test.other_key",
    .name = "Another key",
    .vendor = "sonde's tests",
    .version = "1.0",
    .licence = "MIT",
    .description = "Says C major of everything.",
    .schema = "{\"type\":\"object\",\"properties\":{\"key\":{\"type\":\"string\"}}}",
    .provides = provides,
    .provides_count = 1,
};

static const sonde_frame_t plugins[] = {{.descriptor = &descriptor, .size = 1, .finish = finish}};
SONDE_LIBRARY(plugins)
