// SPDX-License-Identifier: MIT
// Runs a Vamp plugin: audio in blocks of any size comes in, and goes on in the plugin's steps.
//
// Each region has a Vamp instance of its own. Vamp has `reset` to use one again, but hosts hardly call it, so that in many
// plugins it forgets to forget: what was found in one region would then stand in the results of others.
#ifndef SONDE_VAMP_RUNNER_HPP
#define SONDE_VAMP_RUNNER_HPP

#include "features.hpp"

#include <memory>

namespace bridge {

class Runner {
  public:
    // Throws std::runtime_error with a sentence when the plugin can't be made with these values.
    Runner(const VampPluginDescriptor *vamp, const Description &description, const sonde_param_value_t *values);

    void begin(double duration); // s
    void process(const sonde_block_t &block);
    void finish(const sonde_writer_t &out);
    void abandon();

  private:
    void make();
    void choose_sizes(bool spectral);
    void run();

    const VampPluginDescriptor *vamp_;
    const Description &description_;
    Settings settings_;
    std::unique_ptr<Vamp::Plugin> plugin_;
    std::unique_ptr<Features> features_;
    size_t step_ = 0, block_ = 0;
    std::vector<std::vector<float>> buffer_; // a channel each: `block_` samples
    std::vector<const float *> pointers_;
    size_t filled_ = 0;    // samples in the buffer
    size_t steps_ = 0;     // done
    int64_t position_ = 0; // of the buffer's first sample
    int64_t given_ = 0;    // samples received
};

} // namespace bridge

#endif
