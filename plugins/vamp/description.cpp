// SPDX-License-Identifier: MIT
#include "description.hpp"

#include <algorithm>
#include <cmath>
#include <cstdio>

namespace bridge {

namespace {

constexpr size_t max_outputs = 32; // each has up to two arrays, and a descriptor has room for 64
constexpr size_t max_params = 64;
constexpr size_t max_text = 1000;

// ASCII on one line: what makes no trouble in a descriptor.
std::string plain(const std::string &text, const std::string &fallback) {
    std::string out;
    for (char c : text.substr(0, max_text)) out += c >= ' ' && c <= '~' ? c : c == '\n' ? ' ' : '?';
    return out.empty() ? fallback : out;
}

// Lower-case letters, digits and what else is `allowed`; all else becomes "_".
std::string word(const std::string &text, const std::string &allowed) {
    std::string out;
    for (char c : text.substr(0, 60)) {
        if (c >= 'A' && c <= 'Z') c = static_cast<char>(c - 'A' + 'a');
        bool fine = (c >= 'a' && c <= 'z') || (c >= '0' && c <= '9') || allowed.find(c) != std::string::npos;
        out += fine ? c : '_';
    }
    return out.empty() ? "_" : out;
}

// A word that none of `taken` is.
std::string distinct(const std::string &wanted, const std::vector<std::string> &taken) {
    std::string name = wanted;
    for (int n = 2; std::find(taken.begin(), taken.end(), name) != taken.end(); n++)
        name = wanted + "_" + std::to_string(n);
    return name;
}

std::string quoted(const std::string &text) {
    std::string out = "\"";
    for (char c : plain(text, "")) {
        if (c == '"' || c == '\\') out += '\\';
        out += c;
    }
    return out + "\"";
}

// Letters, digits and "-", as SPDX wants them.
std::string licence_word(const std::string &library) {
    std::string out = word(library, "-").substr(0, 40);
    std::replace(out.begin(), out.end(), '_', '-');
    return out;
}

// Units with a meaning of their own in schemas are for those who know it.
std::string unit_of(const std::string &unit) {
    std::string out = plain(unit, "1").substr(0, 60);
    return out == "s@region" ? "s" : out;
}

const char *keep(Description &d, const std::string &text) {
    d.texts.push_back(text);
    return d.texts.back().c_str();
}

void add_params(Description &d, const Vamp::Plugin::ParameterList &list) {
    std::vector<std::string> taken;
    for (const auto &from : list) {
        bool sane = std::isfinite(from.minValue) && std::isfinite(from.maxValue) && from.minValue <= from.maxValue &&
                    d.params.size() < max_params;
        if (!sane) continue;
        std::string id = distinct(word(from.identifier, "_"), taken);
        taken.push_back(id);
        double fallback = std::min(std::max<double>(from.defaultValue, from.minValue), double(from.maxValue));
        std::string text = plain(from.description, plain(from.name, id));
        for (size_t i = 0; i < from.valueNames.size() && i < 20; i++)
            text += (i ? ", " : " (") + std::to_string(i) + ": " + plain(from.valueNames[i], "?").substr(0, 40);
        if (!from.valueNames.empty()) text += ")";
        bool whole = from.isQuantized && from.quantizeStep == 1.0f && from.minValue == std::floor(from.minValue) &&
                     from.maxValue == std::floor(from.maxValue);
        sonde_param_t param = {};
        param.struct_size = sizeof param;
        param.kind = whole ? SONDE_PARAM_INTEGER : SONDE_PARAM_NUMBER;
        param.id = keep(d, id);
        param.name = keep(d, plain(from.name, id));
        param.description = keep(d, text);
        param.unit = keep(d, from.unit.empty() ? "" : plain(from.unit, "").substr(0, 60));
        param.min = from.minValue;
        param.max = from.maxValue;
        param.default_number = whole ? std::round(fallback) : fallback;
        d.params.push_back(param);
        d.param_ids.push_back(from.identifier);
    }
}

void add_array(Description &d, const std::string &name, uint32_t dtype, uint32_t dimensions, const std::string &unit,
               const std::string &text) {
    sonde_array_info_t array = {};
    array.struct_size = sizeof array;
    array.dtype = dtype;
    array.name = keep(d, name);
    array.unit = keep(d, unit);
    array.description = keep(d, text);
    array.dimensions = dimensions;
    d.arrays.push_back(array);
}

std::string number_property(const char *name, const std::string &unit, bool nullable) {
    return quoted(name) + ":{\"type\":" + (nullable ? "[\"number\",\"null\"]" : "\"number\"") +
           ",\"x-unit\":" + quoted(unit) + "}";
}

std::string count_property(const char *name) {
    return quoted(name) + ":{\"type\":\"integer\",\"minimum\":0,\"x-unit\":\"count\"}";
}

// One output: its arrays, and its part of the schema.
std::string add_output(Description &d, const Vamp::Plugin::OutputDescriptor &from, std::vector<std::string> &taken) {
    Output output;
    std::string unit = unit_of(from.unit), text = plain(from.description, plain(from.name, from.identifier));
    output.key = distinct(word(from.identifier, "_"), taken);
    taken.push_back(output.key);
    output.unit = unit;
    output.dense = is_dense(from);
    std::string schema = quoted(output.key) + ":{\"type\":\"object\",\"title\":" + quoted(from.name) +
                         ",\"description\":" + quoted(text) + ",\"properties\":{";
    if (output.dense) {
        add_array(d, output.key, SONDE_F32, 2, unit, text + " One row a hop, one column a bin.");
        schema += count_property("frames") + "," + count_property("bins") + "," + count_property("nonfinite") + "," +
                  number_property("mean", unit, true) + "," + number_property("minimum", unit, true) + "," +
                  number_property("maximum", unit, true);
    } else {
        output.times = distinct(output.key + "_times", taken);
        taken.push_back(output.times);
        add_array(d, output.times, SONDE_F64, 1, "s", "Where the events of " + output.key + " are, from the start of the region.");
        schema += count_property("count") + "," + count_property("nonfinite") +
                  ",\"events\":{\"type\":\"array\",\"items\":{\"type\":\"object\",\"required\":[\"time\"],\"properties\":{" +
                  number_property("time", "s@region", false) + "," + number_property("duration", "s", false) +
                  ",\"values\":{\"type\":\"array\",\"items\":{\"type\":\"number\",\"x-unit\":" + quoted(unit) +
                  "}},\"label\":{\"type\":\"string\"}}}}";
    }
    d.outputs.push_back(output);
    return schema + "}}";
}

std::string add_outputs(Description &d, const Vamp::Plugin::OutputList &list) {
    std::vector<std::string> taken;
    std::string schema;
    for (size_t i = 0; i < list.size() && i < max_outputs; i++)
        schema += (i ? "," : "") + add_output(d, list[i], taken);
    return "{\"type\":\"object\",\"required\":[\"outputs\"],\"properties\":{\"outputs\":{\"type\":\"object\",\"properties\":{" +
           schema + "}}}}";
}

} // namespace

bool is_dense(const Vamp::Plugin::OutputDescriptor &output) {
    if (!output.hasFixedBinCount || output.binCount == 0) return false;
    return output.sampleType == Vamp::Plugin::OutputDescriptor::OneSamplePerStep ||
           (output.sampleType == Vamp::Plugin::OutputDescriptor::FixedSampleRate && output.sampleRate > 0);
}

std::unique_ptr<Description> describe(const std::string &library, Vamp::Plugin &plugin) {
    auto made = std::make_unique<Description>();
    Description &d = *made;
    std::string id = "vamp." + word(library, "._-").substr(0, 40) + "." + word(plugin.getIdentifier(), "_-").substr(0, 40);
    add_params(d, plugin.getParameterDescriptors());
    std::string schema = add_outputs(d, plugin.getOutputDescriptors());
    d.input.struct_size = sizeof d.input;
    d.input.kind = SONDE_INPUT_AUDIO;
    d.input.channels = plugin.getMinChannelCount() >= 2 ? SONDE_CHANNELS_STEREO : SONDE_CHANNELS_MID;
    d.input.rate = rate;
    d.provides.struct_size = sizeof d.provides;
    d.provides.major = 1;
    d.provides.id = keep(d, id);
    sonde_descriptor_t &out = d.descriptor;
    out.struct_size = sizeof out;
    out.flags = SONDE_FLAG_DETERMINISTIC;
    out.id = d.provides.id;
    out.name = keep(d, plain(plugin.getName(), id).substr(0, 90));
    out.vendor = keep(d, plain(plugin.getMaker(), "an unnamed maker of Vamp plugins").substr(0, 90));
    out.version = keep(d, std::to_string(std::max(0, plugin.getPluginVersion())) + ".0.0");
    out.licence = keep(d, "LicenseRef-" + licence_word(library));
    out.description = keep(d, plain(plugin.getDescription(), "A Vamp plugin that doesn't say what it does.") +
                                  " (Vamp plugin " + plain(library, "?") + ":" + plain(plugin.getIdentifier(), "?") + "; " +
                                  plain(plugin.getCopyright(), "no word on its licence") + ")");
    out.schema = keep(d, schema);
    out.provides = &d.provides;
    out.provides_count = 1;
    out.inputs = &d.input;
    out.inputs_count = 1;
    out.params = d.params.data();
    out.params_count = static_cast<uint32_t>(d.params.size());
    out.arrays = d.arrays.data();
    out.arrays_count = static_cast<uint32_t>(d.arrays.size());
    return made;
}

} // namespace bridge
