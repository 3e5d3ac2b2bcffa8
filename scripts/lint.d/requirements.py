#!/usr/bin/python3
# SPDX-License-Identifier: GPL-2.0
"""requirements.py: compare Documentation/requirements.rst with the code and the tests.

  scripts/lint.d/requirements.py          prints the differences
  scripts/lint.d/requirements.py --write  rewrites the lines "Tests:"

A test's name begins with the id that it proves: lc_33_... with LC-33,
rfc9293_must_07_... with MUST-7, rfc6298_... with RFC-6298, wish_04_... with
WISH-04. rfc9293_shld_15_16_may_07_... proves three. Checks that

  - each id in module/, in selftests/ and in a test's name has an entry
  - the entry's tests are exactly those whose names say so
  - an entry without tests says why: "No test: ..."
"""

import os
import re
import subprocess
import sys
import textwrap

TOP = os.path.dirname(os.path.dirname(os.path.dirname(os.path.abspath(__file__))))
LIST = "Documentation/requirements.rst"
ENTRY = re.compile(r"^((?:LC|MUST|SHLD|MAY|REC|RFC|WISH)-\d+)$")
CITED = re.compile(r"\b((?:LC|MUST|SHLD|MAY|REC|WISH)-\d+)")
# Also a test that is made by a macro of its file, if the macro gets the whole name.
NAME = re.compile(r"^(?:program_test |[A-Z][A-Z_]*\((?:\w+,\s*)?)"
                  r"((?:lc|rfc|wish)_?\d+_\w+)(?!\w*#)", re.M)
WIDTH = 88


def files(*patterns):
    text = subprocess.run(["git", "ls-files", "-co", "--exclude-standard", "--", *patterns],
                          cwd=TOP, stdout=subprocess.PIPE, text=True, check=True).stdout
    return sorted({f for f in text.splitlines() if os.path.exists(os.path.join(TOP, f))})


def read(name):
    with open(os.path.join(TOP, name), errors="replace") as f:
        return f.read()


def ids_of(test):
    """The ids in the prefix of a test's name."""
    m = re.match(r"(lc|wish)_(\d+)_", test)
    if m:
        return [f"{m.group(1).upper()}-{m.group(2)}"]
    m = re.match(r"rfc(\d+)_", test)
    if not m:
        return []
    found, kind = [], None
    for word in test.split("_")[1:] if m.group(1) == "9293" else ():
        if word in ("must", "shld", "may", "rec"):
            kind = word.upper()
        elif kind and re.fullmatch(r"\d\d", word):
            found.append(f"{kind}-{int(word)}")
        elif word != "and":
            break
    return found or [f"RFC-{m.group(1)}"]


def tests():
    """id -> program -> names of its tests."""
    found = {}
    for name in files("selftests/*/*.c", "selftests/*/*.sh"):
        program = os.path.splitext(os.path.relpath(name, "selftests"))[0]
        for test in NAME.findall(read(name)):
            for key in ids_of(test):
                names = found.setdefault(key, {}).setdefault(program, [])
                if test not in names:
                    names.append(test)
    return found


def paragraph(programs):
    """The lines of an entry that list its tests."""
    text = "Tests: " + "; ".join(f"{p} {', '.join(sorted(t))}" for p, t in sorted(programs.items())) + "."
    return textwrap.wrap(text, WIDTH - 8, break_long_words=False, break_on_hyphens=False)


def entries(text):
    """(id, its lines) for each entry; (None, lines) for lines between entries."""
    block, key = [], None
    for line in text.splitlines():
        m = ENTRY.match(line)
        if m or (key and line and not line.startswith("\t")):
            yield key, block
            block, key = [], m.group(1) if m else None
        block.append(line)
    yield key, block


def renew(key, block, found):
    """The entry's lines with an up-to-date list of tests."""
    body, tail = list(block), []
    while not body[-1]:
        tail.append(body.pop())
    start = next((i for i, line in enumerate(body) if line.startswith("\tTests:")), None)
    if start is not None:
        del body[start:]
        while not body[-1]:
            body.pop()
    if key in found:
        body += [""] + ["\t" + line for line in paragraph(found[key])]
    return body + tail


def unlisted(known, found):
    said = [f"{LIST}: no entry {key}, which {program} {names[0]} proves"
            for key, programs in sorted(found.items()) if key not in known
            for program, names in programs.items()]
    for name in files("module/*", "selftests/*"):
        for number, line in enumerate(read(name).splitlines(), 1):
            said += [f"{name}:{number}: {LIST} has no entry {key}"
                     for key in CITED.findall(line) if key not in known]
    return said


def main():
    found, old = tests(), read(LIST)
    new, known, said = [], set(), []
    for key, block in entries(old):
        if not key:
            new += block
            continue
        if key in known:
            said.append(f"{LIST}: {key} has two entries")
        known.add(key)
        renewed = renew(key, block, found)
        new += renewed
        if renewed != block:
            said.append(f"{LIST}: {key}: other tests than those in selftests/")
        if (key in found) == any(line.startswith("\tNo test:") for line in block):
            said.append(f"{LIST}: {key}: needs tests or a reason \"No test: ...\", and not both")
    if "--write" in sys.argv[1:]:
        with open(os.path.join(TOP, LIST), "w") as f:
            f.write("\n".join(new) + "\n")
        return 0
    said += unlisted(known, found)
    if any("other tests" in line for line in said):
        said.append("scripts/lint.d/requirements.py --write mends the lists of tests")
    print("\n".join(said), end="\n" if said else "")
    return 1 if said else 0


if __name__ == "__main__":
    sys.exit(main())
