#include "workers/sandbox/landlock.h"

#include <errno.h>
#include <fcntl.h>
#include <stdint.h>
#include <sys/prctl.h>
#include <sys/stat.h>
#include <sys/syscall.h>
#include <unistd.h>

/* include/uapi/linux/landlock.h of Linux 6.12. */
struct ruleset {
    uint64_t handled_access_fs;
    uint64_t handled_access_net; /* ABI 4 */
    uint64_t scoped;             /* ABI 6 */
};
struct path_beneath {
    uint64_t allowed_access;
    int32_t parent_fd;
} __attribute__((packed));

#define CREATE_RULESET_VERSION 1u
#define RULE_PATH_BENEATH      1
#define READ_FILE              (1u << 2)
#define READ_DIR               (1u << 3)
#define NET_ALL                3u /* bind and connect TCP */
#define SCOPED_ALL             3u /* abstract unix sockets, signals */
#define KNOWN_ABI              6

/* Every right on files that an ABI knows: 13 in ABI 1, then REFER, TRUNCATE, (4: network), IOCTL_DEV. */
static uint64_t all_rights(int abi) {
    int bits = abi >= 5 ? 16 : abi >= 3 ? 15 : abi == 2 ? 14 : 13;
    return ((uint64_t)1 << bits) - 1;
}

/* The size of `struct ruleset` that an ABI knows. */
static size_t ruleset_bytes(int abi) {
    return abi >= 6 ? 24 : abi >= 4 ? 16 : 8;
}

int landlock_abi(int max) {
    long abi = syscall(SYS_landlock_create_ruleset, NULL, (size_t)0, CREATE_RULESET_VERSION);
    if (abi <= 0) return 0;
    if (max > 0 && abi > max) abi = max;
    return abi < KNOWN_ABI ? (int)abi : KNOWN_ABI;
}

static bool allow_reading(int ruleset, const char *path, struct error *error) {
    int fd = open(path, O_PATH | O_CLOEXEC);
    if (fd < 0) return true; /* not there, so nothing to allow */
    struct stat st;
    bool ok = false;
    if (fstat(fd, &st) == 0) {
        struct path_beneath rule = {READ_FILE | (S_ISDIR(st.st_mode) ? READ_DIR : 0), fd};
        ok = syscall(SYS_landlock_add_rule, ruleset, RULE_PATH_BENEATH, &rule, 0u) == 0;
    }
    if (!ok) error_system(error, errno, "Landlock does not take %s", path);
    close(fd);
    return ok;
}

bool landlock_enter(int abi, const char *const *paths, size_t count, struct error *error) {
    struct ruleset wanted = {all_rights(abi), NET_ALL, SCOPED_ALL};
    int ruleset = (int)syscall(SYS_landlock_create_ruleset, &wanted, ruleset_bytes(abi), 0u);
    if (ruleset < 0) return error_system(error, errno, "Landlock gives no rule set");
    bool ok = true;
    for (size_t i = 0; ok && i < count; i++) ok = allow_reading(ruleset, paths[i], error);
    if (ok && prctl(PR_SET_NO_NEW_PRIVS, 1, 0, 0, 0) != 0)
        ok = error_system(error, errno, "no_new_privs could not be set");
    if (ok && syscall(SYS_landlock_restrict_self, ruleset, 0u) != 0)
        ok = error_system(error, errno, "Landlock could not be entered");
    close(ruleset);
    return ok;
}
