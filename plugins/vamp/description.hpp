// SPDX-License-Identifier: MIT
// What sonde is told about a Vamp plugin: its outputs become arrays and JSON, its parameters become parameters.
#ifndef SONDE_VAMP_DESCRIPTION_HPP
#define SONDE_VAMP_DESCRIPTION_HPP

#include "direct.hpp"

#include "sonde/plugin.h"

#include <deque>
#include <memory>
#include <string>
#include <vector>

namespace bridge {

// The rate at which all Vamp plugins run: what create finds out about one then holds for every region.
constexpr unsigned rate = 44100;

// How an output's features are kept.
struct Output {
    std::string key;    // in JSON, and of a matrix the name of the array: [a-z0-9_]+
    bool dense;         // one feature a hop: a matrix. Otherwise events
    std::string times;  // events: the name of the array of times
    std::string values; // events with as many values each: the name of the array of those, otherwise ""
};

// One of Vamp's parameters.
struct Parameter {
    std::string id;
    float least, most, fallback, step; // step 0: any value
};

// What one instance is to be set to.
struct Settings {
    std::vector<float> values; // of each parameter
    size_t program;            // its place among the programs; as many as there are: none is to be chosen
};

struct Description {
    std::vector<Parameter> parameters; // in the order of params
    std::vector<std::string> programs; // as sonde calls them, in Vamp's order; the last of params chooses one
    std::vector<Output> outputs;       // in Vamp's order
    sonde_descriptor_t descriptor = {};

    // What the descriptor points to:
    std::deque<std::string> texts;
    std::vector<sonde_param_t> params;
    std::vector<const char *> choices;
    std::vector<sonde_array_info_t> arrays;
    sonde_input_t input = {};
    sonde_interface_t provides = {};
};

// Describes a plugin of the Vamp library called `library` ("vamp-example-plugins"). Its id joins those `taken`.
std::unique_ptr<Description> describe(const std::string &library, Direct &plugin, std::vector<std::string> &taken);

// What the values that create gets come to.
Settings settle(const Description &description, const sonde_param_value_t *values);

// Sets a plugin that isn't initialised yet.
void set_up(Direct &plugin, const Description &description, const Settings &settings);

} // namespace bridge

#endif
