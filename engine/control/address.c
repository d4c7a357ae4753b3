#include "engine/control/address.h"

#include "engine/base/hash.h"
#include "engine/base/path.h"

#include <errno.h>
#include <fcntl.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/socket.h>
#include <sys/stat.h>
#include <sys/un.h>
#include <unistd.h>

#define SUFFIX        ".control"
#define FOLDER        "/proc/self/fd/%d/"
#define NAME_MAX_HERE 68 /* bytes of a catalogue's file name that the socket's name begins with */
#define WAITING       16

/* The catalogue's folder, and the socket's name in it. A path of any length can be reached through the folder's descriptor. */
struct place {
    int folder;
    char name[NAME_MAX_HERE + sizeof SUFFIX];
    struct sockaddr_un address;
};

/* Nothing is ever cut: the socket would have another name than the one that is taken away. */
_Static_assert(sizeof FOLDER - 2 + 10 + NAME_MAX_HERE + sizeof SUFFIX - 1 <= sizeof(struct sockaddr_un){0}.sun_path,
               "the longest address (a descriptor has up to 10 digits) fits into sun_path");
_Static_assert(sizeof ".sonde-" - 1 + HASH_TEXT - 1 <= NAME_MAX_HERE, "a name with a hash is not longer");

static bool place_open(const char *catalogue, struct place *place, struct error *error) {
    const char *base = path_name(catalogue);
    char *folder = path_folder(catalogue);
    *place = (struct place){.folder = -1, .address.sun_family = AF_UNIX};
    if (!folder) return error_memory(error);
    if (strlen(base) <= NAME_MAX_HERE) {
        (void)snprintf(place->name, sizeof place->name, "%s" SUFFIX, base);
    } else {
        char digits[HASH_TEXT];
        hash_bytes(base, strlen(base), digits);
        (void)snprintf(place->name, sizeof place->name, ".sonde-%s" SUFFIX, digits);
    }
    place->folder = open(folder, O_PATH | O_DIRECTORY | O_CLOEXEC);
    int code = errno;
    free(folder);
    if (place->folder < 0) return error_system(error, code, "cannot reach the folder of the catalogue %s", catalogue);
    (void)snprintf(place->address.sun_path, sizeof place->address.sun_path, FOLDER "%s", place->folder, place->name);
    return true;
}

static void place_close(const struct place *place) {
    if (place->folder >= 0) close(place->folder);
}

/* Only ever a socket: a file of that name is somebody's. */
static void place_clear(const struct place *place) {
    struct stat st;
    if (fstatat(place->folder, place->name, &st, AT_SYMLINK_NOFOLLOW) == 0 && S_ISSOCK(st.st_mode))
        (void)unlinkat(place->folder, place->name, 0);
}

int address_listen(const char *catalogue, struct error *error) {
    struct place place;
    if (!place_open(catalogue, &place, error)) return -1;
    place_clear(&place);
    int fd = socket(AF_UNIX, SOCK_STREAM | SOCK_CLOEXEC | SOCK_NONBLOCK, 0);
    /* The mode that the socket has when it is bound is that of its file: nobody else can connect even for a moment. */
    if (fd < 0 || fchmod(fd, 0600) != 0 ||
        bind(fd, (const struct sockaddr *)&place.address, sizeof place.address) != 0 || listen(fd, WAITING) != 0) {
        error_system(error, errno, "cannot listen at %s" SUFFIX, catalogue);
        if (fd >= 0) close(fd);
        fd = -1;
    }
    place_close(&place);
    return fd;
}

void address_remove(const char *catalogue) {
    struct place place;
    if (!place_open(catalogue, &place, NULL)) return;
    place_clear(&place);
    place_close(&place);
}

static bool peer(int fd, uid_t *user) {
    struct ucred who;
    socklen_t n = sizeof who;
    if (getsockopt(fd, SOL_SOCKET, SO_PEERCRED, &who, &n) != 0 || n != sizeof who) return false;
    *user = who.uid;
    return true;
}

bool address_is_ours(int fd) {
    uid_t user = 0;
    return peer(fd, &user) && (user == 0 || user == geteuid());
}

/* Who listens runs under the listener's identity at the time of listen(). */
static bool may_be_trusted(int fd, const char *catalogue) {
    uid_t user = 0;
    struct stat st;
    if (!peer(fd, &user)) return false;
    return user == 0 || user == geteuid() || (stat(catalogue, &st) == 0 && st.st_uid == user);
}

int address_connect(const char *catalogue, struct error *error) {
    struct place place;
    if (!place_open(catalogue, &place, error)) return -1;
    int fd = socket(AF_UNIX, SOCK_STREAM | SOCK_CLOEXEC, 0);
    if (fd < 0 || connect(fd, (const struct sockaddr *)&place.address, sizeof place.address) != 0) {
        error_system(error, errno, "nobody answers at %s" SUFFIX, catalogue);
        if (fd >= 0) close(fd);
        fd = -1;
    } else if (!may_be_trusted(fd, catalogue)) {
        error_set(error, "who answers at %s" SUFFIX " is another user", catalogue);
        close(fd);
        fd = -1;
    }
    place_close(&place);
    return fd;
}
