// SPDX-License-Identifier: MIT
#include "direct.hpp"

#include <stdexcept>

namespace bridge {

Direct::Direct(const VampPluginDescriptor *vamp, float rate) : PluginHostAdapter(vamp, rate) {
    if (!m_handle) throw std::runtime_error("its library makes no instance of it");
}

size_t Direct::current_program() const {
    return m_descriptor->getCurrentProgram(m_handle);
}

void Direct::select_program(size_t index) {
    m_descriptor->selectProgram(m_handle, static_cast<unsigned>(index));
}

void Direct::pass_on(VampFeatureList *lists) {
    if (!lists) return;
    receiver_->take(lists, m_descriptor->getOutputCount(m_handle), m_descriptor->vampApiVersion >= 2);
    m_descriptor->releaseFeatureSet(lists);
}

Vamp::Plugin::FeatureSet Direct::process(const float *const *buffers, Vamp::RealTime time) {
    pass_on(m_descriptor->process(m_handle, buffers, time.sec, time.nsec));
    return FeatureSet();
}

Vamp::Plugin::FeatureSet Direct::getRemainingFeatures() {
    pass_on(m_descriptor->getRemainingFeatures(m_handle));
    return FeatureSet();
}

const char *what_is_missing(const VampPluginDescriptor &v) {
    if (v.vampApiVersion < 1 || v.vampApiVersion > VAMP_API_VERSION)
        return "it is made for another version of Vamp's API";
    if (!v.identifier || !v.name || !v.description || !v.maker || !v.copyright) return "one of its texts is missing";
    if (v.parameterCount > 0 && (!v.parameters || !v.getParameter || !v.setParameter))
        return "its parameters are missing";
    if (v.programCount > 0 && (!v.programs || !v.getCurrentProgram || !v.selectProgram))
        return "its programs are missing";
    bool complete = v.instantiate && v.cleanup && v.initialise && v.reset && v.getPreferredStepSize &&
                    v.getPreferredBlockSize && v.getMinChannelCount && v.getMaxChannelCount && v.getOutputCount &&
                    v.getOutputDescriptor && v.releaseOutputDescriptor && v.process && v.getRemainingFeatures &&
                    v.releaseFeatureSet;
    return complete ? nullptr : "one of its functions is missing";
}

} // namespace bridge
