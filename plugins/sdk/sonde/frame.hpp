// SPDX-License-Identifier: MIT
//
// sonde/frame.hpp: a plugin as a C++ class (C++11 or later), on top of sonde/frame.h. No exception leaves the library.
//
//     class Meter {
//     public:
//         Meter(const sonde_host_t &host, const sonde_param_value_t *values);     // as `open` in sonde/frame.h
//         void begin(const sonde_region_t &region, const sonde_inputs_t &others);
//         void process(const sonde_block_t &block);
//         void finish(const sonde_inputs_t &others, const sonde_writer_t &out);
//         void clear();                                                            // the region is over; must not throw
//     };
//
//     static const sonde_frame_t plugins[] = {sonde::frame<Meter>(&descriptor)};
//     SONDE_LIBRARY(plugins)
//
// A function that returns has said SONDE_OK. To say something else, throw sonde::outcome with a sentence. std::bad_alloc becomes
// SONDE_NO_MEMORY, other std::exceptions SONDE_FAILED with what(), anything else SONDE_BROKEN.
#ifndef SONDE_FRAME_HPP
#define SONDE_FRAME_HPP

#include "sonde/frame.h"

#include <exception>
#include <new>
#include <stdexcept>
#include <string>

namespace sonde {

// Ends the region: outcome(SONDE_EMPTY, "nothing but silence").
class outcome : public std::runtime_error {
public:
    outcome(int32_t code, const std::string &sentence) : std::runtime_error(sentence), code_(code) {}
    int32_t code() const noexcept { return code_; }

private:
    int32_t code_;
};

namespace detail {

template <class Plugin> struct state {
    const sonde_host_t *host;
    Plugin *plugin; // in `room`; null until its constructor has returned
    alignas(Plugin) unsigned char room[sizeof(Plugin)];
};

// What was thrown, as a return code; its sentence goes to the writer, or to the log where there is none.
inline int32_t code_of_exception(const sonde_host_t *host, const sonde_writer_t *out) noexcept {
    int32_t code = SONDE_FAILED;
    try {
        try {
            throw;
        } catch (const outcome &e) {
            code = e.code();
            throw;
        }
    } catch (const std::bad_alloc &) {
        return SONDE_NO_MEMORY;
    } catch (const std::exception &e) {
        if (out)
            out->fail(out, e.what());
        else
            host->log(host, code == SONDE_EMPTY || code == SONDE_UNSUPPORTED ? SONDE_LOG_INFO : SONDE_LOG_ERROR, e.what());
        return code;
    } catch (...) {
        return SONDE_BROKEN;
    }
}

template <class Plugin> int32_t open(void *memory, const sonde_host_t *host, const sonde_param_value_t *values) noexcept {
    state<Plugin> *self = static_cast<state<Plugin> *>(memory);
    self->host = host;
    try {
        self->plugin = new (static_cast<void *>(self->room)) Plugin(*host, values);
        return SONDE_OK;
    } catch (...) {
        return code_of_exception(host, nullptr);
    }
}

template <class Plugin>
int32_t begin(void *memory, const sonde_region_t *region, const sonde_inputs_t *others) noexcept {
    state<Plugin> *self = static_cast<state<Plugin> *>(memory);
    try {
        self->plugin->begin(*region, *others);
        return SONDE_OK;
    } catch (...) {
        return code_of_exception(self->host, nullptr);
    }
}

template <class Plugin> int32_t process(void *memory, const sonde_block_t *block) noexcept {
    state<Plugin> *self = static_cast<state<Plugin> *>(memory);
    try {
        self->plugin->process(*block);
        return SONDE_OK;
    } catch (...) {
        return code_of_exception(self->host, nullptr);
    }
}

template <class Plugin>
int32_t finish(void *memory, const sonde_inputs_t *others, const sonde_writer_t *out) noexcept {
    state<Plugin> *self = static_cast<state<Plugin> *>(memory);
    try {
        self->plugin->finish(*others, *out);
        return out->status(out);
    } catch (...) {
        return code_of_exception(self->host, out);
    }
}

template <class Plugin> void clear(void *memory) noexcept {
    static_cast<state<Plugin> *>(memory)->plugin->clear();
}

template <class Plugin> void close(void *memory) noexcept {
    state<Plugin> *self = static_cast<state<Plugin> *>(memory);
    if (self->plugin) self->plugin->~Plugin();
}

} // namespace detail

// The class as an entry of the library's table.
template <class Plugin> sonde_frame_t frame(const sonde_descriptor_t *descriptor) {
    static_assert(alignof(detail::state<Plugin>) <= 16, "the state is aligned like malloc's memory");
    sonde_frame_t made = sonde_frame_t();
    made.descriptor = descriptor;
    made.size = sizeof(detail::state<Plugin>);
    made.open = detail::open<Plugin>;
    made.begin = detail::begin<Plugin>;
    made.process = detail::process<Plugin>;
    made.finish = detail::finish<Plugin>;
    made.clear = detail::clear<Plugin>;
    made.close = detail::close<Plugin>;
    return made;
}

} // namespace sonde

#endif
