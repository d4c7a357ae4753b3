// SPDX-License-Identifier: MIT
// A Vamp plugin as Vamp's host library shows it, but for what it finds: that comes as the C lists which the plugin's library
// made, without the copies that the host library would make of them for every block.
#ifndef SONDE_VAMP_DIRECT_HPP
#define SONDE_VAMP_DIRECT_HPP

#include <vamp-hostsdk/PluginHostAdapter.h>

namespace bridge {

// Whoever wants the features.
class Receiver {
  public:
    virtual ~Receiver() = default;
    // One list for each of `outputs` outputs, valid during the call. With `durations`, the second half of each list's features
    // holds those of the first half (Vamp API 2).
    virtual void take(const VampFeatureList *lists, unsigned outputs, bool durations) = 0;
};

class Direct : public Vamp::PluginHostAdapter {
  public:
    // Throws std::runtime_error with a sentence when the library makes no instance.
    Direct(const VampPluginDescriptor *vamp, float rate);

    // Who gets what process and getRemainingFeatures find; to be set before those are called. Not owned.
    void give_to(Receiver *receiver) {
        receiver_ = receiver;
    }

    // Programs by their place in getPrograms(): identical names are no trouble then.
    size_t current_program() const;
    void select_program(size_t index);

    // These return nothing: what there is goes to the receiver.
    FeatureSet process(const float *const *buffers, Vamp::RealTime time) override;
    FeatureSet getRemainingFeatures() override;

  private:
    void pass_on(VampFeatureList *lists);

    Receiver *receiver_ = nullptr;
};

// Whether all is there that Vamp's interface requires; otherwise a sentence about what is missing.
const char *what_is_missing(const VampPluginDescriptor &vamp);

} // namespace bridge

#endif
