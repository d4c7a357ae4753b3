"""What the plugins of a build folder say of a file."""
import json
import os
import subprocess


def results(build, path, names, *options):
    """The results of the plugins `names`, by name; `options` go to run_plugins."""
    libraries = [os.path.join(build, "plugins", n, n + ".so") for n in names]
    out = subprocess.run([os.path.join(build, "tests/bench/run_plugins"), "--json", *options, path, *libraries],
                         capture_output=True, check=True).stdout
    return {name: found["result"] for name, found in json.loads(out).items() if name in names}
