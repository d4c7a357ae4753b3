// SPDX-License-Identifier: MIT
//
// The Vamp bridge: the plugins of one Vamp library (vamp-plugins.org) as plugins of sonde.
//
// The engine gives each Vamp library a process of its own, with a private copy of it as the only file among the bridge's
// resources. The bridge loads that in init, when files can still be read, and offers what it finds.
#include "runner.hpp"
#include "text.hpp"

#include "sonde/frame.hpp"

#include <dirent.h>
#include <dlfcn.h>

namespace {

using namespace bridge;

constexpr unsigned most_plugins = 64, most_asked = 256; // a library that never ends its list is one too

struct Library {
    void *handle = nullptr;
    std::vector<const VampPluginDescriptor *> vamp;
    std::vector<std::unique_ptr<Description>> plugins;
    std::vector<std::string> ids;
    ~Library() {
        plugins.clear();
        if (handle) dlclose(handle);
    }
};

// The one library of this process: the ABI's entry has no other place for it.
Library *library;

bool ends_with_so(const std::string &name) {
    return name.size() > 3 && name.compare(name.size() - 3, 3, ".so") == 0;
}

// The name of the only .so in the folder.
std::string find_library(const std::string &folder) {
    std::string found;
    DIR *dir = folder.empty() ? nullptr : opendir(folder.c_str());
    if (!dir)
        throw std::runtime_error("there is no Vamp library beside this bridge (plugins.vamp says where they are)");
    while (const dirent *entry = readdir(dir)) {
        if (!ends_with_so(entry->d_name)) continue;
        if (found.empty() || entry->d_name < found) found = entry->d_name;
    }
    closedir(dir);
    if (found.empty()) throw std::runtime_error("the bridge's folder holds no Vamp library");
    return found;
}

// One that can't be used is left out, and the log says why.
void add_plugin(Library &to, const sonde_host_t &host, const std::string &name, const VampPluginDescriptor *vamp) {
    std::string why;
    const char *missing = what_is_missing(*vamp);
    try {
        if (missing) throw std::runtime_error(missing);
        Direct plugin(vamp, rate);
        to.plugins.push_back(describe(name, plugin, to.ids));
        to.vamp.push_back(vamp);
        return;
    } catch (const std::exception &e) {
        why = e.what();
    }
    std::string line = "the Vamp plugin " + plain(vamp->identifier ? vamp->identifier : "", "without a name", 60) +
                       " can't be used: " + why;
    host.log(&host, SONDE_LOG_WARNING, line.c_str());
}

std::unique_ptr<Library> open_library(const sonde_host_t &host, const std::string &folder) {
    auto made = std::make_unique<Library>();
    std::string file = find_library(folder);
    const void *data;
    uint64_t size;
    // Not for its bytes: so its hash becomes part of every result's identity.
    if (host.resource_open(&host, file.c_str(), &data, &size) != SONDE_OK)
        throw std::runtime_error("the Vamp library " + file + " can't be read");
    made->handle = dlopen((folder + "/" + file).c_str(), RTLD_NOW | RTLD_LOCAL);
    if (!made->handle) throw std::runtime_error(std::string("the Vamp library can't be loaded: ") + dlerror());
    auto describe_at = reinterpret_cast<VampGetPluginDescriptorFunction>(
        dlsym(made->handle, "vampGetPluginDescriptor"));
    if (!describe_at) throw std::runtime_error(file + " is no Vamp library: it has no vampGetPluginDescriptor");
    std::string name = file.substr(0, file.size() - 3);
    const VampPluginDescriptor *before = nullptr;
    for (unsigned i = 0; i < most_asked && made->plugins.size() < most_plugins; i++) {
        const VampPluginDescriptor *vamp = describe_at(VAMP_API_VERSION, i);
        if (!vamp || vamp == before) break;
        before = vamp;
        add_plugin(*made, host, name, vamp);
    }
    if (made->plugins.empty())
        throw std::runtime_error(file + " holds no plugin for Vamp API " + std::to_string(VAMP_API_VERSION));
    return made;
}

// ------------------------------------------------------------------------------------------------------------ instances

struct Instance {
    sonde_plugin_t plugin; // first: the host's pointer is one to the instance
    const sonde_host_t *host;
    std::unique_ptr<Runner> runner;
};

Instance *instance_of(sonde_plugin_t *self) {
    return static_cast<Instance *>(self->state);
}

// Runs `call`; what it throws becomes a return code.
template <class Call> int32_t guarded(const sonde_host_t *host, const sonde_writer_t *out, Call call) noexcept {
    try {
        call();
        return out ? out->status(out) : SONDE_OK;
    } catch (...) {
        return sonde::detail::code_of_exception(host, out);
    }
}

int32_t begin(sonde_plugin_t *self, const sonde_region_t *region, const sonde_inputs_t *) {
    return guarded(instance_of(self)->host, nullptr, [&] { instance_of(self)->runner->begin(region->duration); });
}

int32_t process(sonde_plugin_t *self, const sonde_block_t *block) {
    return guarded(instance_of(self)->host, nullptr, [&] { instance_of(self)->runner->process(*block); });
}

int32_t finish(sonde_plugin_t *self, const sonde_inputs_t *, const sonde_writer_t *out) {
    return guarded(instance_of(self)->host, out, [&] { instance_of(self)->runner->finish(*out); });
}

void abandon(sonde_plugin_t *self) {
    instance_of(self)->runner->abandon();
}

void destroy(sonde_plugin_t *self) {
    delete instance_of(self);
}

// -------------------------------------------------------------------------------------------------------------- the entry

int32_t init(const sonde_host_t *host, const char *plugin_dir) {
    return guarded(host, nullptr, [&] { library = open_library(*host, plugin_dir ? plugin_dir : "").release(); });
}

void deinit() {
    delete library;
    library = nullptr;
}

uint32_t plugin_count() {
    return static_cast<uint32_t>(library->plugins.size());
}

const sonde_descriptor_t *plugin_at(uint32_t index) {
    return index < plugin_count() ? &library->plugins[index]->descriptor : nullptr;
}

int32_t create(const sonde_host_t *host, const char *id, const sonde_param_value_t *values, uint32_t,
               sonde_plugin_t **plugin) {
    for (uint32_t i = 0; i < plugin_count(); i++) {
        const Description &description = *library->plugins[i];
        if (std::string(description.descriptor.id) != id) continue;
        return guarded(host, nullptr, [&] {
            auto made = std::make_unique<Instance>();
            made->runner = std::make_unique<Runner>(library->vamp[i], description, values);
            made->host = host;
            made->plugin = sonde_plugin_t();
            made->plugin.struct_size = sizeof made->plugin;
            made->plugin.begin = begin;
            made->plugin.process = process;
            made->plugin.finish = finish;
            made->plugin.abandon = abandon;
            made->plugin.destroy = destroy;
            made->plugin.state = made.get();
            *plugin = &made.release()->plugin;
        });
    }
    return SONDE_FAILED;
}

} // namespace

extern "C" {
extern SONDE_EXPORT const sonde_entry_t sonde_entry;
const sonde_entry_t sonde_entry = {sizeof(sonde_entry_t), SONDE_ABI_MAJOR, SONDE_ABI_MINOR, 0, init, deinit,
                                   plugin_count,          plugin_at,       create};
}
