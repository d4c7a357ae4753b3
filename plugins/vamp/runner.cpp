// SPDX-License-Identifier: MIT
#include "runner.hpp"

#include <vamp-hostsdk/PluginHostAdapter.h>
#include <vamp-hostsdk/PluginInputDomainAdapter.h>

#include <algorithm>
#include <cmath>
#include <stdexcept>

namespace bridge {

namespace {

constexpr size_t default_block = 1024, largest_block = 1 << 20;
constexpr size_t all_values = (24u << 20) / sizeof(float); // of all dense outputs together; a result may have 32 MiB
constexpr size_t most_events = 2000;                       // with their values and labels, so that JSON stays below 1 MiB
constexpr size_t most_times = 100000;                      // of one output
constexpr size_t most_values = 64, most_label = 80;        // of one event

double seconds(const Vamp::RealTime &t) {
    return t.sec + t.nsec / 1e9;
}

// For JSON: UTF-8 is more than a label of any known Vamp plugin needs.
std::string clean(const std::string &text) {
    std::string out;
    for (char c : text.substr(0, most_label)) out += c >= ' ' && c <= '~' ? c : '?';
    return out;
}

} // namespace

Runner::Runner(const VampPluginDescriptor *vamp, const Description &description, const sonde_param_value_t *values)
    : description_(description) {
    std::unique_ptr<Vamp::Plugin> plugin(new Vamp::PluginHostAdapter(vamp, rate));
    bool spectral = plugin->getInputDomain() == Vamp::Plugin::FrequencyDomain;
    size_t channels = description.input.channels == SONDE_CHANNELS_STEREO ? 2 : 1;
    if (plugin->getMinChannelCount() > channels) throw std::runtime_error("it needs more than two channels");
    for (size_t i = 0; i < description.param_ids.size(); i++)
        plugin->setParameter(description.param_ids[i], static_cast<float>(values[i].number));
    if (spectral) plugin.reset(new Vamp::HostExt::PluginInputDomainAdapter(plugin.release()));
    block_ = plugin->getPreferredBlockSize();
    if (block_ == 0) block_ = default_block;
    step_ = plugin->getPreferredStepSize();
    if (step_ == 0) step_ = spectral ? block_ / 2 : block_;
    if (block_ > largest_block || step_ > largest_block || step_ < 1)
        throw std::runtime_error("it wants blocks of " + std::to_string(block_) + " samples, " + std::to_string(step_) +
                                 " apart, which is too much");
    if (!plugin->initialise(channels, step_, block_))
        throw std::runtime_error("it refuses to be initialised with " + std::to_string(channels) + " channels and blocks of " +
                                 std::to_string(block_) + " samples");
    if (spectral)
        adjustment_ = seconds(static_cast<Vamp::HostExt::PluginInputDomainAdapter *>(plugin.get())->getTimestampAdjustment());
    outputs_ = plugin->getOutputDescriptors();
    size_t dense = 1;
    for (const Output &output : description.outputs) dense += output.dense;
    room_ = all_values / dense;
    buffer_.assign(channels, std::vector<float>(block_, 0.0f));
    for (const auto &channel : buffer_) pointers_.push_back(channel.data());
    plugin_ = std::move(plugin);
}

void Runner::begin(double duration) {
    plugin_->reset();
    duration_ = duration;
    filled_ = 0;
    position_ = given_ = 0;
    collected_.assign(description_.outputs.size(), Collected());
}

// One step: the block, zeroes where the audio has ended.
void Runner::run() {
    Vamp::RealTime now = Vamp::RealTime::frame2RealTime(static_cast<long>(position_), rate);
    for (auto &channel : buffer_) std::fill(channel.begin() + static_cast<long>(filled_), channel.end(), 0.0f);
    take(plugin_->process(pointers_.data(), now), now);
    size_t kept = filled_ > step_ ? filled_ - step_ : 0;
    for (auto &channel : buffer_)
        std::copy(channel.begin() + static_cast<long>(filled_ - kept), channel.begin() + static_cast<long>(filled_), channel.begin());
    position_ += static_cast<int64_t>(step_);
    filled_ = kept;
}

void Runner::process(const sonde_block_t &block) {
    for (size_t done = 0; done < block.frames;) {
        // Where steps are longer than blocks, what lies between is left out.
        int64_t skip = position_ + static_cast<int64_t>(filled_) - (given_ + static_cast<int64_t>(done));
        if (skip > 0) {
            done += std::min<size_t>(static_cast<size_t>(skip), block.frames - done);
            continue;
        }
        size_t n = std::min<size_t>(block.frames - done, block_ - filled_);
        for (size_t c = 0; c < buffer_.size(); c++)
            std::copy_n(block.planes[c] + done, n, buffer_[c].begin() + static_cast<long>(filled_));
        filled_ += n;
        done += n;
        if (filled_ == block_) run();
    }
    given_ += block.frames;
}

void Runner::take_dense(Collected &to, const Vamp::Plugin::OutputDescriptor &output, const Vamp::Plugin::Feature &feature) {
    bool stepped = output.sampleType == Vamp::Plugin::OutputDescriptor::OneSamplePerStep;
    if (!to.begun) {
        to.begun = true;
        to.bins = output.binCount;
        to.hop = stepped ? double(step_) / rate : 1.0 / output.sampleRate;
        to.start = stepped ? adjustment_ : feature.hasTimestamp ? std::max(0.0, seconds(feature.timestamp)) : 0.0;
    }
    to.frames++;
    if (to.values.size() + to.bins > room_) return;
    for (size_t i = 0; i < to.bins; i++) {
        float value = i < feature.values.size() ? feature.values[i] : 0.0f;
        bool finite = std::isfinite(value);
        to.nonfinite += !finite;
        to.values.push_back(finite ? value : 0.0f);
    }
}

void Runner::take_event(Collected &to, const Vamp::Plugin::Feature &feature, const Vamp::RealTime &now) {
    if (to.count++ >= most_times) return;
    Collected::Event event;
    double time = feature.hasTimestamp ? seconds(feature.timestamp) : seconds(now) + adjustment_;
    event.time = std::min(std::max(time, 0.0), duration_);
    event.duration = feature.hasDuration ? std::max(0.0, seconds(feature.duration)) : -1;
    if (to.events.size() < most_events) {
        for (size_t i = 0; i < feature.values.size() && i < most_values; i++) {
            bool finite = std::isfinite(feature.values[i]);
            to.nonfinite += !finite;
            event.values.push_back(finite ? feature.values[i] : 0.0f);
        }
        event.label = clean(feature.label);
    }
    to.events.push_back(event);
}

void Runner::take(const Vamp::Plugin::FeatureSet &features, const Vamp::RealTime &now) {
    for (const auto &entry : features) {
        if (entry.first < 0 || size_t(entry.first) >= collected_.size() || size_t(entry.first) >= outputs_.size()) continue;
        size_t index = size_t(entry.first);
        for (const auto &feature : entry.second) {
            if (description_.outputs[index].dense && is_dense(outputs_[index]))
                take_dense(collected_[index], outputs_[index], feature);
            else if (!description_.outputs[index].dense)
                take_event(collected_[index], feature, now);
        }
    }
}

void Runner::write_dense(const sonde_writer_t &out, const Output &output, const Collected &from) const {
    size_t bins = std::max<size_t>(from.bins, 1), rows = from.values.size() / bins;
    double sum = 0, least = 0, most = 0;
    for (size_t i = 0; i < from.values.size(); i++) {
        sum += from.values[i];
        least = i == 0 ? from.values[i] : std::min<double>(least, from.values[i]);
        most = i == 0 ? from.values[i] : std::max<double>(most, from.values[i]);
    }
    int there = !from.values.empty();
    out.integer(&out, "frames", static_cast<int64_t>(from.frames));
    out.integer(&out, "bins", static_cast<int64_t>(from.bins));
    out.integer(&out, "nonfinite", static_cast<int64_t>(from.nonfinite));
    const struct {
        const char *key;
        double value;
    } numbers[] = {{"mean", there ? sum / double(from.values.size()) : 0}, {"minimum", least}, {"maximum", most}};
    for (const auto &number : numbers) {
        if (there)
            out.number(&out, number.key, number.value);
        else
            out.null(&out, number.key);
    }
    const uint64_t shape[2] = {rows, bins};
    static const float nothing = 0;
    out.array(&out, output.key.c_str(), there ? from.values.data() : &nothing, shape, from.hop, from.start);
}

void Runner::write_events(const sonde_writer_t &out, const Output &output, const Collected &from) const {
    std::vector<double> times;
    out.integer(&out, "count", static_cast<int64_t>(from.count));
    out.integer(&out, "nonfinite", static_cast<int64_t>(from.nonfinite));
    out.begin_array(&out, "events");
    for (const auto &event : from.events) {
        times.push_back(event.time);
        if (times.size() > most_events) continue;
        out.begin_object(&out, nullptr);
        out.number(&out, "time", event.time);
        if (event.duration >= 0) out.number(&out, "duration", event.duration);
        if (!event.values.empty()) out.numbers(&out, "values", event.values.data(), uint32_t(event.values.size()));
        if (!event.label.empty()) out.string(&out, "label", event.label.c_str());
        out.end_object(&out);
    }
    out.end_array(&out);
    const uint64_t shape[1] = {times.size()};
    static const double nothing = 0;
    out.array(&out, output.times.c_str(), times.empty() ? &nothing : times.data(), shape, 0, 0);
}

void Runner::finish(const sonde_writer_t &out) {
    while (position_ < given_) run();
    take(plugin_->getRemainingFeatures(), Vamp::RealTime::frame2RealTime(static_cast<long>(given_), rate));
    out.begin_object(&out, "outputs");
    for (size_t i = 0; i < description_.outputs.size(); i++) {
        const Output &output = description_.outputs[i];
        out.begin_object(&out, output.key.c_str());
        if (output.dense)
            write_dense(out, output, collected_[i]);
        else
            write_events(out, output, collected_[i]);
        out.end_object(&out);
    }
    out.end_object(&out);
    collected_.clear();
}

} // namespace bridge
