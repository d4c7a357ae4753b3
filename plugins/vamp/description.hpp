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

// The rate at which all Vamp plugins run: one instance then serves files of any rate, and exists before the sandbox closes.
constexpr unsigned rate = 44100;

// How an output's features are kept.
struct Output {
    std::string key;    // in JSON, and of a matrix the name of the array: [a-z0-9_]+
    bool dense;         // one feature a hop: a matrix. Otherwise events
    std::string times;  // events: the name of the array of times
    std::string values; // events with as many values each: the name of the array of those, otherwise ""
};

// How a parameter of sonde's sets one of Vamp's.
struct Setting {
    std::string vamp_id;
    float least, most, fallback, step; // step 0: any value
};

struct Description {
    std::vector<Setting> settings; // in the order of params
    std::vector<std::string>
        programs;                // as sonde calls them, in Vamp's order; one more parameter behind the settings chooses
    std::vector<Output> outputs; // in Vamp's order
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

// Sets the parameters of a plugin that isn't initialised yet; `values` as create gets them.
void set_up(Direct &plugin, const Description &description, const sonde_param_value_t *values);

} // namespace bridge

#endif
