// SPDX-License-Identifier: MIT
// What sonde is told about a Vamp plugin: its outputs become arrays and JSON, its parameters become parameters.
#ifndef SONDE_VAMP_DESCRIPTION_HPP
#define SONDE_VAMP_DESCRIPTION_HPP

#include "sonde/plugin.h"

#include <vamp-hostsdk/Plugin.h>
#include <vamp/vamp.h>

#include <deque>
#include <memory>
#include <string>
#include <vector>

namespace bridge {

// The rate at which all Vamp plugins run: one instance then serves files of any rate, and exists before the sandbox closes.
constexpr unsigned rate = 44100;

// How an output's features are kept.
struct Output {
    std::string key;     // in JSON, and the name of the array: [a-z0-9_]+
    std::string times;   // sparse: the name of the array of times
    std::string unit;    // of the values
    bool dense;          // one feature a hop: a matrix. Otherwise events
};

struct Description {
    std::vector<std::string> param_ids;  // Vamp's, in the order of params
    std::vector<Output> outputs;         // in Vamp's order
    sonde_descriptor_t descriptor = {};

    // What the descriptor points to:
    std::deque<std::string> texts;
    std::vector<sonde_param_t> params;
    std::vector<sonde_array_info_t> arrays;
    sonde_input_t input = {};
    sonde_interface_t provides = {};
};

// Describes a plugin of the Vamp library called `library` ("vamp-example-plugins").
std::unique_ptr<Description> describe(const std::string &library, Vamp::Plugin &plugin);

// How an output is used, by its Vamp descriptor alone.
bool is_dense(const Vamp::Plugin::OutputDescriptor &output);

} // namespace bridge

#endif
