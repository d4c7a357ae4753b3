#!/usr/bin/python3
"""The documents against the program: the commands, options and keys that they name, and the lists that stand in both. Speaks TAP.

    documents.py --build DIR
"""
import glob
import json
import os
import re
import shlex
import shutil
import sqlite3
import struct
import subprocess
import sys

sys.path.insert(0, os.path.dirname(os.path.abspath(__file__)))
import analysis  # noqa: E402
from analysis import Run, tone  # noqa: E402

ROOT = os.path.dirname(os.path.dirname(os.path.dirname(os.path.abspath(__file__))))
OPTION = r"(?<![\w-])(--[a-z][a-z-]*|-[a-z0-9])(?![\w-])"
READING = ("config", "export", "find", "incidents", "set", "show", "status", "tag", "untag")  # and no more than words of users


def text_of(*parts):
    with open(os.path.join(ROOT, *parts), encoding="utf-8") as file:
        return file.read()


def documents():
    """{path: text} of all that users read."""
    paths = ["README.md"] + [os.path.relpath(path, ROOT) for folder in ("schema", "plugins")
                             for path in glob.glob(os.path.join(ROOT, folder, "**", "*.md"), recursive=True)]
    return {path: text_of(path) for path in sorted(paths)}


def call(run, *words):
    done = subprocess.run([run.sonde, *words], check=False, env=run.environment, cwd=run.work, capture_output=True, timeout=120)
    return done.returncode, done.stdout.decode("utf-8", "replace"), done.stderr.decode("utf-8", "replace")


def helps(run):
    """{command: its help}, and under "" that of them all."""
    top = call(run, "--help")[1]
    return {"": top, **{name: call(run, "help", name)[1] for name in re.findall(r"^  ([a-z]+) {2,}\S", top, re.M)}}


def words_for_users(run):
    """{where: text} of documents and help texts."""
    return {**documents(), **{"help " + name: text for name, text in helps(run).items()}}


def invocations(text, names):
    """(command, what follows it, whether it stands there to be typed) of each `sonde ...` in lines of code and between backquotes."""
    lines = [(line, True) for line in re.findall(r"^(?:    |\$ |  (?=sonde ))(.*)$", text, re.M)]
    for line, whole in lines + [(words, False) for words in re.findall(r"`([^`\n]+)`", text)]:
        line = re.sub(r"--(?:catalogue|config|set)[ =]\S+ ", "", line)
        for found in re.finditer(r"(?:^|[|(;,] ?|\w=\S+ )sonde ([a-z]+)\b", line):
            if found[1] in names:
                yield found[1], re.split(r" {2,}|[|;>]|,(?= )", line[found.end():])[0].strip(), whole


def rows(text, heading=None):
    """[(words in backquotes of the first cell, the other cells)] of the tables in the section `heading`."""
    part = text if heading is None else text.split(f"\n## {heading}\n", 1)[1].split("\n## ", 1)[0]
    table = [[cell.strip() for cell in line.strip()[1:-1].split("|")] for line in part.splitlines() if line.startswith("| `")]
    return [(re.findall(r"`([^`]+)`", cells[0]), cells[1:]) for cells in table]


def test_commands(suite):
    """What documents and help texts tell to type is there."""
    with Run(suite.build) as run:
        texts, sources = helps(run), words_for_users(run)
        known = {name: set(re.findall(OPTION, texts[""] + text)) for name, text in texts.items()}
        told = [(source, *one) for source, text in sources.items() for one in invocations(text, texts)]
        wrong = [one for one in told if set(re.findall(OPTION, one[2].split(" -- ")[0])) - known[one[1]]]
        suite.check(len(told) > 100 and not wrong, "every option in an example is one of the command's", wrong)
        missing = set(texts) - {""} - {name for name, _, _ in invocations(sources["README.md"], texts)}
        suite.check(not missing, "every command is told of in README.md", missing)


def test_examples(suite):
    """What only reads is taken as it stands: commands, and questions in SQL."""
    with Run(suite.build) as run:
        texts, sources = helps(run), words_for_users(run)
        tone(run.sounds + "/one.wav", 1)
        run.analyse()
        os.mkdir(run.work + "/annotations")
        wrong = []
        for source, text in sources.items():
            for name, rest, whole in invocations(text, texts):
                placeholder = re.search(r"\[|\b[A-Z]{3}|…", re.sub(r'"[^"]*"', "", rest))
                if whole and name in READING and not placeholder:
                    code, _, err = call(run, "--catalogue", run.catalogue, name, *shlex.split(rest))
                    wrong += [(source, name, rest, err)] if code > 1 else []
        suite.check(not wrong, "every example that only reads is taken", wrong)
        asked, wrong = 0, []
        for source, text in documents().items():
            for query in re.findall(r"^    (?:sqlite> )?(SELECT [^;]*;)$", text, re.M):
                if "sonde_" in query:  # a function of the extension: unit/test_catalogue_doc.c
                    continue
                asked += 1
                try:
                    run.rows(query)
                except sqlite3.Error as error:
                    wrong.append((source, query, error))
        suite.check(asked > 3 and not wrong, "every question in SQL is understood", wrong)


def test_keys(suite):
    with Run(suite.build) as run:
        section, keys = "", set()
        for line in call(run, "config")[1].splitlines():
            section = line[1:-1] if line.startswith("[") else section
            keys |= {f"{section}.{key}" for key in re.findall(r"^([a-z_]+) =", line)}
        named = r"(?<![\w./-])((?:%s)\.[a-z_]+)(?![\w./(-])" % "|".join({key.split(".")[0] for key in keys})
        files = {".md", ".db", ".h", ".c", ".py", ".json", ".ini"}
        sources = words_for_users(run)
        del sources["schema/commands.md"]  # its members look the same
        wrong = [(source, key) for source, text in sources.items() for key in re.findall(named, text)
                 if key not in keys and os.path.splitext(key)[1] not in files]
        suite.check(len(keys) > 30 and not wrong, "every key of the configuration that is named is one", wrong)


def sources_of(folder):
    return [text_of(path) for path in glob.glob(os.path.join(ROOT, folder, "**", "*.c"), recursive=True)]


def test_environment(suite):
    """What the programs ask the environment for stands in README.md; what systemd sets is no matter of users."""
    lines = [line for text in sources_of("engine") + sources_of("workers") for line in text.splitlines() if "getenv" in line or "XDG_" in line]
    asked = set(re.findall(r'"((?:[A-Z]+_)+[A-Z]+)"', "\n".join(lines))) - {"NOTIFY_SOCKET", "WATCHDOG_USEC"}
    missing = asked - set(re.findall(r"\$([A-Z_]+)", text_of("README.md")))
    suite.check(len(asked) > 5 and not missing, "README.md: every variable of the environment", f"{missing} of {asked}")


def test_tools(suite):
    """Those that README.md names say what they do when asked, and do nothing else."""
    named = {name for name in re.findall(r"\btools/([a-z_]+)", text_of("README.md")) if os.path.isfile(os.path.join(ROOT, "tools", name))}
    wrong = []
    for name in named:
        done = subprocess.run([os.path.join(ROOT, "tools", name), "--help"], check=False, capture_output=True, timeout=60)
        if done.returncode != 0 or f"tools/{name}" not in done.stdout.decode():
            wrong.append((name, done.returncode, done.stdout.decode()[:200]))
    suite.check(len(named) > 7 and not wrong, "every tool that README.md names has a --help", f"{wrong} {named}")


def test_parameters(suite):
    """Those of bundled plugins and of the examples; others are made up."""
    with Run(suite.build) as run:
        run.environment["SONDE_PLUGIN_PATH"] = os.path.join(suite.build, "plugins", "examples")
        named = {found for text in words_for_users(run).values() for found in re.findall(r"--set ([a-z][a-z_.]+):([a-z_]+)=", text)}
        here = {plugin for plugin, _ in named if call(run, "plugin", "show", plugin)[0] == 0}
        shown = {plugin: json.loads(call(run, "plugin", "show", plugin, "--json")[1]) for plugin in here}
        wrong = [(plugin, name) for plugin, name in named if plugin in here and name not in {param["id"] for param in shown[plugin]["params"]}]
        suite.check(len(here) > 1 and not wrong, "every parameter of a plugin that is named is one", f"{wrong} {here}")


def test_events(suite):
    """schema/progress.md and the calls that print the events of `sonde watch`."""
    said = {}
    for text in sources_of("engine/cli"):
        for event, rest in re.findall(r"\blogfmt\(([^;,]*),([^;]*)\);", text):
            for name in re.findall(r'"([a-z-]+)"', event):  # two, where it depends
                said.setdefault(name, set()).update(key for key in re.findall(r'(?:^|,)\s*"([a-z_]+)",', rest) if not key.endswith("_hex"))
    part = text_of("schema", "progress.md").split("`sonde watch` prints logfmt", 1)[1]
    documented = {event: set(cells[0].split(", ")) for events, cells in rows(part) for event in events if event != "event"}
    wrong = [(event, documented.get(event), said.get(event)) for event in {*documented, *said} if documented.get(event) != said.get(event)]
    suite.check(said and not wrong, "progress.md: events of sonde watch and their keys", wrong)


def test_members(suite):
    """What the engine tells clients, and what workers tell the engine, is a word of the document about it."""
    for documented, texts, pattern in (
            (("control.md", "progress.md"), [text_of("engine/control/desk.c"), text_of("engine/cli/watch.c")],
             r'\b(?:add_(?:number|text)|cJSON_Add\w+ToObject)\(\w+, "([a-z_]+)"'),
            (("protocol.md",), sources_of("workers"), r'\b(?:add_\w+|cJSON_Add\w+ToObject)\([^,;]+, "([a-z_]+)"')):
        members = {name for text in texts for name in re.findall(pattern, text)}
        missing = members - {word for name in documented for word in re.findall(r"\w+", text_of("schema", name))}
        suite.check(len(members) > 30 and not missing, f"{documented[0]}: every member", f"{len(members)} {missing}")


def test_outcomes(suite):
    tables = text_of("migrations", "0001_catalogue.sql")
    for heading, column in (("Of a plugin on a region (`region_analysis.outcome`)", "outcome"), ("Of a file (`files.status`)", "status")):
        allowed = re.search(rf"\b{column} +TEXT NOT NULL CHECK \({column} IN \(([^)]*)\)", tables).group(1)
        documented = {names[0] for names, _ in rows(text_of("schema", "outcomes.md"), heading)}
        suite.check(documented == set(re.findall(r"'([a-z]+)'", allowed)), f"outcomes.md: every {column}", documented)


def test_control(suite):
    schema = json.loads(text_of("schema", "control.json"))
    documented = {name: cells[0] for names, cells in rows(text_of("schema", "control.md")) for name in names}
    suite.check(set(documented) == set(schema["properties"]["command"]["enum"]), "control.md: every command", documented)
    for member, said in schema["properties"].items():
        takers = {name for names in re.findall(r"(?:^|; )([a-z, ]+):", said["description"]) for name in names.split(", ")}
        told = {name for name, members in documented.items() if member in re.findall(r"[a-z]+", members)}
        suite.check(told == takers, f"control.md: what takes {member}", f"{told} {takers}")


def test_schemas(suite):
    here = set(os.listdir(os.path.join(ROOT, "schema"))) - {"README.md", "meson.build", "results"}
    documented = {name for names, _ in rows(text_of("schema", "README.md")) for name in names if re.search(r"\.(md|json)$", name) and "/" not in name}
    suite.check(documented == here, "schema/README.md: every file", documented ^ here)
    units, named = set(), text_of("schema", "README.md")
    for name in os.listdir(os.path.join(ROOT, "schema", "results")):
        units |= set(re.findall(r'"x-unit": *"([^"]+)"', text_of("schema", "results", name)))
    suite.check(len(units) > 10 and all(f"`{unit}`" in named or f'`"{unit}"`' in named for unit in units), "schema/README.md: every unit that results have", units)


def summarised(name, schema):
    """(name, unit, rule) of what a property becomes in the summary; an array of objects has no unit, an instant is one of the file."""
    rule = schema["x-summary"]
    items = schema.get("items", {})
    unit = schema.get("x-unit") or items.get("x-unit") or ""
    yield rule["as"], unit.replace("s@region", "s"), rule["rule"]
    if "confidence_as" in rule:
        yield rule["confidence_as"], "probability", rule["rule"]


def test_values(suite):
    found = set()
    for path in glob.glob(os.path.join(ROOT, "schema", "results", "*.json")):
        for name, schema in json.loads(text_of(path))["properties"].items():
            found |= set(summarised(name, schema)) if "x-summary" in schema else set()
    told = {(names[0], cells[0], cells[1]) for names, cells in rows(text_of("schema", "values.md"))}
    suite.check(len(found) > 50 and found == told, "values.md: every value, its unit and its rule", sorted(found ^ told))


def tensor(weights, name):
    """The bytes of one (plugins/features/weights.h)."""
    at = weights.index(name.encode() + b"\0")
    offset, length = struct.unpack_from("<QQ", weights, at + 48)
    return weights[offset:offset + length]


def test_labels(suite):
    """schema/labels.md and the weights of the classifier: what is given out, and what is trained but not good enough yet."""
    with open(os.path.join(ROOT, "plugins", "classifier", "classifier.resources", "classifier.weights"), "rb") as file:
        weights = file.read()
    classes = [line.split("/") for line in tensor(weights, "labels").decode().splitlines()]
    shipped = struct.unpack(f"<{len(classes)}f", tensor(weights, "classes.shipped"))
    text = text_of("schema", "labels.md")
    table = {group: set(labels.split(", ")) for group, labels in re.findall(r"^\| ([a-z, ]+) \| ([^|]+) \|$", text, re.M)}
    given = {(group, label) for (group, label), good in zip(classes, shipped) if good > 0.5}
    wanted = {label for group, label in classes if (group, label) not in given and label != "other"}
    told = {(group, label) for group, labels in table.items() for label in labels if group not in ("group", "silence", "unknown") and label[0] != "("}
    suite.check(given == told, "labels.md: what is given out", sorted(given ^ told))
    paragraph = re.sub(r"\s+", " ", "".join(re.findall(r"^Wanted, .*?\n\n", text, re.M | re.S)))
    missing = sorted(label for label in wanted if label not in paragraph)
    suite.check(paragraph and not missing, "labels.md: what is trained but not given out", missing)


def seen(value, documented, prefix=""):
    """The names of all members; of objects within only where the document tells of theirs."""
    names = set()
    for one in value if isinstance(value, list) else [value]:
        for name, inner in one.items() if isinstance(one, dict) else ():
            names.add(prefix + name)
            if any(other.startswith(f"{prefix}{name}.") for other in documented):
                names |= seen(inner, documented, f"{prefix}{name}.")
    return names


def compare(suite, document, heading, output):
    told = rows(text_of("schema", document), heading)
    documented = {names[0]: " ".join(cells) for names, cells in told}
    found = seen(output, documented)
    missing = {name for name, text in documented.items() if name not in found and "absent" not in text}
    suite.check(found and not missing and found <= set(documented), f"{document}: {heading}", f"not documented: {found - set(documented)}; not there: {missing}")


def test_json(suite):
    """Every member of what commands print is in the documents, and the other way round."""
    with Run(suite.build) as run:
        plugins = os.path.join(run.work, "plugins")
        os.mkdir(plugins)
        shutil.copy(os.path.join(suite.build, "tests", "hostile", "segv_in_process.so"), plugins)
        run.environment["SONDE_PLUGIN_PATH"] = plugins
        tone(run.sounds + "/one.wav", 1)
        tone(run.sounds + "/two.wav", 1, tag=b"the same sound")
        tone(os.fsencode(run.sounds) + b"/odd\xff.wav", 2)
        with open(run.sounds + "/broken.wav", "wb") as file:
            file.write(b"no sound " * 100)
        words = ("--catalogue", run.catalogue, "analyze", "--allow-weak-sandbox", "--progress", "json", run.sounds)
        said = [json.loads(line) for line in call(run, *words)[1].splitlines()]
        told = {names[0]: cells[0] for names, cells in rows(text_of("schema", "progress.md").split("`sonde watch`")[0])}
        found = {event["event"]: set() for event in said}
        for event in said:
            found[event["event"]] |= set(event) - {"event"}
        wrong = {event: members for event, members in found.items() if not members <= set(re.findall(r"\w+", told.get(event, "")))}
        suite.check({"file", "progress", "incident", "end"} <= set(found) and not wrong, "progress.md: events of sonde analyze", wrong)
        written = [name for name in re.sub(r"\([^)]*\)", "", told["end"]).split(", ") if name.strip() not in found["end"]]
        suite.check(not written, "progress.md: all that the last line has", written)
        sound = run.sounds + "/one.wav"
        for words in (("tag", sound, "mine"), ("set", sound, "bpm=100")):
            call(run, "--catalogue", run.catalogue, *words)

        def lines(*words):
            return [json.loads(line) for line in call(run, "--catalogue", run.catalogue, *words)[1].splitlines()]

        def whole(*words):
            return json.loads(call(run, "--catalogue", run.catalogue, *words)[1])

        find = whole("find", "--json") + whole("find", "--json", "--regions", "--similar", sound)
        compare(suite, "commands.md", "`sonde find --json`", find)
        compare(suite, "commands.md", "`sonde find --segments --json`", whole("find", "--segments", "--json"))
        compare(suite, "commands.md", "`sonde status --json`", whole("status", "--json"))
        compare(suite, "commands.md", "`sonde status --problems --json`", lines("status", "--problems", "--json"))
        incidents = lines("incidents", "--json")
        compare(suite, "commands.md", "`sonde incidents --json`", incidents)
        odd = {bytes.fromhex(incident["path_hex"]) for incident in incidents if "path_hex" in incident}
        suite.check(odd == {os.fsencode(run.sounds) + b"/odd\xff.wav"}, "incidents: the bytes of a path that its text doesn't tell", odd)
        compare(suite, "commands.md", "`sonde plugin list --json`", lines("plugin", "list", "--json"))
        compare(suite, "commands.md", "`sonde doctor --json`", whole("doctor", "--json"))
        compare(suite, "export.md", "JSON", whole("export", "--json"))
        shown = whole("plugin", "show", "key", "--json")
        more = {names[0] for names, _ in rows(text_of("schema", "commands.md"), "`sonde plugin show ID --json`")}
        told = set(re.findall(r"\w+", text_of("schema", "protocol.md").split("A plugin's descriptor as JSON:")[1].split("Engine to worker")[0]))
        suite.check(set(shown) <= more | told, "commands.md: sonde plugin show", set(shown) - more - told)
        for words in ((), ("--regions",), ("--value", "crest"), ("--duplicates",), ("--similar", sound)):
            head = call(run, "--catalogue", run.catalogue, "find", "--csv", *words)[1].split("\r\n")[0]
            text = text_of("schema", "commands.md").split("`--csv` has the columns")[1].split("\n## ")[0]
            suite.check(set(head.split(",")) - {"crest"} <= set(re.findall(r"\w+", text)), f"commands.md: columns with {words}", head)
        detail = rows(text_of("schema", "catalogue.md").split("### `incidents`")[1].split("\n### ")[0])
        told = set(re.findall(r"\w+", " ".join(cells[0] for names, cells in detail if names == ["detail"])))
        found = seen([incident["detail"] for incident in incidents], {})
        suite.check(found and found <= told, "catalogue.md: what an incident's detail tells", found - told)


if __name__ == "__main__":
    sys.exit(analysis.main(globals()))
