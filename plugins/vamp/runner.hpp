// SPDX-License-Identifier: MIT
// One instance of a Vamp plugin: audio in blocks of any size comes in, its features are collected and written.
#ifndef SONDE_VAMP_RUNNER_HPP
#define SONDE_VAMP_RUNNER_HPP

#include "description.hpp"

#include <memory>
#include <vector>

namespace bridge {

// What came from one output.
struct Collected {
    // Dense: rows of `bins` values; the first is at `start`, `hop` apart.
    std::vector<float> values;
    size_t bins = 0, frames = 0; // frames that were given; those beyond the room are counted only
    double start = 0, hop = 0;
    bool begun = false;
    // Events:
    struct Event {
        double time, duration;
        std::vector<float> values;
        std::string label;
    };
    std::vector<Event> events;
    size_t count = 0, nonfinite = 0;
};

class Runner {
public:
    // Makes and initialises the plugin; throws std::runtime_error with a sentence when it refuses.
    Runner(const VampPluginDescriptor *vamp, const Description &description, const sonde_param_value_t *values);

    void begin(double duration); // s
    void process(const sonde_block_t &block);
    void finish(const sonde_writer_t &out);

private:
    void run();
    void take(const Vamp::Plugin::FeatureSet &features, const Vamp::RealTime &now);
    void take_dense(Collected &to, const Vamp::Plugin::OutputDescriptor &output, const Vamp::Plugin::Feature &feature);
    void take_event(Collected &to, const Vamp::Plugin::Feature &feature, const Vamp::RealTime &now);
    void write_dense(const sonde_writer_t &out, const Output &output, const Collected &from) const;
    void write_events(const sonde_writer_t &out, const Output &output, const Collected &from) const;

    const Description &description_;
    std::unique_ptr<Vamp::Plugin> plugin_;
    Vamp::Plugin::OutputList outputs_;
    size_t step_ = 0, block_ = 0;
    double adjustment_ = 0; // s from a block's first sample to the moment it stands for
    double duration_ = 0;
    size_t room_ = 0; // values of each dense output
    std::vector<std::vector<float>> buffer_; // a channel each: `block_` samples
    std::vector<const float *> pointers_;
    size_t filled_ = 0;     // samples in the buffer
    int64_t position_ = 0;  // of its first sample
    int64_t given_ = 0;     // samples received
    std::vector<Collected> collected_;
};

} // namespace bridge

#endif
