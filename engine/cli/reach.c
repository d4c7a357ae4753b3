#include "engine/cli/reach.h"

#include <errno.h>
#include <stdio.h>
#include <time.h>
#include <unistd.h>

#define ATTEMPTS   60
#define ATTEMPT_NS 150000000 /* an engine takes a moment to end: some 20 s in all, with what locking waits */
#define TELL_AT    5         /* attempts until whoever waits is told for what */

bool reach_again(const char *catalogue, int attempt, struct control_link **link, struct error *error) {
    int64_t pid = 0;
    *link = NULL;
    if (error->code != EBUSY) return false;
    *link = control_connect(catalogue, NULL);
    if (*link) *error = (struct error){0}; /* it was no failure */
    if (*link) return true;
    (void)catalogue_writer_pid(catalogue, &pid);
    if (attempt < ATTEMPTS && pid != getpid()) { /* one's own lock would never go away */
        if (attempt == TELL_AT)
            fprintf(stderr, "sonde: waiting for process %lld, which is writing the catalogue %s\n", (long long)pid,
                    catalogue);
        (void)nanosleep(&(struct timespec){.tv_nsec = ATTEMPT_NS}, NULL);
        return true;
    }
    error_set(error, "process %lld is writing the catalogue %s, and doesn't answer: wait for it, or stop it",
              (long long)pid, catalogue);
    return false;
}

bool reach_writer(const char *catalogue, struct catalogue **own, struct control_link **link, struct error *error) {
    *link = NULL;
    for (int attempt = 0;; attempt++) {
        *own = catalogue_open(catalogue, CATALOGUE_WRITE, error);
        if (*own) {
            *error = (struct error){0}; /* that of an attempt before was no failure */
            return true;
        }
        if (!reach_again(catalogue, attempt, link, error)) return false;
        if (*link) return true;
    }
}

struct control_link *reach_engine(const char *catalogue, bool *running, struct error *error) {
    int64_t pid = 0;
    struct control_link *link = NULL;
    for (int attempt = 0; !link; attempt++) {
        *running = catalogue_writer_pid(catalogue, &pid);
        if (!*running) return NULL;
        error->code = EBUSY;
        if (!reach_again(catalogue, attempt, &link, error)) return NULL;
    }
    return link;
}
