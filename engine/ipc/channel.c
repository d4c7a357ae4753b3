#include "engine/ipc/channel.h"

#include "engine/ipc/message.h"

#include <errno.h>
#include <nng/nng.h>
#include <nng/protocol/pair1/pair.h>
#include <pthread.h>
#include <stdatomic.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <unistd.h>

#define QUEUE       32 /* messages that may wait for the loop; the worker's next ones wait in the kernel */
#define SEND_BUFFER 16 /* messages that may wait for the worker */
/* ms in which NNG takes leave of a worker that died in the handshake; without, it leaks a descriptor now and then. */
#define REST_MS     20
#define CLOSE_TRIES 500      /* ms */
#define TURN_NS     10000000 /* for so long messages may come one after the other: then the rest of the loop has its turn */

struct channel {
    nng_socket socket;
    nng_aio *receive;
    uv_async_t wake;
    uv_timer_t rest;
    int handles; /* of the two, not yet closed */
    char *url;
    channel_fn on_event;
    void *context;
    bool open;              /* the socket is */
    bool closing;           /* channel_close was called: nobody is told anything any more */
    bool rested;            /* REST_MS have gone by since */
    bool broken, told_lost; /* loop thread: nothing more is delivered, the loss has been */
    bool ignored;           /* no message is delivered any more, the loss is */

    _Atomic uint64_t expected; /* pid, 0: not known yet */
    _Atomic uint64_t peer_pid; /* of the latest connection; pair1 has one at a time */
    _Atomic uint32_t peer;     /* its pipe, 0: none */
    _Atomic uint32_t accepted; /* the pipe that the socket talks to, 0: none */
    _Atomic uint32_t removed;  /* the latest pipe that went */
    atomic_bool lost;          /* the accepted pipe is gone */

    pthread_mutex_t lock; /* guards what follows */
    nng_msg *queue[QUEUE];
    size_t first, count;
    bool receiving; /* an aio is under way */
};

/* ------------------------------------------------------------------------------------------------- on NNG's threads */

static uint64_t pipe_pid(nng_pipe pipe) {
    uint64_t pid;
    return nng_pipe_get_uint64(pipe, NNG_OPT_IPC_PEER_PID, &pid) == 0 ? pid : UINT64_MAX;
}

static void lose(struct channel *channel) {
    atomic_store(&channel->lost, true);
    uv_async_send(&channel->wake);
}

/* ADD_PRE comes when a peer has shaken hands; then either ADD_POST, or the socket turns it away because it has one
 * already; REM_POST ends both. Messages and REM_POST may overtake ADD_POST. */
static void pipe_changed(nng_pipe pipe, nng_pipe_ev event, void *context) {
    struct channel *channel = context;
    uint32_t id = (uint32_t)nng_pipe_id(pipe);
    uint64_t expected = atomic_load(&channel->expected);
    if (event == NNG_PIPE_EV_ADD_PRE) {
        if (expected != 0 && pipe_pid(pipe) != expected) {
            nng_pipe_close(pipe);
        } else if (atomic_load(&channel->peer) == 0) {
            atomic_store(&channel->peer_pid, pipe_pid(pipe));
            atomic_store(&channel->peer, id);
        }
    } else if (event == NNG_PIPE_EV_ADD_POST) {
        atomic_store(&channel->peer_pid, pipe_pid(pipe));
        atomic_store(&channel->peer, id);
        atomic_store(&channel->accepted, id);
        if (atomic_load(&channel->removed) == id) lose(channel);
    } else {
        uint32_t turned_away = id;
        atomic_store(&channel->removed, id); /* before the question, as ADD_POST asks the other way round */
        if (atomic_load(&channel->accepted) == id)
            lose(channel);
        else if (atomic_compare_exchange_strong(&channel->peer, &turned_away, 0))
            uv_async_send(&channel->wake);
    }
}

static void message_came(void *context) {
    struct channel *channel = context;
    if (nng_aio_result(channel->receive) != 0) return; /* closing */
    nng_msg *message = nng_aio_get_msg(channel->receive);
    pthread_mutex_lock(&channel->lock);
    channel->queue[(channel->first + channel->count++) % QUEUE] = message;
    channel->receiving = channel->count < QUEUE;
    bool more = channel->receiving;
    pthread_mutex_unlock(&channel->lock);
    if (more) nng_recv_aio(channel->socket, channel->receive);
    uv_async_send(&channel->wake);
}

/* ------------------------------------------------------------------------------------------------ on the loop thread
 */

static nng_msg *pop(struct channel *channel) {
    if (channel->count == 0) return NULL;
    nng_msg *message = channel->queue[channel->first];
    channel->first = (channel->first + 1) % QUEUE;
    channel->count--;
    return message;
}

static nng_msg *take_message(struct channel *channel) {
    bool start = false;
    pthread_mutex_lock(&channel->lock);
    nng_msg *message = pop(channel);
    if (!channel->receiving) start = channel->receiving = true;
    pthread_mutex_unlock(&channel->lock);
    if (start) nng_recv_aio(channel->socket, channel->receive);
    return message;
}

static void deliver(struct channel *channel, nng_msg *raw) {
    struct error problem = {0};
    uint32_t sender = (uint32_t)nng_pipe_id(nng_msg_get_pipe(raw));
    if (sender != atomic_load(&channel->peer) || atomic_load(&channel->peer_pid) != atomic_load(&channel->expected)) {
        nng_msg_free(raw); /* from a process that isn't the worker */
        return;
    }
    cJSON *message = message_parse(nng_msg_body(raw), nng_msg_len(raw), MESSAGE_FROM_WORKER, &problem);
    nng_msg_free(raw);
    if (!message) {
        problem.code = EPROTO;
        channel->broken = true;
    }
    channel->on_event(channel->context, message, &problem);
}

static void closed(uv_handle_t *handle) {
    struct channel *channel = handle->data;
    if (--channel->handles > 0) return;
    pthread_mutex_destroy(&channel->lock);
    free(channel->url);
    free(channel);
}

/* The last step, once nothing can be under way on the socket. */
static void close_socket(struct channel *channel) {
    if (channel->open) {
        channel->open = false;
        nng_close(channel->socket); /* after this no pipe callback runs */
        if (channel->receive) {
            nng_aio_stop(channel->receive);
            nng_aio_free(channel->receive);
        }
    }
    for (nng_msg *raw; (raw = pop(channel));) nng_msg_free(raw);
    uv_close((uv_handle_t *)&channel->wake, closed);
    uv_close((uv_handle_t *)&channel->rest, closed);
}

static void close_if_quiet(struct channel *channel) {
    if (atomic_load(&channel->lost) || (channel->rested && atomic_load(&channel->peer) == 0)) close_socket(channel);
}

static void rested(uv_timer_t *rest) {
    struct channel *channel = rest->data;
    channel->rested = true;
    if (channel->open) close_if_quiet(channel);
}

static void woken(uv_async_t *wake) {
    struct channel *channel = wake->data;
    if (!channel->open || (atomic_load(&channel->expected) == 0 && !channel->closing)) return;
    /* Asked first: what is queued by now was sent before the connection went. */
    bool lost = atomic_load(&channel->lost);
    uint64_t end = uv_hrtime() + TURN_NS;
    for (nng_msg *raw; channel->open && (raw = take_message(channel));) {
        if (channel->closing || channel->broken || channel->ignored)
            nng_msg_free(raw);
        else
            deliver(channel, raw);
        if (!channel->open || uv_hrtime() < end) continue;
        uv_async_send(wake); /* a worker that sends faster than we read never comes to an end: its deadline must */
        return;
    }
    if (!channel->open) return; /* closed by a callback */
    if (channel->closing) {
        close_if_quiet(channel);
    } else if (lost && !channel->broken && !channel->told_lost) {
        struct error problem;
        channel->told_lost = true;
        error_set(&problem, "the worker has closed its connection, or sent a message of more than %zu bytes",
                  MESSAGE_FROM_WORKER);
        problem.code = EPIPE;
        channel->on_event(channel->context, NULL, &problem);
    }
}

static bool open_socket(struct channel *channel, struct error *error) {
    int code = nng_pair1_open(&channel->socket);
    if (code != 0) return error_set(error, "cannot open a socket: %s", nng_strerror(code));
    channel->open = true;
    code = nng_socket_set_size(channel->socket, NNG_OPT_RECVMAXSZ, MESSAGE_FROM_WORKER);
    if (code == 0) code = nng_socket_set_int(channel->socket, NNG_OPT_SENDBUF, SEND_BUFFER);
    for (nng_pipe_ev event = NNG_PIPE_EV_ADD_PRE; code == 0 && event <= NNG_PIPE_EV_REM_POST; event++)
        code = nng_pipe_notify(channel->socket, event, pipe_changed, channel);
    if (code == 0) code = nng_aio_alloc(&channel->receive, message_came, channel);
    if (code != 0) return error_set(error, "cannot set up a socket: %s", nng_strerror(code));
    code = nng_listen(channel->socket, channel->url, NULL, 0);
    if (code != 0) return error_set(error, "cannot listen at %s: %s", channel->url, nng_strerror(code));
    channel->receiving = true;
    nng_recv_aio(channel->socket, channel->receive);
    return true;
}

struct channel *channel_open(uv_loop_t *loop, const char *folder, const char *name, channel_fn on_event, void *context,
                             struct error *error) {
    struct channel *channel = calloc(1, sizeof *channel);
    if (!channel || asprintf(&channel->url, "ipc://%s/%s", folder, name) < 0) {
        free(channel);
        error_memory(error);
        return NULL;
    }
    channel->on_event = on_event;
    channel->context = context;
    int code = pthread_mutex_init(&channel->lock, NULL);
    if (code == 0) {
        code = -uv_async_init(loop, &channel->wake, woken);
        if (code != 0)
            pthread_mutex_destroy(&channel->lock);
        else
            uv_timer_init(loop, &channel->rest); /* cannot fail */
    }
    if (code != 0) {
        error_system(error, code, "cannot set up a channel");
        free(channel->url);
        free(channel);
        return NULL;
    }
    channel->wake.data = channel->rest.data = channel;
    channel->handles = 2;
    if (open_socket(channel, error)) return channel;
    channel_close(channel);
    return NULL;
}

const char *channel_url(const struct channel *channel) {
    return channel->url;
}

void channel_expect(struct channel *channel, pid_t pid) {
    atomic_store(&channel->expected, (uint64_t)pid);
    nng_pipe stranger = {atomic_load(&channel->peer)};
    if (stranger.id != 0 && atomic_load(&channel->peer_pid) != (uint64_t)pid) {
        atomic_store(&channel->accepted, 0);
        nng_pipe_close(stranger);
        atomic_store(&channel->peer, 0);
        atomic_store(&channel->lost, false);
    }
    uv_async_send(&channel->wake);
}

bool channel_send(struct channel *channel, const cJSON *message, struct error *error) {
    size_t n;
    char *text = message_print(message, MESSAGE_TO_WORKER, &n, error);
    if (!text) return false;
    nng_msg *raw;
    int code = nng_msg_alloc(&raw, 0);
    if (code == 0) {
        code = nng_msg_append(raw, text, n);
        if (code == 0) code = nng_sendmsg(channel->socket, raw, NNG_FLAG_NONBLOCK);
        if (code != 0) nng_msg_free(raw);
    }
    cJSON_free(text);
    if (code == 0) return true;
    error_set(error, "cannot send to a worker: %s", nng_strerror(code));
    if (error) error->code = code == NNG_EAGAIN ? EAGAIN : code == NNG_ENOMEM ? ENOMEM : EIO;
    return false;
}

void channel_ignore(struct channel *channel) {
    channel->ignored = true;
}

void channel_close(struct channel *channel) {
    if (!channel || channel->closing) return;
    channel->closing = true;
    bool never_used = atomic_load(&channel->expected) == 0 && atomic_load(&channel->peer) == 0;
    if (!channel->open || never_used || atomic_load(&channel->lost)) {
        close_socket(channel);
    } else { /* see channel.h: first the connection has to go */
        uv_timer_start(&channel->rest, rested, REST_MS, 0);
        uv_async_send(&channel->wake);
    }
}

void channel_close_loop(uv_loop_t *loop) {
    for (int i = 0; i < CLOSE_TRIES && uv_loop_close(loop) == UV_EBUSY; i++) {
        (void)uv_run(loop, UV_RUN_NOWAIT);
        (void)usleep(1000);
    }
}
