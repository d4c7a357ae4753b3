#include "engine/base/whole.h"

#include <errno.h>
#include <unistd.h>

bool whole_read(int fd, void *to, size_t n, size_t *got) {
    for (*got = 0; *got < n;) {
        ssize_t some = read(fd, (char *)to + *got, n - *got);
        if (some < 0 && errno == EINTR) continue;
        if (some <= 0) return some == 0;
        *got += (size_t)some;
    }
    return true;
}

bool whole_write(int fd, const void *from, size_t n) {
    for (size_t done = 0; done < n;) {
        ssize_t some = write(fd, (const char *)from + done, n - done);
        if (some < 0 && errno == EINTR) continue;
        if (some <= 0) return false;
        done += (size_t)some;
    }
    return true;
}
