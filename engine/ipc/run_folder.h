/* The engine's private folder for its workers' sockets and its copies of plugins: mode 0700, below $XDG_RUNTIME_DIR or /tmp,
 * removed at the end.
 * What an engine that was killed left behind is swept up by the next one that starts. Loop thread. */
#ifndef SONDE_IPC_RUN_FOLDER_H
#define SONDE_IPC_RUN_FOLDER_H

#include "engine/base/error.h"

struct run_folder {
    char path[64]; /* short, as a socket's path may have no more than 107 bytes */
    int lock;      /* held while the engine lives: this is how others know that it does */
};

bool run_folder_open(struct run_folder *folder, struct error *error);
void run_folder_close(struct run_folder *folder); /* removes it with what is in it */

#endif
