// SPDX-License-Identifier: MIT
// What one Vamp plugin found in a region, and how it is written.
//
// The room for it is taken in begin, by the region's length: while audio comes in, nothing is allocated but by doubling.
#ifndef SONDE_VAMP_FEATURES_HPP
#define SONDE_VAMP_FEATURES_HPP

#include "description.hpp"
#include "direct.hpp"

namespace bridge {

// How its steps lie in time.
struct Steps {
    size_t size;       // samples from one step to the next
    double adjustment; // s from a step's first sample to the moment it stands for
};

class Features : public Receiver {
  public:
    // `outputs`: as the plugin describes them once it is initialised.
    Features(const Description &description, const Vamp::Plugin::OutputList &outputs, const Steps &steps);

    void begin(double duration); // s
    void at(size_t step) {
        step_ = step;
    } // what comes next belongs to this step
    void at_end() {
        remaining_ = true;
    } // ... or to none, as all audio has been seen
    void take(const VampFeatureList *lists, unsigned outputs, bool durations) override;
    void write(const sonde_writer_t &out) const;

  private:
    struct Feature {
        const VampFeature *v1;
        const VampFeatureV2 *v2; // null: no duration
    };
    struct Event {
        double time, duration; // s; duration < 0: none
        size_t values, label;  // how many values, and of the characters that follow those of the event before
    };
    // One output. Of `frames` or `count` features that were given, the first ones are kept.
    struct Kept {
        Vamp::Plugin::OutputDescriptor::SampleType type = Vamp::Plugin::OutputDescriptor::OneSamplePerStep;
        double hop = 0; // s from one feature to the next, where they are evenly spaced
        size_t nonfinite = 0;
        double last = 0; // s: the time of the feature before
        bool begun = false;
        std::vector<float>
            values; // rows of `bins`; where events have no fixed number of them (bins 0), one after the other
        size_t bins = 0, frames = 0, missing = 0;
        double start = 0;          // s: of the first row
        std::vector<double> times; // events
        std::vector<Event> events; // the first of them with all there is, values and labels in a row
        std::string labels;
        size_t count = 0, json_bytes = 0;
    };

    size_t rows_of(const Kept &to) const;
    void reserve(Kept &to, const Output &output) const;
    size_t row_of(Kept &to, const Feature &feature) const;
    void add_row(Kept &to, const Feature &feature) const;
    void take_dense(Kept &to, const Feature &feature);
    double time_of(Kept &to, const Feature &feature) const;
    void take_event(Kept &to, const Feature &feature);
    void keep(Kept &to, const Event &event, const Feature &feature);
    void write_dense(const sonde_writer_t &out, const Output &output, const Kept &from) const;
    void write_events(const sonde_writer_t &out, const Output &output, const Kept &from) const;

    const Description &description_;
    Vamp::Plugin::OutputList outputs_;
    Steps steps_;
    size_t room_ = 0;       // values of each output that has rows
    size_t most_times_ = 0; // of each output of events
    size_t most_json_ = 0;  // bytes of JSON of each output of events
    double duration_ = 0;
    size_t step_ = 0;
    bool remaining_ = false;
    std::vector<Kept> kept_;
};

} // namespace bridge

#endif
