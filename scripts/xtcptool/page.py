# SPDX-License-Identifier: GPL-2.0
"""page: colours, words and lines of charts, as an SVG for light and dark pages."""

import math

from xtcptool import laddersvg

SHAPES = """
text{font:12px system-ui,sans-serif}.h{font-weight:600;font-size:13px}.s{font-size:11px}
.t{font:11px ui-monospace,Menlo,Consolas,monospace}.e{text-anchor:end}.m{text-anchor:middle}
path{fill:none}.b{stroke-width:1}.z{stroke-width:1.5}.g{stroke-width:2}
.vG,.vB{stroke-width:2;stroke-linejoin:round}.w{stroke-width:.8}
"""


def paint(colours, good, bad, mark):
    """Rules for one of the two kinds of page: classes of text, lines and areas."""
    return (".p{fill:%(paper)s}text{fill:%(ink)s}.s{fill:%(soft)s}.b{stroke:%(line)s}.z{stroke:%(ink)s}"
            % colours + f".g{{stroke:{mark}}}.G{{fill:{good}}}.B{{fill:{bad}}}"
            f"path.vG{{stroke:{good}}}path.vB{{stroke:{bad}}}"
            ".n{fill:%(line)s;opacity:.5}.o{fill:%(paper)s;stroke:%(ink)s;stroke-width:1.2}\n" % colours)


LEAST = 1e-9	# of an axis: nothing but zeros may be drawn

STYLE = (SHAPES + paint(laddersvg.LIGHT, "#3b82c4", "#c2571a", "#6b21a8") +
         "@media(prefers-color-scheme:dark){\n" + paint(laddersvg.DARK, "#5a9bd8", "#e0793c", "#c9a6ff") + "}")


def step_of(most):
    """A round number that divides an axis up to @most into five parts or fewer."""
    most = max(most, LEAST)
    unit = 10 ** math.floor(math.log10(most / 5))
    return next(unit * n for n in (1, 2, 5, 10) if unit * n >= most / 5)


class Page:
    """@more: rules besides STYLE."""

    def __init__(self, width, more=""):
        self.width, self.out, self.style = width, [], STYLE + more

    def text(self, x, y, words, kind=""):
        kind = f' class="{kind}"' if kind else ""
        self.out.append(f'<text x="{x:g}" y="{y:g}"{kind}>{laddersvg.plain(words)}</text>')

    def path(self, d, kind):
        self.out.append(f'<path class="{kind}" d="{d}"/>')

    def area(self, x, y, width, height, kind):
        self.out.append(f'<rect x="{x:.1f}" y="{y:g}" width="{width:.1f}" height="{height:g}" class="{kind}"/>')

    def line(self, points, kind):
        """A line through @points, without those that lie on it."""
        kept = [p for i, p in enumerate(points) if not 0 < i < len(points) - 1 or
                not points[i - 1][1] == p[1] == points[i + 1][1]]
        if kept:
            self.path("M" + "L".join(f"{x:.1f} {y:.1f}" for x, y in kept), kind)

    def ring(self, x, y):
        self.out.append(f'<circle cx="{x:.1f}" cy="{y:g}" r="3.2" class="o"/>')

    def document(self, height, title):
        return laddersvg.document(self.out, self.width, height, title, self.style)


class Panel:
    """A chart of lines: axes, and the places of values in it. x is in seconds."""

    def __init__(self, page, left, top, size, seconds, most, title):
        self.page, self.left, self.top, self.seconds, self.most = page, left, top, seconds, most
        self.width, self.height = size
        page.text(left, top - 10, title, "h")

    def x(self, seconds):
        return self.left + seconds * self.width / self.seconds

    def y(self, value):
        return self.top + self.height - max(min(value, self.most), 0) * self.height / self.most

    def axes(self, every_s, every):
        value = 0
        while value <= self.most:
            self.page.path(f"M{self.left} {self.y(value):.1f}h{self.width}", "b")
            label = f"{value:,.0f}" if value == int(value) else f"{value:g}"
            self.page.text(self.left - 8, round(self.y(value) + 4), label, "s e")
            value += every
        for i in range(int(self.seconds / every_s * 1.000001) + 1):
            self.page.text(round(self.x(i * every_s)), self.top + self.height + 16, f"{i * every_s:g} s", "s m")

    def line(self, points, kind):
        """@points: (seconds, value) each."""
        self.page.line([(self.x(s), self.y(v)) for s, v in points], kind)
