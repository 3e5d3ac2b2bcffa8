# SPDX-License-Identifier: GPL-2.0
"""flowsvg: flows as time-sequence graphs, cwnd and RTT in one SVG file, side by side."""

import math

from xtcptool import laddersvg
from xtcptool.flow import UNKNOWN
from xtcptool.page import Page, Panel, step_of
from xtcptool.segment import end_text
from xtcptool.text import plural

LEFT, APART, TOP = 76, 70, 92
WIDTH_ONE, WIDTH_BESIDE = 880, 560
TALL, LOW, BETWEEN = 360, 140, 56
SEEN = 9	# pixels of a retransmission, which may be a small part of the whole

# Class and words of each kind of retransmission.
REASONS = {"RTO": ("r1", "RTO"), "loss-probe": ("r2", "loss probe"), "RACK": ("r3", "RACK"),
           "duplicate-ACKs": ("r4", "duplicate ACKs"), "slow-start": ("r5", "after a timeout"),
           "window-probe": ("r6", "window probe"), "keepalive": ("r6", "keepalive"), UNKNOWN: ("r3", UNKNOWN)}
LIGHT = ("#c01c28", "#b45309", "#be185d", "#7c3aed", "#dc5f00", "#667085")
DARK = ("#ff6b6b", "#f0a35e", "#ff7ac0", "#b79cff", "#ff9d4d", "#9aa4b2")


def rules(colours, tints, ack, window, sack):
    return (".d{stroke:%s;stroke-width:1.4}" % colours["ink"] +
            "".join(f"path.r{i}{{stroke:{tint};stroke-width:3.5}}" for i, tint in enumerate(tints, 1)) +
            f".a{{stroke:{ack};stroke-width:1.3}}.i{{stroke:{window};stroke-width:1.2;stroke-dasharray:5 3}}"
            f".q{{stroke:{sack};stroke-width:1.8}}\n")


STYLE = (rules(laddersvg.LIGHT, LIGHT, "#2f7d32", "#a16207", "#0e7490") + "@media(prefers-color-scheme:dark){\n" +
         rules(laddersvg.DARK, DARK, "#7bc67e", "#d9b44a", "#4cc3d9") + "}")


def bars(panel, marks, kind, least=1):
    """A vertical bar of @least pixels for each (time, first number, number behind it); those that touch are one."""
    columns = {}
    for when, start, end in marks:
        columns.setdefault(round(panel.x(when), 1), []).append((start, end))
    drawn = []
    for x, spans in columns.items():
        spans.sort()
        joined = [list(spans[0])]
        for start, end in spans[1:]:
            if start <= joined[-1][1]:
                joined[-1][1] = max(end, joined[-1][1])
            else:
                joined.append([start, end])
        for start, end in joined:
            more = max(least - (panel.y(start) - panel.y(end)), 0) / 2
            drawn.append(f"M{x:g} {panel.y(start) + more:.1f}V{panel.y(end) - more:.1f}")
    if drawn:
        panel.page.path("".join(drawn), kind)


def steps(panel, points, kind):
    """A line that stays until the next point. Of points on one column of pixels, the extremes remain."""
    columns = {}
    for when, value in points:
        columns.setdefault(round(panel.x(when)), []).append((when, value))
    kept, last = [], None
    for some in columns.values():
        for when, value in dict.fromkeys((some[0], min(some, key=lambda p: p[1]), max(some, key=lambda p: p[1]), some[-1])):
            if last is not None:
                kept.append((when, last))
            kept.append((when, value))
            last = value
    if last is not None:
        kept.append((panel.seconds, last))
    panel.line(sorted(kept, key=lambda p: p[0]), kind)


def legend(page, x, y, entries):
    for kind, words in entries:
        page.path(f"M{x} {y - 4}h16", kind)
        page.text(x + 21, y, words, "s")
        x += 34 + 6.3 * len(words)


class Column:
    """One flow: panels below each other."""

    def __init__(self, page, left, width, flow, title):
        self.page, self.left, self.width, self.flow, self.y = page, left, width, flow, TOP
        self.title = title
        page.text(left, 46, title, "h")
        again = sum(flow.reasons().values())
        page.text(left, 62, f"{end_text(flow.ends[0])} to {end_text(flow.ends[1])}, {flow.wire} wire: "
                  f"{flow.payload:,} bytes in {flow.seconds:.3f} s, {plural(again, 'segment')} sent again", "s")

    def panel(self, height, seconds, most, title):
        step = step_of(most)
        top = step * max(math.ceil(most / step), 1)
        panel = Panel(self.page, self.left, self.y, (self.width, height), seconds, top, title)
        panel.axes(step_of(seconds), step)
        self.y += height + BETWEEN
        return panel

    def sequence(self, seconds, most):
        flow = self.flow
        panel = self.panel(TALL, seconds, most, "Sequence numbers, bytes")
        steps(panel, [(t, min(v, panel.most)) for t, v in flow.edges], "i")
        bars(panel, flow.data, "d")
        bars(panel, flow.sacks, "q")
        steps(panel, flow.acks, "a")
        for reason in flow.reasons():
            bars(panel, [r[:3] for r in flow.resent if r[3] == reason], REASONS.get(reason, REASONS[UNKNOWN])[0], SEEN)
        entries = [("d", "data"), ("a", "ACK"), ("i", "window")] + ([("q", "SACK")] if flow.sacks else [])
        for reason, count in flow.reasons().items():
            kind, words = REASONS.get(reason, (REASONS[UNKNOWN][0], reason))
            entries.append((kind, f"{words}: {count}"))
        legend(self.page, self.left + 205, panel.top - 10, entries)

    def window(self, seconds, most):
        panel = self.panel(LOW, seconds, most, "cwnd (thin: ssthresh), segments")
        if not self.flow.cwnd:
            self.page.text(self.left + self.width / 2, panel.top + LOW / 2, "a capture does not tell", "s m")
        steps(panel, self.flow.cwnd, "vG")
        steps(panel, self.flow.ssthresh, "vB w")

    def round_trips(self, seconds, most):
        what = "Smoothed round trip time, ms" if self.flow.acked else "Round trip time of single segments, ms"
        panel = self.panel(LOW, seconds, most, what)
        if self.flow.acked:
            steps(panel, self.flow.rtt, "vG")
        else:
            dots = dict.fromkeys((round(panel.x(t), 1), round(panel.y(v), 1)) for t, v in self.flow.rtt)
            self.page.path("".join(f"M{x:g} {y:g}h1.6" for x, y in dots), "vG")


def draw(flows, titles):
    """One or two flows, on the same scales."""
    width = WIDTH_ONE if len(flows) == 1 else WIDTH_BESIDE
    page = Page(LEFT + len(flows) * (width + APART), STYLE)
    seconds = max(max(f.seconds for f in flows), 1e-6)
    # The window may be far above all that was sent.
    numbers = max(max((d[2] for d in f.data), default=1) for f in flows) * 1.1
    cwnd = max((v for f in flows for _, v in f.cwnd), default=None)
    rtt = max((v for f in flows for _, v in f.rtt), default=1e-3)
    for i, (flow, title) in enumerate(zip(flows, titles)):
        column = Column(page, LEFT + i * (width + APART), width, flow, title)
        column.sequence(seconds, numbers)
        if cwnd is not None:
            column.window(seconds, cwnd)
        column.round_trips(seconds, max(rtt, 1e-3))
    return page.document(column.y, ", ".join(titles))
