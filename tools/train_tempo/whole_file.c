/* SPDX-License-Identifier: MIT */
#include "tools/train_tempo/whole_file.h"

#include <stdio.h>
#include <stdlib.h>

void *whole_file(const char *path, size_t *size) {
    FILE *file = fopen(path, "rb");
    *size = 0;
    if (!file) return NULL;
    const long length = fseek(file, 0, SEEK_END) == 0 ? ftell(file) : -1;
    char *data = length >= 0 && fseek(file, 0, SEEK_SET) == 0 ? malloc((size_t)length + 1) : NULL;
    if (data) *size = fread(data, 1, (size_t)length, file);
    fclose(file);
    return data;
}
