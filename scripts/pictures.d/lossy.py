#!/usr/bin/python3
# SPDX-License-Identifier: GPL-2.0
"""lossy.py FILE: a transfer over a lossy path, of xtcp and of the kernel's TCP.

FILE is the output of `scripts/plot --samples`. The picture goes to standard output.
"""

import math
import sys

from page import Page, Panel, step_of

WIDTH, LEFT, SIZE, APART = 1000, 70, (900, 170), 240
WAYS = (("stock", "vB", "B", "the kernel's TCP"), ("xtcp", "vG", "G", "xtcp"))
MS, CWND, SSTHRESH, ACKED, RESENT, PHASE, RTT = range(7)
NO_THRESHOLD = 1 << 20


def read(path):
    """{stack: [row, ...]}"""
    found = {name: [] for name, *_ in WAYS}
    with open(path, encoding="utf-8", errors="replace") as f:
        for line in f:
            words = line.split()
            if len(words) == 8 and words[0] in found:
                found[words[0]].append([int(w) for w in words[1:]])
    for name, rows in found.items():
        if not rows:
            sys.exit(f"lossy.py: {path} has no line of {name}")
    return found


def acknowledged(row):
    return row[ACKED] / 1024


def draw(found):
    page = Page(WIDTH)
    seconds = math.ceil(max(rows[-1][MS] for rows in found.values()) / 250) / 4
    page.text(WIDTH / 2, 20, "2 MiB over a path of 20 Mbit/s and 40 ms that loses one per cent", "h m")
    for i, (name, _, area, words) in enumerate(WAYS):
        last = found[name][-1]
        page.area(LEFT + 480 * i, 38, 18, 10, area)
        page.text(LEFT + 480 * i + 24, 47, f"{words}: {last[MS] / 1000:.2f} s, {last[RESENT]} segments sent again")
    panels = (("Bytes acknowledged, KiB (rings: a segment is sent again)", acknowledged),
              ("Congestion window, segments (thin: slow start threshold)", lambda row: row[CWND]),
              ("Smoothed round trip time, ms", lambda row: row[RTT] / 1000))
    for i, (title, value) in enumerate(panels):
        top = max(value(row) for rows in found.values() for row in rows)
        step = step_of(top)
        panel = Panel(page, LEFT, 84 + APART * i, SIZE, seconds, step * math.ceil(top / step), title)
        panel.axes(1, step)
        for name, line, _, _ in WAYS:
            rows = found[name]
            panel.line([(row[MS] / 1000, value(row)) for row in rows], line)
            if value is acknowledged:
                for before, row in zip(rows, rows[1:]):
                    if row[RESENT] > before[RESENT]:
                        page.ring(panel.x(row[MS] / 1000), round(panel.y(value(row)), 1))
            elif "threshold" in title:
                panel.line([(row[MS] / 1000, row[SSTHRESH]) for row in rows if row[SSTHRESH] < NO_THRESHOLD],
                           line + " w")
    return page.document(84 + APART * 2 + SIZE[1] + 30, "A transfer over a lossy path")


print(draw(read(sys.argv[1])), end="")
