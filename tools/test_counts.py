"""Counts the tests of a meson log (testlog.json, one JSON object a line): prints "PASSED FAILED".

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
    """The points that failed and every line that is no point at all: comments, and what a dying program left behind (a
    sanitizer's report comes on stderr, at the very end)."""
    lines = [line for line in record.get("stdout", "").splitlines() if not re.match(r"ok\b|1\.\.\d|\s*$", line)]
    print(f"-- {record['name']}: {record['result']}", file=sys.stderr)
    for line in lines[-SHOWN:] + record.get("stderr", "").splitlines()[-SHOWN:]:
        print(f"   {line}", file=sys.stderr)


def main():
    passed = failed = 0
    with open(sys.argv[1], encoding="utf-8") as log:
        for line in log:
            record = json.loads(line)
            good, bad = count(record)
            passed += good
            failed += bad
            if bad:
                explain(record)
    print(passed, failed)


main()
