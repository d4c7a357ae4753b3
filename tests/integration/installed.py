#!/usr/bin/python3
"""sonde as it is installed: what lies where, a plugin built with pkg-config alone, man pages and completions against the
program's own help, and the Debian package. Speaks TAP.

    installed.py --build DIR
"""
import argparse
import json
import os
import re
import shlex
import shutil
import subprocess
import sys
import tempfile

HERE = os.path.dirname(os.path.abspath(__file__))
SOURCE = os.path.dirname(os.path.dirname(HERE))
sys.path.insert(0, os.path.join(HERE, "..", "hostile"))
from run import make_sounds  # noqa: E402


class Installed:
    def __init__(self, build):
        self.build = build
        self.work = tempfile.mkdtemp(prefix="sonde-installed-")
        self.points = self.failed = 0
        with open(os.path.join(build, "meson-info", "intro-buildoptions.json"), encoding="utf-8") as file:
            options = {option["name"]: option["value"] for option in json.load(file)}
        self.prefix, self.libdir = options["prefix"], options["libdir"]
        self.sanitized = options["b_sanitize"] not in ("none", [])
        self.tree = os.path.join(self.work, "tree") + self.prefix
        self.environment = {"PATH": "/usr/bin:/bin:/usr/sbin:/sbin", "HOME": os.path.join(self.work, "home"), "LC_ALL": "C.UTF-8"}
        os.mkdir(self.environment["HOME"])

    def check(self, good, name, why=""):
        self.points += 1
        self.failed += not good
        print(f"{'ok' if good else 'not ok'} {self.points} - {name}", flush=True)
        if not good:
            print("# " + str(why).replace("\n", "\n# "), flush=True)

    def skip(self, name, why):
        self.points += 1
        print(f"ok {self.points} - {name} # SKIP {why}", flush=True)

    def call(self, *command, **more):
        environment = dict(self.environment, **more.pop("environment", {}))
        return subprocess.run(command, env=environment, stdout=subprocess.PIPE, stderr=subprocess.STDOUT, text=True, check=False, **more)

    def at(self, *parts):
        return os.path.join(self.tree, *parts)


def test_places(it):
    run = it.call("meson", "install", "-C", it.build, "--no-rebuild", "--destdir", os.path.join(it.work, "tree"))
    it.check(run.returncode == 0, "meson install", run.stdout[-2000:])
    wanted = ["bin/sonde", "libexec/sonde/sonde-worker", "include/sonde/plugin.h", "include/sonde/kernels.h",
              "include/sonde/frame.h", "include/sonde/frame.hpp", "lib/sonde/plugins/key.so",
              "lib/sonde/plugins/features.resources/sonde-embedding.weights", "lib/sonde/sqlite/sonde_sqlite.so",
              "share/sonde/schema/protocol.md", "share/sonde/schema/catalogue.md", "share/sonde/schema/control.json", "share/sonde/schema/results/key.json",
              "share/sonde/migrations/0001_catalogue.sql", "share/man/man1/sonde.1", "share/man/man5/sonde.ini.5",
              "lib/systemd/user/sonde-watch.service", "lib/systemd/system/sonde-watch@.service",
              "share/bash-completion/completions/sonde", "share/zsh/site-functions/_sonde", "share/fish/vendor_completions.d/sonde.fish",
              "share/doc/sonde/LICENSE", "share/doc/sonde/plugins/README.md", "share/doc/sonde/plugins/sdk/sonde/plugin.h",
              "share/doc/sonde/plugins/examples/cpp/dynamics.cpp", os.path.join(it.libdir, "pkgconfig", "sonde.pc")]
    missing = [path for path in wanted if not os.path.isfile(it.at(path))]
    it.check(not missing, "binaries, headers, sonde.pc, plugins, weights, schemas, migrations, pages and completions lie in their places", missing)
    odd = []
    for at, _, names in os.walk(it.at("share")):
        for name in names:
            if name.endswith(".md"):
                with open(os.path.join(at, name), encoding="utf-8") as file:
                    odd += [link for link in re.findall(r"\]\(([^):#]+)[^):]*\)", file.read()) if not os.path.exists(os.path.join(at, link))]
    it.check(set(odd) <= {"../tools/package"}, "what the documents point to is there", odd)
    for folder, kind in (("plugins", ".weights"), ("migrations", ".sql"), ("schema", ".md"), ("schema", ".json")):
        have = {name for _, _, names in os.walk(it.tree) for name in names}
        source = {name for _, _, names in os.walk(os.path.join(SOURCE, folder)) for name in names if name.endswith(kind)}
        it.check(source and source <= have, f"all of {folder}/*{kind}", source - have)


def test_example(it):
    """With nothing but the installed header and sonde.pc."""
    pc = {"PKG_CONFIG_PATH": it.at(it.libdir, "pkgconfig"), "PKG_CONFIG_SYSROOT_DIR": os.path.join(it.work, "tree")}
    flags = it.call("pkg-config", "--cflags", "--libs", "sonde", environment=pc).stdout.strip()
    it.check(os.path.join(it.work, "tree") in flags, "pkg-config knows sonde", flags)
    folder = it.call("pkg-config", "--variable=plugindir", "sonde", environment=pc).stdout.strip()
    it.check(folder.endswith(it.prefix + "/lib/sonde"), "and where plugins go", folder)
    source = os.path.join(it.work, "minimal.c")
    shutil.copy(os.path.join(SOURCE, "plugins", "examples", "minimal", "minimal.c"), source)
    target = it.at("lib/sonde/minimal.so")
    run = it.call("cc", "-std=c99", "-Wall", "-Wextra", "-Werror", "-shared", "-fPIC", source, "-o", target, *shlex.split(flags), "-lm", cwd=it.work)
    it.check(run.returncode == 0, "an example is built with pkg-config alone", run.stdout)
    for language in ([], ["--cpp"]) if shutil.which("c++") else ([],):
        folder = os.path.join(it.work, "project" + "".join(language))
        run = it.call(it.at("bin/sonde"), "plugin", "new", folder, "--id", "org.example.project", "--name", "Project", *language)
        made = it.call("make", cwd=folder, environment=pc) if run.returncode == 0 else run
        it.check(made.returncode == 0, "so is what sonde plugin new " + " ".join(language + ["writes"]), made.stdout)


def test_runs(it):
    sonde, sounds = it.at("bin/sonde"), os.path.join(it.work, "sounds")
    make_sounds(sounds, 2)
    listed = it.call(sonde, "plugin", "list", "--json")
    plugins = {row["plugin"]: row for row in map(json.loads, filter(lambda line: line.startswith("{"), listed.stdout.splitlines()))}
    inside = [row for row in plugins.values() if row["library"].startswith(it.tree)]
    it.check(listed.returncode == 0 and len(inside) == len(plugins) and "key" in plugins, "it finds its own plugins", listed.stdout)
    minimal = [row for row in plugins.values() if row["library"].endswith("minimal.so")]
    doctor = json.loads(it.call(sonde, "doctor", "--json").stdout)
    it.check(doctor.get("worker") == it.at("libexec/sonde/sonde-worker"), "and its own worker", doctor.get("worker"))
    weak = [] if minimal and minimal[0]["state"] == "ready" else ["--allow-weak-sandbox"]
    run = it.call(sonde, "analyze", *weak, sounds)
    found = it.call(sonde, "find", "--json")
    it.check(run.returncode == 0 and len(json.loads(found.stdout)) == 2, "it analyses and finds", run.stdout + found.stdout)
    it.check(minimal and minimal[0]["origin"] == "third-party", "the example lies where plugins of others are looked for", plugins.keys())
    shown = it.call(sonde, "show", "--all", "--json", os.path.join(sounds, "tone 00.wav"))
    it.check(minimal and minimal[0]["plugin"] in shown.stdout, "and its results are in the catalogue", shown.stdout[-500:])


def words(text):
    return re.sub(r"\s+", " ", re.sub(r"[`\u2010\u2011]", lambda m: "" if m[0] == "`" else "-", text)).strip()


def test_pages(it, commands):
    pages = {name[:-2] for name in os.listdir(it.at("share/man/man1"))}
    it.check(pages == {"sonde"} | {"sonde-" + name for name in commands}, "a page for each command, and for no other", pages)
    if not shutil.which("groff"):
        it.skip("pages", "groff is not installed")
        return
    wrong, missing = [], []
    for page in sorted(pages) + ["sonde.ini"]:
        path = it.at("share/man", "man5/sonde.ini.5" if page == "sonde.ini" else f"man1/{page}.1")
        run = it.call("groff", "-man", "-Tutf8", "-ww", "-rLL=2000n", "-P-cbou", path)
        if re.search(r"^\S*(troff|groff|grotty)\b.*:", run.stdout, re.M) or run.returncode != 0:  # what they say begins with their name
            wrong.append(run.stdout[:300])
        text = words(run.stdout)
        helped = it.call(it.at("bin/sonde"), "help", page[6:]).stdout if page.startswith("sonde-") else ""
        for line in helped.replace("usage: ", "").splitlines():
            parts = re.split(r"(?<=\S)  +(?=\S)", line.strip())
            missing += [(page, part) for part in parts if words(part) not in text]
    it.check(not wrong, "no page has a warning", wrong[:2])
    it.check(not missing, "every line of every help text stands in its page", missing[:5])
    with open(it.at("share/man/man5/sonde.ini.5"), encoding="utf-8") as page:
        text = page.read().replace("\\-", "-")
    keys = re.findall(r"^([a-z_]+) =", it.call(it.at("bin/sonde"), "config").stdout, re.M)
    it.check(len(keys) > 20 and all(f"{key} =" in text for key in keys), "sonde.ini(5) has every key", keys)


def told_options(it, name):
    """The options that a command's help names."""
    text = it.call(it.at("bin/sonde"), "help", name).stdout
    return set(re.findall(r"(?<![\w-])--[a-z][a-z-]*", "\n".join(line for line in text.splitlines() if line.startswith(("usage", "  -", "       ")))))


BASH = """source "$1"; COMP_WORDS=("${@:2}"); COMP_CWORD=$((${#COMP_WORDS[@]} - 1)); compopt() { :; }; _sonde; printf '%s\\n' "${COMPREPLY[@]}" """


def test_completions(it, commands):
    def complete(*line):
        script = it.at("share/bash-completion/completions/sonde")
        path = {"PATH": it.at("bin") + ":/usr/bin:/bin"}
        return set(it.call("bash", "-c", BASH, "bash", script, *line, environment=path, cwd=it.work).stdout.split())

    first = complete("sonde", "")
    it.check({word for word in first if not word.startswith("-")} == set(commands) | {"help"}, "bash: the commands are those of the table", first)
    wrong = []
    for name in commands:
        text = it.call(it.at("bin/sonde"), "help", name).stdout
        told = told_options(it, name)
        offered = complete("sonde", name, "-")
        wrong += [(name, word) for word in told if word not in offered]
        wrong += [(name, word) for word in offered if word not in text and word not in ("--catalogue", "--config", "--set", "--help", "--version")]
    it.check(not wrong, "bash: the options of each command are those of its help", wrong)
    it.check({"list", "show", "rank"} <= complete("sonde", "plugin", ""), "bash: verbs", complete("sonde", "plugin", ""))
    it.check(complete("sonde", "analyze", "--progress", "") == {"bar", "lines", "json", "none"}, "bash: choices", complete("sonde", "analyze", "--progress", ""))
    it.check("segment.min_silence=" in complete("sonde", "--set", "segment.min"), "bash: keys", complete("sonde", "--set", "segment.min"))
    it.check("key" in complete("sonde", "analyze", "--only", "k"), "bash: plugins", complete("sonde", "analyze", "--only", "k"))
    if shutil.which("fish"):
        script = it.at("share/fish/vendor_completions.d/sonde.fish")
        offered = it.call("fish", "--no-config", "-c", f"source {script}; complete -C 'sonde '").stdout
        found = {line.split("\t")[0] for line in offered.splitlines()}
        it.check(set(commands) <= found, "fish: the commands are those of the table", offered)
        offered = it.call("fish", "--no-config", "-c", f"source {script}; complete -C 'sonde find --'").stdout
        it.check("--octaves" in offered and "--broken" not in offered, "fish: options of the command", offered)
    else:
        it.skip("fish", "fish is not installed")
    if shutil.which("zsh"):
        test_zsh(it, commands)
    else:
        it.skip("zsh", "zsh is not installed")


# What zsh offers at the end of each line goes to FILE: zsh -f -c ZSH zsh FOLDER FILE LINE... A shell on a terminal of its own loads
# the completion from FOLDER; there Ctrl-X puts a line in place, lists what could follow, and says that it is over.
ZSH = r"""
zmodload zsh/zpty || exit
export ASK_FOLDER=$1 ASK_FILE=$2
zpty ask zsh -f -i
zpty -w ask 'PROMPT=; fpath=($ASK_FOLDER $fpath); autoload -Uz compinit; compinit -D -u
compadd() {
    local -a hits
    if (( ! ${@[(I)-[a-zA-Z]#[OAD][a-zA-Z]#]} )); then builtin compadd -O hits "$@"; print -rl -- $hits >> $ASK_FILE; fi
    builtin compadd "$@"
}
ask() { BUFFER=$(<$ASK_FILE.line); CURSOR=$#BUFFER; zle list-choices; BUFFER=; print -r -- "@@""over"; }
zle -N ask; bindkey "^X" ask; print -r -- "@@""ready"'
zpty -r ask said '*@@ready*'
for line in $@[3,-1]; do
    print -rn -- $line > $ASK_FILE.line
    print -r -- "> $line" >> $ASK_FILE
    zpty -w -n ask $'\x18'
    zpty -r ask said '*@@over*'
done
zpty -d ask
"""


def test_zsh(it, commands):
    lines = ["sonde ", "sonde --catalogue x.db ", "sonde plugin ", "sonde analyze --progress ", "sonde --set segment.min", "sonde help ",
             "sonde analyze --only k", *(f"sonde {name} -" for name in commands)]
    file = os.path.join(it.work, "zsh-offers")
    environment = {"PATH": it.at("bin") + ":/usr/bin:/bin", "TERM": "vt100"}
    run = it.call("zsh", "-f", "-c", ZSH, "zsh", it.at("share/zsh/site-functions"), file, *lines, environment=environment, cwd=it.work, timeout=300)
    with open(file, encoding="utf-8") as told:
        offers = {part.split("\n")[0]: set(part.split("\n")[1:]) - {""} for part in ("\n" + told.read()).split("\n> ")[1:]}
    it.check(run.returncode == 0 and list(offers) == lines, "zsh: it answers every question", run.stdout + str(list(offers)))
    for line in ("sonde ", "sonde --catalogue x.db "):
        found = {word for word in offers.get(line, ()) if not word.startswith("-")}
        it.check(found == set(commands) | {"help"}, f"zsh: the commands are those of the table after \"{line}\"", found)
    wrong = []
    for name in commands:
        told = told_options(it, name)
        wrong += [(name, word) for word in told - offers.get(f"sonde {name} -", set())]
    it.check(not wrong, "zsh: the options of each command are those of its help", wrong)
    it.check({"list", "show", "rank"} <= offers.get("sonde plugin ", set()), "zsh: verbs", offers)
    it.check(offers.get("sonde analyze --progress ") == {"bar", "lines", "json", "none"}, "zsh: choices", offers)
    it.check("segment.min_silence=" in offers.get("sonde --set segment.min", ()), "zsh: keys", offers)
    it.check(set(commands) <= offers.get("sonde help ", set()), "zsh: commands that there is help for", offers)
    if not it.sanitized:
        it.check("key" in offers.get("sonde analyze --only k", ()), "zsh: plugins", offers)


def test_package(it):
    if it.prefix != "/usr" or it.sanitized:
        it.skip("package", "this build is not one for /usr")
        return
    run = it.call(os.path.join(SOURCE, "tools", "package"), "--build", it.build, "--out", it.work)
    package = run.stdout.strip().splitlines()[-1] if run.stdout else ""
    it.check(run.returncode == 0 and os.path.isfile(package), "tools/package makes a package", run.stdout)
    if not os.path.isfile(package):
        return
    depends = it.call("dpkg-deb", "--field", package, "Depends").stdout
    it.check(all(name in depends for name in ("libc6 (>=", "libuv1", "libnng1", "libsqlite3-0", "libsndfile1", "libseccomp2")),
             "it depends on the libraries that it uses", depends)
    recommends = it.call("dpkg-deb", "--field", package, "Recommends").stdout
    with open(os.path.join(it.build, "workers", "sonde-worker"), "rb") as file:
        opened = re.findall(rb"\0(libavformat)\.so\.(\d+)\0", file.read())
    it.check(all((name + version).decode() in recommends for name, version in opened) and "sqlite3" in recommends,
             "and recommends those that it opens when a file needs them", f"{opened} {recommends}")
    listed = it.call("dpkg-deb", "--contents", package).stdout
    odd = [line for line in listed.splitlines() if not re.match(r"[dl-][rwx-]{9} root/root ", line)  # a link's own mode means nothing
           or re.search(r"^[d-].{4}w|^[d-].{7}w", line)]
    it.check(not odd, "everything in it is root's, and nobody else's to write", odd[:3])
    if os.geteuid() != 0:
        it.skip("it installs", "dpkg needs root")
        return
    root = os.path.join(it.work, "root")
    for folder in ("info", "updates", "triggers"):
        os.makedirs(os.path.join(root, "var/lib/dpkg", folder))
    open(os.path.join(root, "var/lib/dpkg/status"), "w", encoding="ascii").close()
    before = {os.path.join(at, name) for at, _, names in os.walk(root) for name in names if "/var/" not in at}
    run = it.call("dpkg", f"--root={root}", "--force-depends", "--install", package)
    sonde = os.path.join(root, "usr/bin/sonde")
    it.check(run.returncode == 0 and os.path.isfile(sonde), "it installs", run.stdout)
    broken = it.call(sonde, "plugin", "list", "--broken")
    listed = it.call(sonde, "plugin", "list", "--json")
    it.check(broken.returncode == 0 and os.path.join(root, "usr/lib/sonde/plugins/key.so") in listed.stdout, "it works", broken.stdout + listed.stdout)
    catalogue, sounds = os.path.join(it.work, "package.db"), os.path.join(it.work, "packed sounds")
    make_sounds(sounds, 1)
    run = it.call(sonde, "--catalogue", catalogue, "analyze", sounds)
    shown = it.call(sonde, "--catalogue", catalogue, "show", "--json", os.path.join(sounds, "tone 00.wav"))
    found = json.loads(shown.stdout) if shown.returncode == 0 else {}
    it.check(run.returncode == 0 and found.get("status") == "done" and "lufs" in found["summary"], "and analyses a sound",
             run.stdout + shown.stdout)
    verified = it.call("dpkg", f"--root={root}", "--verify", "sonde")
    it.check(verified.returncode == 0 and not verified.stdout.strip(), "dpkg finds every file as it was packed", verified.stdout)
    run = it.call("dpkg", f"--root={root}", "--purge", "sonde")
    after = {os.path.join(at, name) for at, _, names in os.walk(root) for name in names if "/var/" not in at}
    it.check(run.returncode == 0 and after == before and not os.path.exists(os.path.join(root, "usr/lib/sonde")),
             "removed, it leaves nothing", run.stdout + str(sorted(after - before)[:5]))


def main():
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("--build", required=True)
    it = Installed(os.path.abspath(parser.parse_args().build))
    try:
        test_places(it)
        helped = it.call(it.at("bin/sonde"), "--help").stdout
        commands = re.findall(r"^  ([a-z]+)  +\S", helped.split("For every command:")[0], re.M)
        test_example(it)
        test_runs(it)
        test_pages(it, commands)
        test_completions(it, commands)
        test_package(it)
    finally:
        shutil.rmtree(it.work, ignore_errors=True)
    print(f"1..{it.points}")
    return 1 if it.failed else 0


sys.exit(main())
