// SPDX-License-Identifier: MIT
#include "features.hpp"

#include "text.hpp"

#include <algorithm>
#include <cmath>
#include <cstdint>

namespace bridge {

namespace {

// A result may have 32 MiB of arrays and 1 MiB of JSON.
constexpr size_t all_values = (24u << 20) / sizeof(float); // of all rows of all outputs together
constexpr size_t all_times = (7u << 20) / sizeof(double);  // of all outputs of events together
constexpr size_t all_json = 900000;                        // bytes, of all outputs of events together
constexpr size_t most_times = 100000;                      // of one output
constexpr size_t most_events = 2000;                       // of one output, with their values and labels
constexpr size_t most_values = 64, most_label = 80;        // of one event
constexpr size_t event_json = 80, value_json = 17,
                 label_json = 2; // bytes: an event, a value, a byte of a label, at most

double seconds(int sec, int nsec) {
    return sec + nsec / 1e9;
}

bool is_rate(float hertz) {
    return std::isfinite(hertz) && hertz > 0;
}

float finite_or_zero(float value, size_t &nonfinite) {
    if (std::isfinite(value)) return value;
    nonfinite++;
    return 0.0f;
}

} // namespace

Features::Features(const Description &description, const Vamp::Plugin::OutputList &outputs, const Steps &steps)
    : description_(description), outputs_(outputs), steps_(steps) {
    size_t dense = 0, rows = 0;
    for (const Output &output : description.outputs) {
        dense += output.dense;
        rows += output.dense || !output.values.empty();
    }
    size_t events = std::max<size_t>(description.outputs.size() - dense, 1);
    room_ = all_values / std::max<size_t>(rows, 1);
    most_times_ = std::min(most_times, all_times / events);
    most_json_ = all_json / events;
}

// How many rows there is room for.
size_t Features::rows_of(const Kept &to) const {
    return room_ / std::max<size_t>(to.bins, 1);
}

// Room for as many features as the region should bring; more of them get theirs when they come.
void Features::reserve(Kept &to, const Output &output) const {
    if (output.dense) {
        double rows = std::min(duration_ / to.hop + 2, double(rows_of(to)));
        to.values.reserve(static_cast<size_t>(rows) * to.bins);
        return;
    }
    size_t times = std::min(most_times_, 100 + static_cast<size_t>(400 * duration_));
    size_t events = std::min(most_events, times);
    to.times.reserve(times);
    to.events.reserve(events);
    to.values.reserve(to.bins ? std::min(times, rows_of(to)) * to.bins : std::min(events * 2, most_json_ / value_json));
    to.labels.reserve(std::min(events * 8, most_json_ / label_json));
}

void Features::begin(double duration) {
    duration_ = std::max(duration, 0.0);
    step_ = 0;
    remaining_ = false;
    kept_.assign(description_.outputs.size(), Kept());
    for (size_t i = 0; i < kept_.size() && i < outputs_.size(); i++) {
        Kept &to = kept_[i];
        bool fixed = outputs_[i].sampleType == Vamp::Plugin::OutputDescriptor::FixedSampleRate &&
                     is_rate(outputs_[i].sampleRate);
        to.type = outputs_[i].sampleType;
        to.hop = fixed ? 1.0 / outputs_[i].sampleRate : double(steps_.size) / rate;
        bool rows = description_.outputs[i].dense || !description_.outputs[i].values.empty();
        to.bins = rows && outputs_[i].hasFixedBinCount ? outputs_[i].binCount : 0;
        reserve(to, description_.outputs[i]);
    }
}

void Features::take(const VampFeatureList *lists, unsigned outputs, bool durations) {
    for (size_t i = 0; i < outputs && i < kept_.size() && i < outputs_.size(); i++) {
        const VampFeatureList &list = lists[i];
        for (size_t k = 0; list.features && k < list.featureCount; k++) {
            const Feature feature = {&list.features[k].v1,
                                     durations ? &list.features[list.featureCount + k].v2 : nullptr};
            if (description_.outputs[i].dense)
                take_dense(kept_[i], feature);
            else
                take_event(kept_[i], feature);
        }
    }
}

// ---------------------------------------------------------------------------------------------------------------- dense

// Which row a feature is. With one a step, the step's: a step without one leaves a gap, and a second one has no place (the last
// of all rows is returned then). At a fixed rate, the one at its time, or else the next: never one that is there already.
size_t Features::row_of(Kept &to, const Feature &feature) const {
    size_t next = to.bins ? to.values.size() / to.bins : 0;
    if (to.type == Vamp::Plugin::OutputDescriptor::OneSamplePerStep) {
        if (!to.begun) to.start = (remaining_ ? 0.0 : double(step_) * to.hop) + steps_.adjustment;
        if (remaining_ || !to.begun) return next;
        double row = double(step_) - std::round((to.start - steps_.adjustment) / to.hop);
        return row >= double(next) ? static_cast<size_t>(row) : SIZE_MAX;
    }
    double time = feature.v1->hasTimestamp ? seconds(feature.v1->sec, feature.v1->nsec) : 0.0;
    if (!to.begun) to.start = std::min(std::max(time, 0.0), duration_);
    if (!to.begun || !feature.v1->hasTimestamp) return next;
    double row = std::round((time - to.start) / to.hop);
    return row <= double(next) ? next : row < double(rows_of(to)) ? static_cast<size_t>(row) : SIZE_MAX;
}

void Features::add_row(Kept &to, const Feature &feature) const {
    for (size_t i = 0; i < to.bins; i++)
        to.values.push_back(i < feature.v1->valueCount && feature.v1->values
                                ? finite_or_zero(feature.v1->values[i], to.nonfinite)
                                : 0.0f);
}

void Features::take_dense(Kept &to, const Feature &feature) {
    if (to.bins == 0) to.bins = std::min<size_t>(std::max(feature.v1->valueCount, 1u), room_); // it doesn't know itself
    size_t row = row_of(to, feature);
    to.begun = true;
    to.frames++;
    if (row >= rows_of(to)) return;
    size_t gap = row - to.values.size() / to.bins;
    to.missing += gap;
    to.values.insert(to.values.end(), gap * to.bins, 0.0f);
    add_row(to, feature);
}

void Features::write_dense(const sonde_writer_t &out, const Output &output, const Kept &from) const {
    size_t rows = from.bins ? from.values.size() / from.bins : 0;
    double sum = 0, least = 0, most = 0;
    for (size_t i = 0; i < from.values.size(); i++) {
        sum += from.values[i];
        least = i == 0 ? from.values[i] : std::min<double>(least, from.values[i]);
        most = i == 0 ? from.values[i] : std::max<double>(most, from.values[i]);
    }
    out.integer(&out, "frames", static_cast<int64_t>(from.frames));
    out.integer(&out, "missing", static_cast<int64_t>(from.missing));
    out.integer(&out, "bins", static_cast<int64_t>(from.bins));
    out.integer(&out, "nonfinite", static_cast<int64_t>(from.nonfinite));
    const struct {
        const char *key;
        double value;
    } numbers[] = {{"mean", rows ? sum / double(from.values.size()) : 0}, {"minimum", least}, {"maximum", most}};
    for (const auto &number : numbers) {
        if (rows)
            out.number(&out, number.key, number.value);
        else
            out.null(&out, number.key);
    }
    const uint64_t shape[2] = {rows, std::min(from.bins, room_)};
    static const float nothing = 0;
    out.array(&out, output.key.c_str(), rows ? from.values.data() : &nothing, shape, from.hop, from.start);
}

// --------------------------------------------------------------------------------------------------------------- events

// As Vamp.Plugin.h says: with one a step, the step's; at a fixed rate, its own or one period after the one before.
double Features::time_of(Kept &to, const Feature &feature) const {
    double own = seconds(feature.v1->sec, feature.v1->nsec);
    double step = remaining_ ? duration_ : double(step_) * double(steps_.size) / rate + steps_.adjustment;
    double time = feature.v1->hasTimestamp ? own : step;
    if (to.type == Vamp::Plugin::OutputDescriptor::OneSamplePerStep && !remaining_) time = step;
    if (to.type == Vamp::Plugin::OutputDescriptor::FixedSampleRate && !feature.v1->hasTimestamp)
        time = to.begun ? to.last + to.hop : 0.0;
    to.begun = true;
    to.last = time;
    return std::min(std::max(time, 0.0), duration_);
}

void Features::keep(Kept &to, const Event &event, const Feature &feature) {
    Event kept = event;
    size_t given = feature.v1->values ? feature.v1->valueCount : 0;
    bool has_row = to.bins && to.values.size() / to.bins == to.times.size();
    kept.values = std::min(has_row ? std::min(given, to.bins) : to.bins ? 0 : given, most_values);
    size_t before = to.labels.size();
    if (feature.v1->label) add_plain(to.labels, feature.v1->label, most_label);
    kept.label = to.labels.size() - before;
    size_t bytes = event_json + kept.values * value_json + kept.label * label_json;
    if (to.events.size() >= most_events || to.json_bytes + bytes > most_json_) {
        to.labels.resize(before);
        to.json_bytes = most_json_; // later ones, however short, aren't kept either
        return;
    }
    to.json_bytes += bytes;
    for (size_t i = 0; to.bins == 0 && i < kept.values; i++)
        to.values.push_back(finite_or_zero(feature.v1->values[i], to.nonfinite));
    to.events.push_back(kept);
}

void Features::take_event(Kept &to, const Feature &feature) {
    Event event = {time_of(to, feature), -1, 0, 0};
    if (to.count++ >= most_times_) return;
    if (feature.v2 && feature.v2->hasDuration)
        event.duration = std::min(std::max(seconds(feature.v2->durationSec, feature.v2->durationNsec), 0.0),
                                  duration_ - event.time);
    bool room = to.bins && to.values.size() / to.bins == to.times.size() && to.times.size() < rows_of(to);
    if (room) add_row(to, feature);
    to.times.push_back(event.time);
    if (to.json_bytes < most_json_) keep(to, event, feature);
}

void Features::write_events(const sonde_writer_t &out, const Output &output, const Kept &from) const {
    size_t value = 0, label = 0;
    out.integer(&out, "count", static_cast<int64_t>(from.count));
    out.integer(&out, "nonfinite", static_cast<int64_t>(from.nonfinite));
    out.begin_array(&out, "events");
    for (const Event &event : from.events) {
        out.begin_object(&out, nullptr);
        out.number(&out, "time", event.time);
        if (event.duration >= 0) out.number(&out, "duration", event.duration);
        if (event.values) out.numbers(&out, "values", &from.values[value], static_cast<uint32_t>(event.values));
        if (event.label) out.string(&out, "label", from.labels.substr(label, event.label).c_str());
        out.end_object(&out);
        value += from.bins ? from.bins : event.values;
        label += event.label;
    }
    out.end_array(&out);
    const uint64_t shape[1] = {from.times.size()};
    static const double nothing = 0;
    out.array(&out, output.times.c_str(), from.times.empty() ? &nothing : from.times.data(), shape, 0, 0);
    if (output.values.empty()) return;
    const uint64_t rows[2] = {from.bins ? from.values.size() / from.bins : 0, std::min(from.bins, room_)};
    const void *data = &nothing;
    if (rows[0]) data = from.values.data();
    out.array(&out, output.values.c_str(), data, rows, 0, 0);
}

void Features::write(const sonde_writer_t &out) const {
    out.begin_object(&out, "outputs");
    for (size_t i = 0; i < description_.outputs.size(); i++) {
        const Output &output = description_.outputs[i];
        out.begin_object(&out, output.key.c_str());
        if (output.dense)
            write_dense(out, output, kept_[i]);
        else
            write_events(out, output, kept_[i]);
        out.end_object(&out);
    }
    out.end_object(&out);
}

} // namespace bridge
