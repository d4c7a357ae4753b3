// SPDX-License-Identifier: MIT
#include "runner.hpp"

#include <vamp-hostsdk/PluginInputDomainAdapter.h>

#include <algorithm>
#include <stdexcept>

namespace bridge {

namespace {

constexpr size_t default_block = 1024, largest_block = 1 << 20;

Vamp::RealTime time_of(int64_t sample) {
    return Vamp::RealTime::frame2RealTime(static_cast<long>(sample), rate);
}

} // namespace

// What the plugin prefers, if anything.
void Runner::choose_sizes(bool spectral) {
    block_ = plugin_->getPreferredBlockSize();
    if (block_ == 0) block_ = default_block;
    step_ = plugin_->getPreferredStepSize();
    if (step_ == 0) step_ = spectral ? block_ / 2 : block_;
    if (block_ > largest_block || step_ > largest_block || step_ < 1)
        throw std::runtime_error("it wants blocks of " + std::to_string(block_) + " samples, " + std::to_string(step_) +
                                 " apart, which is too much");
}

void Runner::make() {
    auto *direct = new Direct(vamp_, rate);
    plugin_.reset(direct);
    bool spectral = direct->getInputDomain() == Vamp::Plugin::FrequencyDomain;
    size_t channels = description_.input.channels == SONDE_CHANNELS_STEREO ? 2 : 1;
    if (direct->getMinChannelCount() > channels) throw std::runtime_error("it needs more than two channels");
    set_up(*direct, description_, settings_);
    Vamp::HostExt::PluginInputDomainAdapter *adapter = nullptr;
    if (spectral) plugin_.reset(adapter = new Vamp::HostExt::PluginInputDomainAdapter(plugin_.release()));
    choose_sizes(spectral);
    if (!plugin_->initialise(channels, step_, block_))
        throw std::runtime_error("it refuses to be initialised with " + std::to_string(channels) +
                                 " channels and blocks of " + std::to_string(block_) + " samples");
    Vamp::RealTime adjustment = adapter ? adapter->getTimestampAdjustment() : Vamp::RealTime::zeroTime;
    const Steps steps = {step_, adjustment.sec + adjustment.nsec / 1e9};
    features_ = std::make_unique<Features>(description_, plugin_->getOutputDescriptors(), steps);
    direct->give_to(features_.get());
    buffer_.assign(channels, std::vector<float>(block_, 0.0f));
    pointers_.clear();
    for (const auto &channel : buffer_) pointers_.push_back(channel.data());
}

Runner::Runner(const VampPluginDescriptor *vamp, const Description &description, const sonde_param_value_t *values)
    : vamp_(vamp), description_(description), settings_(settle(description, values)) {
    make(); // so that what can't be is known before the first region
    abandon();
}

void Runner::begin(double duration) {
    make();
    filled_ = steps_ = 0;
    position_ = given_ = 0;
    features_->begin(duration);
}

// One step: the block, zeroes where the audio has ended.
void Runner::run() {
    for (auto &channel : buffer_) std::fill(channel.begin() + static_cast<long>(filled_), channel.end(), 0.0f);
    features_->at(steps_++);
    plugin_->process(pointers_.data(), time_of(position_));
    size_t kept = filled_ > step_ ? filled_ - step_ : 0;
    for (auto &channel : buffer_)
        std::copy(channel.begin() + static_cast<long>(filled_ - kept), channel.begin() + static_cast<long>(filled_),
                  channel.begin());
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

void Runner::finish(const sonde_writer_t &out) {
    while (position_ < given_) run();
    features_->at_end();
    plugin_->getRemainingFeatures();
    features_->write(out);
    abandon();
}

void Runner::abandon() {
    plugin_.reset();
    features_.reset();
    buffer_.clear();
}

} // namespace bridge
