"""Counts the tests of a meson log (testlog.json, one JSON object a line): prints "PASSED FAILED".

A program that speaks TAP counts with each of its test points; any other counts as one. A program that failed counts at
least one failure, whatever its points said (a crash after the last point, a leak at exit). Skipped tests count as neither.
"""
import json
import re
import sys


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


def main():
    passed = failed = 0
    with open(sys.argv[1], encoding="utf-8") as log:
        for line in log:
            good, bad = count(json.loads(line))
            passed += good
            failed += bad
    print(passed, failed)


main()
