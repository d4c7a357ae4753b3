// SPDX-License-Identifier: MIT
//
// A plugin in C++: the dynamics of a recording, as the distance between its loud and its quiet moments. sonde/frame.hpp stands
// between the class and the host: what is thrown becomes an outcome with a sentence, and no exception leaves the library.
//
//     g++ -std=c++17 -O2 -fvisibility=hidden -shared -fPIC -I../../sdk -o dynamics.so dynamics.cpp
#include "sonde/frame.hpp"

#include <algorithm>
#include <cmath>
#include <vector>

namespace {

constexpr uint32_t RATE = 16000;
constexpr uint32_t WINDOW = RATE / 10; // 100 ms

class Dynamics {
  public:
    Dynamics(const sonde_host_t &, const sonde_param_value_t *) {}

    void begin(const sonde_region_t &region, const sonde_inputs_t &) {
        if (region.duration < 0.5)
            throw sonde::outcome(SONDE_UNSUPPORTED, "half a second is too short to tell dynamics");
        levels_.reserve(static_cast<size_t>(region.duration * RATE / WINDOW) + 1);
    }

    void process(const sonde_block_t &block) {
        for (uint32_t i = 0; i < block.frames; i++) {
            const double x = static_cast<double>(block.planes[0][i]);
            energy_ += x * x;
            if (++filled_ < WINDOW) continue;
            if (energy_ > 0) levels_.push_back(10 * std::log10(energy_ / WINDOW));
            energy_ = 0;
            filled_ = 0;
        }
    }

    void finish(const sonde_inputs_t &, const sonde_writer_t &out) {
        if (levels_.empty()) throw sonde::outcome(SONDE_EMPTY, "nothing but digital silence");
        std::sort(levels_.begin(), levels_.end());
        const double loud = percentile(0.95), quiet = percentile(0.1);
        out.number(&out, "loud", loud);
        out.number(&out, "quiet", quiet);
        out.number(&out, "range", loud - quiet);
    }

    void clear() {
        levels_.clear();
        energy_ = 0;
        filled_ = 0;
    }

  private:
    double percentile(double p) const {
        return levels_.at(static_cast<size_t>(p * static_cast<double>(levels_.size() - 1)));
    }

    std::vector<double> levels_;
    double energy_ = 0;
    uint32_t filled_ = 0;
};

sonde_input_t describe_input() {
    sonde_input_t input = sonde_input_t();
    input.struct_size = sizeof input;
    input.kind = SONDE_INPUT_AUDIO;
    input.channels = SONDE_CHANNELS_MID;
    input.rate = RATE;
    return input;
}

const sonde_interface_t provides[] = {{sizeof(sonde_interface_t), 1, "org.example.dynamics"}};
const sonde_input_t inputs[] = {describe_input()};

sonde_descriptor_t describe() {
    sonde_descriptor_t d = sonde_descriptor_t();
    d.struct_size = sizeof d;
    d.flags = SONDE_FLAG_DETERMINISTIC;
    d.id = "org.example.dynamics";
    d.name = "Dynamics";
    d.vendor = "sonde examples";
    d.version = "1.0.0";
    d.licence = "MIT";
    d.description = "How far the loud moments of a recording are above the quiet ones.";
    d.schema = R"({"type": "object", "required": ["loud", "quiet", "range"], "properties": {
        "loud": {"type": "number", "x-unit": "dBFS"},
        "quiet": {"type": "number", "x-unit": "dBFS"},
        "range": {"type": "number", "minimum": 0, "x-unit": "dB", "x-summary": {"as": "dynamics", "rule": "mean"}}}})";
    d.provides = provides;
    d.provides_count = 1;
    d.inputs = inputs;
    d.inputs_count = 1;
    return d;
}

const sonde_descriptor_t descriptor = describe();
const sonde_frame_t plugins[] = {sonde::frame<Dynamics>(&descriptor)};

} // namespace

SONDE_LIBRARY(plugins)
