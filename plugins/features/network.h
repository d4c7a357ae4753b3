/* The shared network: log-mel frames and their floors in, frame embeddings out. It runs once per region, inside `features`;
 * the content timeline, the classifier and the search for similar sounds read what it leaves.
 *
 * Input: frames of the host's power spectrum, mid channel at NETWORK_RATE, window NETWORK_WINDOW, hop NETWORK_HOP.
 * Each becomes 64 mel bands from 40 to 10,000 Hz (O'Shaughnessy 1987), natural logarithm, and beside each how far its
 * floor lies below: the power that the band would have if all of it were like its faintest three bins in a row. Between
 * the partials of music the floor is what else sounds. Both are normalised per band by constants of the weights file.
 * Above 10 kHz nothing is heard, so that the bandwidth of a recording says little about its content.
 *
 * Two branches of one shape (branch.h) give embeddings of NETWORK_DIMENSIONS values every NETWORK_STRIDE frames (0.186 s):
 * `sound`, of the bands, tells what a sound is; `scene`, of bands and floors, tells what sounds at the same time. (With
 * floors the first would know the recordings that it learned from better, and others worse.) Embedding k is centred on
 * k * network_hop() seconds after the region's start and has seen about two seconds to either side. Beyond the region's
 * edges the network sees 0.37 s of silence. Values are at least 0.
 *
 * The result depends on the frames only, not on how they were pushed, to the last bit: everything is computed in finish.
 *
 * Memory: 512 bytes a frame until finish, which takes about 250 more (33 kB per second of audio in all), and 2 MB. Weights may be shared; a stream is for one thread. */
#ifndef SONDE_FEATURES_NETWORK_H
#define SONDE_FEATURES_NETWORK_H

#include "timbre.h"

#include <stddef.h>
#include <stdint.h>

#define NETWORK_RATE         22050u
#define NETWORK_WINDOW       2048u
#define NETWORK_HOP          512u
#define NETWORK_BINS         (NETWORK_WINDOW / 2 + 1)
#define NETWORK_BANDS        64u
#define NETWORK_STRIDE       8u
#define NETWORK_DIMENSIONS   96u
#define NETWORK_STEPS        32u /* the scene is kept in so many steps to 1; 255 is that much or more */
#define NETWORK_ARCHITECTURE 2u
#define NETWORK_FILE         "sonde-embedding.weights"

struct network;

/* Reads the weights (kept by reference: they must outlive the network). NULL with a sentence in `error` if the file is
 * truncated, damaged, of another version or architecture, or if memory is short. */
struct network *network_open(const void *weights, uint64_t size, char *error, size_t n);
void network_close(struct network *network);

/* "sonde-embedding", its version, and the hash of the weights as 16 hexadecimal digits: an embedding means something
 * only beside another of the same three. Valid until network_close. */
const char *network_model(const struct network *network);
uint32_t network_version(const struct network *network);
const char *network_hash(const struct network *network);

/* Seconds between embeddings: 0.18576. */
double network_hop(void);

/* Starts a region of about `seconds` (a hint), dropping what was there. 0, or -1 without memory. */
int network_begin(struct network *network, double seconds);

/* `frames` power spectra of NETWORK_BINS values, `stride` floats apart. 0, or -1 without memory. */
int network_push(struct network *network, const float *power, uint32_t frames, uint32_t stride);

/* What network_finish leaves. Valid until the next begin or close. */
struct network_result {
    uint32_t count;         /* embeddings: frames / 8, rounded up */
    const float *embedding; /* [count][NETWORK_DIMENSIONS], of the branch `sound` */
    const uint8_t *scene;   /* [count][NETWORK_DIMENSIONS], of the branch `scene`, in steps of 1 / NETWORK_STEPS */
    const float *timbre;    /* [count][TIMBRE_DIMENSIONS] (timbre.h), of the same log-mel frames */
    const float *level;     /* [count], dBFS (full-scale sine: 0, floor -120) of the loudest of its 8 frames */
    float catalogue[NETWORK_DIMENSIONS]; /* the region in one vector of length 1 (or all 0): neighbours by cosine */
};

/* Runs the network over all frames pushed since begin. 0, or -1 without memory. */
int network_finish(struct network *network, struct network_result *result);

#endif
