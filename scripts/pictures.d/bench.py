#!/usr/bin/python3
# SPDX-License-Identifier: GPL-2.0
"""bench.py: the ratios of Documentation/bench.rst as a chart, on standard output.

The tables of that document are the only source. `scripts/lint pictures` compares the file in
Documentation/pictures with what this program prints.
"""

import os
import re
import sys

from page import TOP, Page

SOURCE = os.path.join(TOP, "Documentation", "bench.rst")
WIDTH, LEFT, RIGHT, ROW, MOST = 1000, 270, 930, 17, 1.25

# (title of the section, which of its tables, and the names of the ratios' columns)
GROUPS = (
    ("Native wire", "Results", 1, ("6.12", "6.1")),
    ("TCP wire", "The TCP wire", 0, ("6.12", "6.1")),
    ("Firewall, native wire", "A firewall", 0, ("6.12",)),
    ("Two processes that block, native wire", "Processes that block", 0, ("6.12",)),
    ("Amid many connections, few ports", "Many connections, few ports", 0, ("6.12",)),
)


def section(text, title):
    match = re.search(rf"^{re.escape(title)}\n=+\n(.*?)(?=^[^\n]+\n=+\n|\Z)", text, re.M | re.S)
    if not match:
        sys.exit(f"bench.py: {SOURCE} has no section {title}")
    return match.group(1)


def tables(text):
    """The literal blocks with a column "ratio", each a list of lines."""
    blocks = re.findall(r"::\n\n((?:    .*\n|\n)+)", text)
    lines = [[line for line in block.splitlines() if line.strip()] for block in blocks]
    return [block for block in lines if "ratio" in block[0].split()]


def rows(table):
    """For each line: its name, its ratios, of which one may be missing, and the goal or None."""
    ends = [m.end() for m in re.finditer(r"\bratio\b", table[0])]
    found = []
    for line in table[1:]:
        name = re.split(r"\s{2,}", line.strip())[0]
        numbers = {m.end(): float(m.group()) for m in re.finditer(r"(?<!\S)-?\d+\.\d+(?!\S)", line)}
        goal = re.search(r"\s([01]\.\d+) (?:ok|OVER)(?:\s+~.*)?$", line)
        # Some tables stand a column beside their header.
        found.append((name, [next((n for end, n in numbers.items() if abs(end - e) <= 1), None) for e in ends],
                      float(goal.group(1)) if goal else None))
    return found


def shown(name, ratio):
    """Rows of both stacks with the same unit of work; a share is a part of another row."""
    return ratio is not None and ratio > 0 and "share" not in name


def group_rows(text, title, number, columns):
    found = tables(section(text, title))
    if len(found) <= number:
        sys.exit(f"bench.py: no table in {title}")
    some = [(name, ratios[:len(columns)], goal) for name, ratios, goal in rows(found[number])
            if shown(name, ratios[0])]
    if not some:
        sys.exit(f"bench.py: no ratio in the table of {title}")
    return some


def x_of(ratio):
    return LEFT + min(ratio, MOST) * (RIGHT - LEFT) / MOST


def draw(groups):
    page, y = Page(WIDTH), 78
    top = y - 14
    page.text(WIDTH / 2, 20, "Instructions or bytes of xtcp, divided by those of the kernel's TCP", "h m")
    page.area(LEFT, 33, 18, 10, "G")
    page.text(LEFT + 24, 42, "less, 6.12")
    page.area(LEFT + 110, 33, 18, 10, "B")
    page.text(LEFT + 134, 42, "more, 6.12")
    page.ring(LEFT + 230, 38)
    page.text(LEFT + 240, 42, "6.1")
    page.path(f"M{LEFT + 286} 32v12", "g")
    page.text(LEFT + 294, 42, "goal")
    lines, body = page.out, []
    page.out = body
    for title, some in groups:
        page.text(12, y + 6, title, "h")
        y += 24
        for name, ratios, goal in some:
            ratio = ratios[0]
            page.text(LEFT - 8, y + 4, name, "t e")
            page.area(LEFT, y - 5, x_of(ratio) - LEFT, 10, "B" if ratio > 1 else "G")
            if goal is not None:
                page.path(f"M{x_of(goal):.1f} {y - 7}v14", "g")
            if len(ratios) > 1 and ratios[1] is not None:
                page.ring(x_of(ratios[1]), y)
            page.text(RIGHT + 14, y + 4, f"{ratio:.3f}", "t")
            y += ROW
        y += 12
    page.out = lines
    for quarter in range(0, 6):
        x = x_of(quarter / 4)
        page.path(f"M{x:.1f} {top}V{y - 12}", "z" if quarter == 4 else "b")
        page.text(x, top - 4, "1 = the kernel's TCP" if quarter == 4 else f"{quarter / 4:g}", "s m")
    page.out += body
    return page.document(y, "Ratios of make bench")


def main():
    with open(SOURCE, encoding="utf-8") as f:
        text = f.read()
    print(draw([(name, group_rows(text, title, number, columns))
                for name, title, number, columns in GROUPS]), end="")


main()
