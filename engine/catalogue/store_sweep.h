/* What the catalogue knows below a folder, for sweeps that look what has become of it. As store.h. */
#ifndef SONDE_CATALOGUE_STORE_SWEEP_H
#define SONDE_CATALOGUE_STORE_SWEEP_H

#include "engine/catalogue/store.h"

/* One row of `files`. */
struct store_below {
    int64_t file;
    char *path; /* zero-terminated; the caller's to free */
    uint64_t device;
};

/* The next files at or below `folder` that aren't `missing`, in the order of their paths, behind `after` (NULL: from the
 * first on); at most `max`. */
bool store_below(struct catalogue *catalogue, const char *folder, const char *after, struct store_below *files,
                 size_t max, size_t *n, struct error *error);

/* Files at or below `folder` ("": everywhere) that were analysed under another profile than `profile` and whose id is above
 * `after`, in the order of their ids. They are put into the queue. */
bool store_queue_stale(struct catalogue *catalogue, const char *folder, const char *profile, int64_t priority,
                       int64_t after, int64_t *files, size_t max, size_t *n, struct error *error);

/* Seconds until the next waiting entry of the queue that has been put back fewer than `attempts` times is due; -1: none. */
bool store_queue_next(struct catalogue *catalogue, int64_t attempts, double *seconds, struct error *error);

#endif
