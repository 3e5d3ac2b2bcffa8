#!/usr/bin/python3
# SPDX-License-Identifier: GPL-2.0
"""readme.py: compare README.md with what it repeats, and measure it.

  scripts/lint.d/readme.py         prints the differences
  scripts/lint.d/readme.py FILE    prints the lines of make run in README.md that FILE, the output
                                   of one, does not have; .ci/run calls this

  length       no more than 200 lines, and three sentences before the first picture
  benchmarks   the rows of "xtcp beside the kernel's TCP", and the numbers below them, with bench.rst; also
               the numbers of bench.rst that other documents repeat
  dates        those of bench.rst: its tables are of one date, but what is marked as of an older run
  knobs        the rows of "Tune it" with the defaults of knobs.rst
  messages     those of "When something goes wrong" with the texts of the errors that the sources
               return and with the messages of xtcp-run
  make run     the lines of its output that "Try it in a virtual machine" shows with scripts/run.d/narrator,
               which checks them in each run; the number of stories with scripts/run.d/stories

user/settings compares the defaults with those of the module.
"""

import errno
import glob
import os
import re
import sys

TOP = os.path.dirname(os.path.dirname(os.path.dirname(os.path.abspath(__file__))))
README = "README.md"
# What a reader takes in: of the whole, and of the paragraph that says what xtcp is.
LINES_MAX, SENTENCES_MAX = 200, 3

# Each row of README's table: the row of bench.rst with its numbers, of 6.12.
BENCHMARKS = {
    "open and close a connection, both ends": "connection/open_close",
    "the same with a byte in each direction": "connection/crr",
    "answer a SYN with a cookie": "flood/cookie",
    "drop a SYN while the queue is full and cookies are off": "flood/full_drop_early",
    "answer a SYN with a half-open record": "flood/half_open",
    "size of that record, bytes": "halfopen/few.slab",
    "memory of a client's connection in TIME-WAIT, bytes": "timewait/kept.all",
    "a byte to and fro on an open connection": "transfer/rr",
    "the same between two processes that block": "processes/rr",
    "a KiB of a bulk transfer between two processes, over veth": "processes/bulk",
}
# Numbers of the text below the table: how README says them, the row and which of its numbers.
STOCK, XTCP, RATIO, MORE = 0, 1, 2, 3
IN_WORDS = (
    (r"the \*TCP wire\*: the first ratio is then (\d\.\d+)", "tcpwire/open_close", RATIO),
    (r"client's TIME-WAIT takes (\d+) bytes", "tcpwire/kept.all", XTCP),
    (r"a round trip of the kernel's TCP (\d+\.\d) % dearer", "tcpwire/hook", MORE),
)
# The same of other documents.
ELSEWHERE = {
    "Documentation/operate.rst": (
        (r"On the TCP wire it takes (\d+) bytes on Linux 6\.12", "tcpwire/kept.all", XTCP),
        (r"The kernel's TCP takes (\d+) bytes on 6\.12", "timewait/kept.all", STOCK),
        (r"costs ([\d,]+) instructions without a record", "connection/stateless", XTCP),
        (r"With a record it costs ([\d,]+),", "connection/open_close", XTCP),
        (r"round trip of the kernel's TCP then costs (\d+\.\d) % more", "tcpwire/hook", MORE),
        (r"a round trip costs (\d+\.\d) % more than without xtcp", "tcpwire/hook_flooded", MORE),
        (r"a new network namespace costs (\d+) % more", "namespace/create", MORE),
    ),
    "Documentation/synflood.rst": (
        (r"Such a drop costs (\d+) instructions", "flood/full_drop_early", XTCP),
        (r"the kernel's TCP needs ([\d,]+) \(", "flood/full_drop_early", STOCK),
        (r"or (\d+) where it needs", "flood/full_drop", XTCP),
        (r"it needs ([\d,]+) \(``flood/full_drop``\)", "flood/full_drop", STOCK),
    ),
}
BENCH, DATE, OLDER = "Documentation/bench.rst", r"\b20\d\d-\d\d-\d\d\b", "older run"
# What other programs say, and which.
FOREIGN = {"Module xtcp is in use": "rmmod", "Key was rejected by service": "modprobe"}


def read(name):
    with open(os.path.join(TOP, name), encoding="utf-8", errors="replace") as f:
        return f.read()


def section(text, title):
    return re.search(rf"^## {re.escape(title)}\n(.*?)(?=^## |\Z)", text, re.M | re.S).group(1)


def rows(text):
    """The cells of each line of a table, without its head."""
    lines = [line for line in text.splitlines() if line.startswith("|")]
    head = next(i for i, line in enumerate(lines) if re.fullmatch(r"[| -]+", line))
    # A cell may have a bar, with a backslash before it.
    return [[cell.strip() for cell in re.split(r"(?<!\\)\|", line)[1:-1]] for line in lines[head + 1:]]


def length(text):
    lines, said = text.count("\n"), []
    sentences = len(re.findall(r"[.!?](?=\s|$)", text.split("\n\n")[1]))
    if lines > LINES_MAX:
        said.append(f"{README}: {lines} lines, more than {LINES_MAX}")
    if sentences > SENTENCES_MAX:
        said.append(f"{README}: begins with {sentences} sentences, more than {SENTENCES_MAX}")
    return said


def measured():
    """The numbers of each row of bench.rst; some names are repeated for 6.1, below the table of 6.12."""
    found = {}
    for m in re.finditer(r"^    (\w+/\S+)(?: \(\S+\))? +([\d,.]+) +([\d,.]+) +([\d.]+)(?= |$)", read(BENCH), re.M):
        found.setdefault(m.group(1), m.groups()[1:])
    return found


def wanted_of(numbers, place, shown):
    """What a text has to say in place of @shown."""
    if place == MORE:
        return f"{100 * float(numbers[RATIO]) - 100:.{len(shown.partition('.')[2])}f}"
    return f"{float(numbers[RATIO]):.2f}" if place == RATIO else numbers[place]


def in_words(name, text, patterns, found):
    text, said = " ".join(text.split()), []
    for pattern, row, place in patterns:
        m = re.search(pattern, text)
        if not m:
            said.append(f"{name}: does not say: {pattern}")
        elif row not in found:
            said.append(f"{name}: bench.rst has no row {row}")
        elif m.group(1) != wanted_of(found[row], place, m.group(1)):
            said.append(f"{name}: {m.group()}: bench.rst has {wanted_of(found[row], place, m.group(1))} ({row})")
    return said


def benchmarks(text):
    found = measured()
    part, said = section(text, "xtcp beside the kernel's TCP"), []

    labels = set()
    for label, *numbers in rows(part):
        labels.add(label)
        if label not in BENCHMARKS:
            said.append(f"{README}: readme.py knows no row of bench.rst for: {label}")
        elif BENCHMARKS[label] not in found:
            said.append(f"{README}: bench.rst has no row {BENCHMARKS[label]}")
        else:
            for place, shown in enumerate(numbers):
                wanted = wanted_of(found[BENCHMARKS[label]], place, shown)
                if shown != wanted:
                    said.append(f"{README}: {label}: {shown}, but bench.rst has {wanted} ({BENCHMARKS[label]})")
    said += [f"{README}: has no row: {label}" for label in BENCHMARKS if label not in labels]
    said += in_words(README, part, IN_WORDS, found)
    for name, patterns in ELSEWHERE.items():
        said += in_words(name, read(name), patterns, found)
    return said


def dates(_):
    """Rows of two dates may be of two modules, and don't compare."""
    text = read(BENCH)
    found = {date for paragraph in re.split(r"\n\s*\n", text) if OLDER not in " ".join(paragraph.split())
             for date in re.findall(DATE, paragraph)}
    said = []
    if len(found) != 1:
        said.append(f"{BENCH}: its tables are of {' and '.join(sorted(found)) or 'no date'}: one date, or say \"{OLDER}\"")
    m = re.search(rf"({DATE}), on 6\.12, all rows \(bench\.rst\)", read("Documentation/testing.rst"))
    if not m or m.group(1) not in found:
        said.append(f"Documentation/testing.rst: bench.rst has another date than {m.group(1) if m else 'none'}")
    return said


def defaults():
    """By knob: the first words of its default, up to a comma or a full stop."""
    found, names = {}, []
    for line in read("Documentation/knobs.rst").splitlines():
        m = re.match(r"(xtcp_\w+(?:, xtcp_\w+)*) - ", line)
        if m:
            names = m.group(1).split(", ")
        m = re.match(r"\t- Default: (.+?)(?:[.,;](?: |$)|$)", line)
        if m:
            for name in names:
                found.setdefault(name, m.group(1).replace("``", ""))
    return found


def knobs(text):
    known, said, seen = defaults(), [], 0
    for names, shown, _ in rows(section(text, "Tune it")):
        names = [f"xtcp_{name}" for name in re.findall(r"`(\w+)`", names)]
        # "1 0 (none)": the words in parentheses are README's own.
        values = re.sub(r" \(.*?\)", "", shown).split(", ")
        if len(names) != len(values):
            said.append(f"{README}: {len(names)} knobs and {len(values)} defaults: {', '.join(names)}")
            continue
        for name, value in zip(names, values):
            seen += 1
            if name not in known:
                said.append(f"{README}: there is no knob {name}")
            elif value != known[name]:
                said.append(f"{README}: {name} is {value}, but its default is {known[name]}")
    return said if seen else [f"{README}: has no table of knobs"]


def messages(text):
    sources = "".join(read(os.path.relpath(name, TOP)) for pattern in ("module/*/*.c", "module/*.c", "scripts/xtcp-*.c")
                      for name in glob.glob(os.path.join(TOP, pattern)))
    code = re.sub(r"/\*.*?\*/", "", sources, flags=re.S)
    errors = {os.strerror(getattr(errno, name)) for name in re.findall(r"\b(E[A-Z]{3,})\b", code) if hasattr(errno, name)}
    # A number is printed in place of %d.
    literal = code.replace("%d", "253")
    said, seen = [], 0
    for first, _ in rows(section(text, "When something goes wrong")):
        for message in re.findall(r"`([A-Z][a-z].*?|the .*?)`", first):
            seen += 1
            if message not in errors and f'"{message}' not in literal and message not in FOREIGN:
                said.append(f"{README}: nothing says: {message}")
    return said if seen else [f"{README}: has no table of messages"]


def run_block(part):
    """The lines of make run that README.md shows; "…" stands for others."""
    block = re.search(r"^    (=== .*\n(?:    .*\n|\n)*)", part, re.M).group(1)
    return [line.strip() for line in block.splitlines() if line.strip()]


def make_run(text):
    """The block that begins with a chapter of the narrator."""
    story, part = read("scripts/run.d/narrator"), section(text, "Try it in a virtual machine")
    lines = [line for line in run_block(part) if line != "…"]
    said = []

    def expect(line, found):
        if not found:
            said.append(f"{README}: make run does not print: {line}")

    title = lines[0].removeprefix("=== ")
    start = story.find(f'\nchapter "{title}"')
    expect(lines[0], start >= 0)
    chapter = story[start:story.find("\n# --- ", start + 1)]
    told = re.findall(r"^segments \"(.*)\" <<-'END'\n(.*?)^END$", chapter, re.M | re.S)
    hosts = next((line.split() for line in lines if re.fullmatch(r"[a-z]+ {9,}[a-z]+", line)), None)
    arrows = re.compile(r"([\d.]+) s  \|(<?)-+ ([A-Z,]+) seq=(\S+)(?: ack=(\S+))? len=(\S+) .*-(>?)\|")
    shown = [m.groups() for m in map(arrows.fullmatch, lines) if m]
    shown = [[str(float(at)), *(hosts[::-1] if back else hosts), flags, seq, ack or "-", length]
             for at, back, flags, seq, ack, length, _ in shown]
    wanted = [line.split() for _, rows_of in told for line in rows_of.splitlines()]
    expect("its segments", shown == [[str(float(w[0])), *w[1:7]] for w in wanted])
    planned = re.search(r"^planned=(\d+)\b", story, re.M)
    for line in lines[1:]:
        if line.startswith("ok "):
            fact = line.removeprefix("ok").strip()
            expect(line, fact in [f for f, _ in told] or f'"{fact}"' in chapter)
        elif line.endswith("wrong."):
            expect(line, line == f"{planned.group(1)} checks, 0 wrong.")
        elif line.startswith("make run: "):
            pattern = re.search(r'echo "(make run: every check passed.*?)"', read("scripts/run")).group(1)
            expect(line, re.fullmatch(re.sub(r"\\\$\\\(.*\\\)", r"\\d+", re.escape(pattern)), line))
        elif line.split() != hosts and not arrows.fullmatch(line):
            said.append(f"{README}: readme.py knows nothing of: {line}")
    others = len(read("scripts/run.d/stories").splitlines())
    m = re.search(r"`make run STORY=list` names (\S+)\s+more stories", part)
    expect(f"{m.group(1) if m else 'no number of'} more stories but {others}", m and m.group(1) == str(others))
    return said


def masked(line):
    """Without what differs between two runs: thousandths of a second, and the seconds of the whole."""
    line = re.sub(r"\b\d+\.\d{3}(?= s  )", lambda m: f"{float(m.group()):.1f}", line.strip())
    return re.sub(r"(?<=ran for )\d+(?= s)", "N", line)


def printed(text, output):
    """README's lines are in the output of make run, in this order; nothing is between two without "…"."""
    got, at, said = [masked(line) for line in output.splitlines()], 0, []
    others = True
    for line in run_block(section(text, "Try it in a virtual machine")):
        if line == "…":
            others = True
            continue
        try:
            found = got.index(masked(line), at)
        except ValueError:
            found = None
        if found is None or (found > at and not others):
            said.append(f"{README}: this make run did not print, or not here: {line}")
        at, others = (at if found is None else found + 1), found is None
    return said


def main():
    text = read(README)
    if len(sys.argv) > 1:
        with open(sys.argv[1], encoding="utf-8", errors="replace") as f:
            said = printed(text, f.read())
        print("\n".join(said), end="\n" if said else "")
        sys.exit(bool(said))
    for step in (length, benchmarks, dates, knobs, messages, make_run):
        for line in step(text):
            print(line)


if __name__ == "__main__":
    main()
