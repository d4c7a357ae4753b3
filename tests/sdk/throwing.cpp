// A plugin that throws what its parameter says, where it says: what sonde/frame.hpp makes of it is seen by test_frame.c.
#include "sonde/frame.hpp"

#include <string>
#include <vector>

namespace {

class Throwing {
public:
    Throwing(const sonde_host_t &, const sonde_param_value_t *values) : what_(values[0].text) { at("create"); }
    ~Throwing() {}

    void begin(const sonde_region_t &, const sonde_inputs_t &) { at("begin"); }
    void process(const sonde_block_t &) { at("process"); }

    void finish(const sonde_inputs_t &, const sonde_writer_t &out) {
        out.number(&out, "value", 1);
        at("finish");
    }

    void clear() {}

private:
    // "process:bad_alloc" throws std::bad_alloc in process.
    void at(const std::string &phase) const {
        if (what_.compare(0, phase.size() + 1, phase + ":") != 0) return;
        const std::string what = what_.substr(phase.size() + 1);
        if (what == "bad_alloc") throw std::bad_alloc();
        if (what == "exception") throw std::runtime_error("something is odd in " + phase);
        if (what == "range") (void)std::vector<int>().at(3);
        if (what == "empty") throw sonde::outcome(SONDE_EMPTY, "nothing in " + phase);
        if (what == "unsupported") throw sonde::outcome(SONDE_UNSUPPORTED, "not for " + phase);
        if (what == "number") throw 7;
    }

    std::string what_;
};

sonde_input_t describe_input() {
    sonde_input_t input = sonde_input_t();
    input.struct_size = sizeof input;
    return input;
}

sonde_param_t describe_param() {
    sonde_param_t param = sonde_param_t();
    param.struct_size = sizeof param;
    param.kind = SONDE_PARAM_TEXT;
    param.id = "what";
    param.name = "What";
    param.description = "Where and what to throw.";
    param.unit = "";
    param.default_text = "";
    return param;
}

const sonde_input_t inputs[] = {describe_input()};
const sonde_param_t params[] = {describe_param()};

sonde_descriptor_t describe() {
    sonde_descriptor_t d = sonde_descriptor_t();
    d.struct_size = sizeof d;
    d.flags = SONDE_FLAG_DETERMINISTIC;
    d.id = "throwing";
    d.name = "Throwing";
    d.vendor = "tests";
    d.version = "1";
    d.licence = "MIT";
    d.description = "Throws.";
    d.inputs = inputs;
    d.inputs_count = 1;
    d.params = params;
    d.params_count = 1;
    return d;
}

const sonde_descriptor_t descriptor = describe();
const sonde_frame_t plugins[] = {sonde::frame<Throwing>(&descriptor)};

} // namespace

SONDE_LIBRARY(plugins)
