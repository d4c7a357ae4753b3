"""Counts the tests of meson logs (testlog.json, one JSON object a line): prints "PASSED FAILED".

    test_counts.py LOG [AGAIN]       AGAIN: of those that ran a second time, what counts is that, and it is told
    test_counts.py --failed LOG      prints the names of the tests that failed, if they are at most three

A program that speaks TAP counts with each of its test points; any other counts as one. A program that failed counts at
least one failure, whatever its points said (a crash after the last point, a leak at exit). Skipped tests count as neither.
What failed is told on stderr, with the comments around it, for meson shows nothing of what a TAP program writes to stdout.
"""
import json
import re
import sys

SHOWN = 60  # lines of one program


def count(record):
    output = record.get("stdout", "")
    good = len(re.findall(r"^ok\b(?!.*# SKIP)", output, re.M))
    bad = len(re.findall(r"^not ok\b(?!.*# (?:SKIP|TODO))", output, re.M))
    result = record["result"]
    if result == "SKIP":
        return 0, 0
    if result in ("OK", "EXPECTEDFAIL"):
        return max(good, 1), bad
    return good, max(bad, 1)


def explain(record):
    """The points that failed and every line that is no point at all: comments, and what a dying program left behind."""
    lines = [line for line in record.get("stdout", "").splitlines() if not re.match(r"ok\b|1\.\.\d|\s*$", line)]
    print(f"-- {record['name']}: {record['result']}", file=sys.stderr)
    for line in lines[-SHOWN:]:
        print(f"   {line}", file=sys.stderr)


def read(path):
    with open(path, encoding="utf-8") as log:
        return {record["name"]: record for record in map(json.loads, log)}


def failed_names(path):
    names = [name.split(" / ")[-1] for name, record in read(path).items() if count(record)[1]]
    return names if len(names) <= 3 else []


def main():
    if sys.argv[1] == "--failed":
        print(*failed_names(sys.argv[2]))
        return
    first = read(sys.argv[1])
    again = read(sys.argv[2]) if len(sys.argv) > 2 else {}
    passed = failed = 0
    for name, record in first.items():
        if count(record)[1]:
            explain(record)
            if name in again and not count(again[name])[1]:
                print(f"-- {name}: FLAKY: failed among others, passed alone", file=sys.stderr)
        good, bad = count(again.get(name, record))
        passed += good
        failed += bad
    print(passed, failed)


main()
