#!/usr/bin/python3
# SPDX-License-Identifier: GPL-2.0
"""counters.py: each counter of module/observe/stats.h has a test.

  scripts/lint.d/counters.py

The test's name contains ctr_NAME, where NAME is the counter's in /proc, and the test, or
what it calls in its folder, names it: "NAME". A name in counters_ignore() does not count.
Prints the counters without a test.
"""

import glob
import os
import re
import sys

TOP = os.path.dirname(os.path.dirname(os.path.dirname(os.path.abspath(__file__))))
COUNTER = re.compile(r'X\(\w+,\s*"(\w+)"\)')
# A definition begins in the first column, and a macro that defines a test as well.
BLOCK = re.compile(r"^(?=[A-Za-z_])", re.M)
TEST = re.compile(r"\w+\((?:\w+, )?(\w*ctr_\w+)")
FUNCTION = re.compile(r"[^=;(]*?(\w+)\(")
IGNORED = re.compile(r"\bcounters_ignore\([^;]*;")
NAMED = re.compile(r"ctr_([A-Z][A-Za-z0-9]*)")


def read(name):
    with open(os.path.join(TOP, name), errors="replace") as f:
        return f.read()


def with_calls(block, functions):
    """The text of a test and of all functions of its folder that it reaches."""
    reached, ahead = [], [block]
    while ahead:
        reached.append(ahead.pop())
        called = {functions.get(f) for f in re.findall(r"\b(\w+)\(", reached[-1])} - {None}
        ahead += [f for f in called if f not in reached + ahead]
    return "".join(reached)


def counters_of_tests(name):
    """The counters that tests of a program have in their names, and name."""
    tests, functions, found = [], {}, set()
    headers = glob.glob(os.path.dirname(name) + "/*.h", root_dir=TOP)
    for block in BLOCK.split("".join(map(read, headers + [name]))):
        test, function = TEST.match(block), FUNCTION.match(block)
        if test:
            tests.append((NAMED.findall(test.group(1)), block))
        elif function:
            functions[function.group(1)] = block
    for names, block in tests:
        said = IGNORED.sub("", with_calls(block, functions))
        found |= {n for n in names if f'"{n}"' in said}
    return found


def main():
    tested = set()
    for name in glob.glob("selftests/*/*.c", root_dir=TOP):
        tested |= counters_of_tests(name)
    counters = COUNTER.findall(read("module/observe/stats.h"))
    lacking = [c for c in counters if c not in tested]
    for counter in lacking:
        print(f"module/observe/stats.h: {counter}: no test ..._ctr_{counter}_... names it")
    if not counters:
        print("module/observe/stats.h: no counters found")
    return 1 if lacking or not counters else 0


if __name__ == "__main__":
    sys.exit(main())
