/* Fuzzes the configuration file: whatever it says, it is read or refused with a sentence; what was read can be printed. */
#include "engine/cli/config.h"

#include <stdint.h>
#include <stdlib.h>
#include <sys/mman.h>
#include <unistd.h>

int LLVMFuzzerTestOneInput(const uint8_t *data, size_t n);

int LLVMFuzzerTestOneInput(const uint8_t *data, size_t n) {
    int fd = memfd_create("config", MFD_CLOEXEC);
    if (fd < 0) return 0;
    if (n > 0 && write(fd, data, n) != (ssize_t)n) abort();
    char path[64];
    snprintf(path, sizeof path, "/proc/self/fd/%d", fd);
    struct error error = {0};
    struct config *config = config_load(path, &error);
    close(fd);
    if (!config) {
        if (error.text[0] == '\0') abort();
        return 0;
    }
    FILE *out = fopen("/dev/null", "w");
    if (!out) abort();
    config_print(config, out);
    fclose(out);
    config_free(config);
    return 0;
}
