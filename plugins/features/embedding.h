/* Reading the frame embeddings of features/1, for the plugins that stand on them. Call in finish only. */
#ifndef SONDE_FEATURES_EMBEDDING_H
#define SONDE_FEATURES_EMBEDDING_H

#include "sonde/plugin.h"
#include "timbre.h"

#include <stddef.h>

#define EMBEDDING_DIMENSIONS 96u
#define EMBEDDING_STEPS      32u

struct embedding {
    uint32_t count;
    double hop;          /* s between embeddings; number k is centred on k * hop */
    const float *values; /* [count][EMBEDDING_DIMENSIONS]: what a sound is */
    const uint8_t
        *scene;          /* [count][EMBEDDING_DIMENSIONS], steps of 1 / EMBEDDING_STEPS: what sounds at the same time */
    const float *level;  /* [count], dBFS */
    const float *timbre; /* [count][TIMBRE_DIMENSIONS] */
    char model[96];      /* "sonde-embedding/1 0123456789abcdef" */
    int cancels; /* one channel is the other turned over: of their mean, which is what is heard, nothing is left */
};

/* `parent` is the hash of the network that the caller's weights were trained on: an embedding of any other is refused.
 * Views stay valid until finish returns. 0, or -1 with a sentence in `error`. */
int embedding_read(struct embedding *embedding, const sonde_inputs_t *inputs, uint64_t parent, char *error, size_t n);

#endif
