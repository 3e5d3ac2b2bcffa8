#!/usr/bin/python3
# SPDX-License-Identifier: GPL-2.0
"""windows.py FILE: the windows of three congestion controls of xtcp and of the kernel's TCP.

FILE is the output of `scripts/rivals --samples`. The picture goes to standard output.
"""

import math
import sys

from page import Page, Panel, step_of

WIDTH, LEFT, SIZE, APART = 1000, 70, (900, 150), 210
WAYS = (("stock", "vB", "B", "the kernel's TCP"), ("xtcp", "vG", "G", "xtcp"))
RULES = ("cubic", "reno", "bbr")
MS, CWND, RTT = range(3)


def read(path):
    """{(stack, rule): [row, ...]}"""
    found = {(name, rule): [] for name, *_ in WAYS for rule in RULES}
    with open(path, encoding="utf-8", errors="replace") as f:
        for line in f:
            words = line.split()
            if len(words) == 5 and tuple(words[:2]) in found:
                found[words[0], words[1]].append([int(w) for w in words[2:]])
    for key, rows in found.items():
        if not rows:
            sys.exit(f"windows.py: {path} has no line of {' '.join(key)}")
    return found


def mean_ms(rows):
    """Mean round trip time of the second half."""
    half = [row[RTT] for row in rows[len(rows) // 2:]]
    return sum(half) / len(half) / 1000


def draw(found):
    page = Page(WIDTH)
    seconds = math.ceil(max(rows[-1][MS] for rows in found.values()) / 1000)
    page.text(WIDTH / 2, 20, "Congestion window in segments, of one flow over 5 Mbit/s and 40 ms "
              "with a queue of 26 packets", "h m")
    for i, (_, _, area, words) in enumerate(WAYS):
        page.area(LEFT + 240 * i, 38, 18, 10, area)
        page.text(LEFT + 240 * i + 24, 47, words)
    for i, rule in enumerate(RULES):
        top = max(row[CWND] for name, *_ in WAYS for row in found[name, rule])
        step = step_of(top)
        panel = Panel(page, LEFT, 84 + APART * i, SIZE, seconds, step * math.ceil(top / step),
                      f"{rule}: mean round trip time {mean_ms(found['xtcp', rule]):.0f} ms, "
                      f"the kernel's {mean_ms(found['stock', rule]):.0f} ms")
        panel.axes(1, step)
        for name, line, _, _ in WAYS:
            panel.line([(row[MS] / 1000, row[CWND]) for row in found[name, rule]], line)
    return page.document(84 + APART * 2 + SIZE[1] + 30, "Windows of cubic, reno and bbr")


print(draw(read(sys.argv[1])), end="")
