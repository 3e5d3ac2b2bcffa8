#!/usr/bin/python3
# SPDX-License-Identifier: GPL-2.0
"""flood.py FILE: pages served during two floods, from the output of scripts/run.d/flood.

The picture goes to standard output. over_time() of that script describes the lines of FILE.
"""

import re
import sys

from page import Page, Panel

WIDTH, LEFT, SIZE, SECONDS = 1000, 70, (900, 190), 100
LINE = re.compile(r"^(attack|visit|queue) ([01]) (\d+) (\d+)$", re.M)
WAYS = (("0", "vB", "B", "without cookies (xtcp_syncookies=0)"), ("1", "vG", "G", "with cookies (1, the default)"))


def read(path):
    """{(kind, cookies): [(number, number), ...]}"""
    found = {}
    with open(path, encoding="utf-8", errors="replace") as f:
        for kind, cookies, first, second in LINE.findall(f.read()):
            found.setdefault((kind, cookies), []).append((int(first), int(second)))
    for kind in ("attack", "visit", "queue"):
        for cookies, *_ in WAYS:
            if not found.get((kind, cookies)):
                sys.exit(f"flood.py: {path} has no line {kind} {cookies}")
    return found


def served(visits):
    """Steps of pages a second."""
    counts = [0] * SECONDS
    for ms, status in visits:
        if status == 200 and ms < SECONDS * 1000:
            counts[ms // 1000] += 1
    return [(second + more, count) for second, count in enumerate(counts) for more in (0, 1)]


def draw(found):
    page = Page(WIDTH)
    page.text(WIDTH / 2, 20, "A server under a SYN flood: 10,000 SYNs a second, for 10 s", "h m")
    pages = Panel(page, LEFT, 84, SIZE, SECONDS, 25, "Pages served, per second")
    queue = Panel(page, LEFT, 336, SIZE, SECONDS, 150, "Half-open connections of the listener (backlog 128)")
    start, end = found["attack", "1"][0]
    for panel in (pages, queue):
        panel.page.area(panel.x(start / 1000), panel.top, panel.x(end / 1000) - panel.x(start / 1000),
                        panel.height, "n")
    pages.axes(10, 5)
    queue.axes(10, 50)
    page.text(pages.x((start + end) / 2000), pages.top + 14, "flood", "s m")
    for i, (cookies, line, area, words) in enumerate(WAYS):
        visits = found["visit", cookies]
        pages.line(served(visits), line)
        queue.line([(ms / 1000, length) for ms, length in found["queue", cookies]], line)
        failed = sum(status != 200 for _, status in visits)
        page.area(LEFT + 480 * i, 38, 18, 10, area)
        page.text(LEFT + 480 * i + 24, 47, f"{words}: {failed} of {len(visits):,} visits failed")
    return page.document(queue.top + queue.height + 30, "Pages served under a SYN flood")


print(draw(read(sys.argv[1])), end="")
