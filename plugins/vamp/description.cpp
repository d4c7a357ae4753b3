// SPDX-License-Identifier: MIT
#include "description.hpp"

#include "text.hpp"

#include <algorithm>
#include <cmath>
#include <cstdio>

namespace bridge {

namespace {

constexpr size_t max_outputs = 32; // each has up to two arrays, of 64, and its part of the schema's 64 KiB
constexpr size_t max_params = 63;  // and one for the program
constexpr size_t max_programs = 64, max_columns = 64;
constexpr size_t max_text = 1000, max_title = 90, max_summary = 250, max_unit = 40; // bytes

// Letters, digits and "-", as SPDX wants them.
std::string licence_word(const std::string &library) {
    std::string out = word(library, "-", 40);
    std::replace(out.begin(), out.end(), '_', '-');
    return out;
}

// Units with a meaning of their own in schemas are for those who know it.
std::string unit_of(const std::string &unit) {
    std::string out = plain(unit, "1", max_unit);
    return out == "s@region" ? "s" : out;
}

const char *keep(Description &d, const std::string &text) {
    d.texts.push_back(text);
    return d.texts.back().c_str();
}

// 0: the parameter takes any value.
float step_of(const Vamp::Plugin::ParameterDescriptor &from) {
    bool stepped = from.isQuantized && std::isfinite(from.quantizeStep) && from.quantizeStep > 0;
    return stepped ? from.quantizeStep : 0.0f;
}

// What its values are called: "(0: off, 1: on)".
std::string names_of(const Vamp::Plugin::ParameterDescriptor &from) {
    std::string text;
    for (size_t i = 0; step_of(from) > 0 && i < from.valueNames.size() && i < 20; i++) {
        char value[32];
        snprintf(value, sizeof value, "%g", double(from.minValue) + double(i) * step_of(from));
        text += (i ? ", " : " (") + std::string(value) + ": " + plain(from.valueNames[i], "?", 40);
    }
    return text.empty() ? text : text + ")";
}

sonde_param_t param_of(Description &d, const std::string &id, const std::string &name, const std::string &text) {
    sonde_param_t param = {};
    param.struct_size = sizeof param;
    param.id = keep(d, id);
    param.name = keep(d, plain(name, id, max_title));
    param.description = keep(d, text);
    param.unit = "";
    return param;
}

void add_param(Description &d, const Vamp::Plugin::ParameterDescriptor &from, std::vector<std::string> &taken) {
    std::string id = distinct(word(from.identifier, "_", 60), taken);
    float fallback = std::isfinite(from.defaultValue) ? from.defaultValue : from.minValue;
    fallback = std::min(std::max(fallback, from.minValue), from.maxValue);
    bool whole = step_of(from) == 1.0f && from.minValue == std::floor(from.minValue) &&
                 from.maxValue == std::floor(from.maxValue);
    sonde_param_t param = param_of(d, id, from.name,
                                   plain(from.description, plain(from.name, id, max_title), max_text) + names_of(from));
    param.kind = whole ? SONDE_PARAM_INTEGER : SONDE_PARAM_NUMBER;
    param.unit = keep(d, plain(from.unit, "", max_unit));
    param.min = from.minValue;
    param.max = from.maxValue;
    param.default_number = whole ? std::round(fallback) : fallback;
    d.params.push_back(param);
    d.parameters.push_back(
        {from.identifier, from.minValue, from.maxValue, static_cast<float>(param.default_number), step_of(from)});
}

void add_params(Description &d, const Vamp::Plugin::ParameterList &list, std::vector<std::string> &taken) {
    for (const auto &from : list) {
        bool sane = std::isfinite(from.minValue) && std::isfinite(from.maxValue) && from.minValue <= from.maxValue;
        if (sane && d.params.size() < max_params) add_param(d, from, taken);
    }
}

// Vamp's programs (presets) as one parameter with a choice; its default is the program that a new instance has.
void add_program(Description &d, const Direct &plugin, std::vector<std::string> &taken) {
    std::vector<std::string> names;
    for (const std::string &name : plugin.getPrograms())
        if (d.programs.size() < max_programs) d.programs.push_back(distinct(plain(name, "unnamed", max_title), names));
    if (d.programs.empty()) return;
    for (const std::string &name : d.programs) d.choices.push_back(keep(d, name));
    sonde_param_t param = param_of(
        d, distinct("program", taken), "Program",
        "The plugin's own preset to start from; parameters that aren't at their defaults override it.");
    param.kind = SONDE_PARAM_CHOICE;
    param.default_text = d.choices[std::min(plugin.current_program(), d.choices.size() - 1)];
    d.choices.push_back(nullptr);
    d.params.push_back(param);
    d.params.back().choices = d.choices.data();
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
    return quoted(name, max_text) + ":{\"type\":" + (nullable ? "[\"number\",\"null\"]" : "\"number\"") +
           ",\"x-unit\":" + quoted(unit, max_unit) + "}";
}

std::string count_property(const char *name) {
    return quoted(name, max_text) + ":{\"type\":\"integer\",\"minimum\":0,\"x-unit\":\"count\"}";
}

// What its columns are called: " Columns: C, C#, D."
std::string columns_of(const Vamp::Plugin::OutputDescriptor &output) {
    std::string text;
    for (size_t i = 0; i < output.binNames.size() && i < max_columns; i++)
        text += (i ? ", " : " Columns: ") + plain(output.binNames[i], "?", 20);
    return text.empty() ? text : text + (output.binNames.size() > max_columns ? " ..." : ".");
}

// By its declaration alone, as what changes with the parameters may not change the descriptor: a rate that isn't known before
// the plugin is initialised is no reason to take a series for events.
bool is_dense(const Vamp::Plugin::OutputDescriptor &output) {
    return output.hasFixedBinCount && output.binCount > 0 &&
           output.sampleType != Vamp::Plugin::OutputDescriptor::VariableSampleRate;
}

// One output: its arrays, and its part of the schema.
std::string add_output(Description &d, const Vamp::Plugin::OutputDescriptor &from, std::vector<std::string> &taken) {
    Output output;
    std::string unit = unit_of(from.unit),
                text = plain(from.description, plain(from.name, from.identifier, max_title), max_text);
    output.key = distinct(word(from.identifier, "_", 60), taken);
    output.dense = is_dense(from);
    std::string schema = quoted(output.key, max_text) +
                         ":{\"type\":\"object\",\"title\":" + quoted(from.name, max_title) +
                         ",\"description\":" + quoted(text, max_summary) + ",\"properties\":{";
    if (output.dense) {
        add_array(d, output.key, SONDE_F32, 2, unit, text + " One row a hop, one column a bin." + columns_of(from));
        schema += count_property("frames") + "," + count_property("missing") + "," + count_property("bins") + "," +
                  count_property("nonfinite") + "," + number_property("mean", unit, true) + "," +
                  number_property("minimum", unit, true) + "," + number_property("maximum", unit, true);
    } else {
        output.times = distinct(output.key + "_times", taken);
        add_array(d, output.times, SONDE_F64, 1, "s",
                  "Where the events of " + output.key + " are, from the start of the region.");
        if (from.hasFixedBinCount && from.binCount > 0) {
            output.values = distinct(output.key + "_values", taken);
            add_array(d, output.values, SONDE_F32, 2, unit,
                      text + " One row for each of " + output.times + ", one column a bin." + columns_of(from));
        }
        schema +=
            count_property("count") + "," + count_property("nonfinite") +
            ",\"events\":{\"type\":\"array\",\"items\":{\"type\":\"object\",\"required\":[\"time\"],\"properties\":{" +
            number_property("time", "s@region", false) + "," + number_property("duration", "s", false) +
            ",\"values\":{\"type\":\"array\",\"items\":{\"type\":\"number\",\"x-unit\":" + quoted(unit, max_unit) +
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

std::unique_ptr<Description> describe(const std::string &library, Direct &plugin, std::vector<std::string> &taken) {
    auto made = std::make_unique<Description>();
    Description &d = *made;
    std::vector<std::string> params;
    std::string id = distinct("vamp." + word(library, "._-", 40) + "." + word(plugin.getIdentifier(), "_-", 40), taken);
    add_params(d, plugin.getParameterDescriptors(), params);
    add_program(d, plugin, params);
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
    out.name = keep(d, plain(plugin.getName(), id, max_title));
    out.vendor = keep(d, plain(plugin.getMaker(), "an unnamed maker of Vamp plugins", max_title));
    out.version = keep(d, std::to_string(std::max(0, plugin.getPluginVersion())) + ".0.0");
    out.licence = keep(d, "LicenseRef-" + licence_word(library));
    out.description = keep(d, plain(plugin.getDescription(), "A Vamp plugin that doesn't say what it does.", max_text) +
                                  " (Vamp plugin " + plain(library, "?", max_title) + ":" +
                                  plain(plugin.getIdentifier(), "?", max_title) + "; " +
                                  plain(plugin.getCopyright(), "no word on its licence", max_text) + ")");
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

Settings settle(const Description &description, const sonde_param_value_t *values) {
    Settings out = {{}, description.programs.size()};
    for (size_t i = 0; i < description.parameters.size(); i++) {
        const Parameter &to = description.parameters[i];
        float value = static_cast<float>(values[i].number);
        if (value != to.fallback && to.step > 0)
            value = std::min(to.most, to.least + std::round((value - to.least) / to.step) * to.step);
        out.values.push_back(value);
    }
    for (size_t i = 0; i < description.programs.size(); i++)
        if (description.programs[i] == values[description.parameters.size()].text) out.program = i;
    return out;
}

void set_up(Direct &plugin, const Description &description, const Settings &settings) {
    bool programs = settings.program < description.programs.size();
    if (programs && settings.program != plugin.current_program()) plugin.select_program(settings.program);
    for (size_t i = 0; i < description.parameters.size(); i++) {
        const Parameter &to = description.parameters[i];
        bool as_program = programs && settings.values[i] == to.fallback;
        if (!as_program) plugin.setParameter(to.id, settings.values[i]);
    }
}

} // namespace bridge
