// SPDX-License-Identifier: MIT
// One instance of a Vamp plugin: audio in blocks of any size comes in, and goes on in the plugin's steps.
#ifndef SONDE_VAMP_RUNNER_HPP
#define SONDE_VAMP_RUNNER_HPP

#include "features.hpp"

#include <memory>

namespace bridge {

class Runner {
  public:
    // Makes and initialises the plugin; throws std::runtime_error with a sentence when it refuses.
    Runner(const VampPluginDescriptor *vamp, const Description &description, const sonde_param_value_t *values);

    void begin(double duration); // s
    void process(const sonde_block_t &block);
    void finish(const sonde_writer_t &out);
    void abandon();

  private:
    void choose_sizes(bool spectral);
    void run();

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
