# SPDX-License-Identifier: GPL-2.0
"""laddersvg: a conversation as a ladder in one SVG file, for light and dark pages.

Time goes down, but not to scale: each event gets the room that its label needs, and a longer
pause is written into a gap. A bar at each end is coloured by its state.
"""

import math
from html import escape

from xtcptool.conversation import Arrow, Remark, State, ordinal_interval, plain_state
from xtcptool.segment import end_text
from xtcptool.text import printable

WIDTH, LEFT, RIGHT, TIME_X = 1000, 310, 760, 74
TOP, BOTTOM, BAR = 76, 24, 8
LABEL, STEP, NEAR, PAUSE = 24, 13, 6, 24	# pixels: a label's row, a state's, an arrival's, a pause's
PAUSE_LEAST = 0.05	# s
CHARACTER = 6.35	# pixels, of the label's font

COLOURS = {
    "CLOSED": "#9aa0a6", "LISTEN": "#7b8fa8", "SYN-SENT": "#e3a008", "SYN-RECEIVED": "#e3a008",
    "ESTABLISHED": "#2e9e5b", "FIN-WAIT-1": "#3b82c4", "FIN-WAIT-2": "#6aa5d8", "CLOSE-WAIT": "#c2571a",
    "CLOSING": "#7c6fd0", "LAST-ACK": "#a86fc0", "TIME-WAIT": "#5b6b7b",
}

LIGHT = {"ink": "#1f2430", "soft": "#667085", "paper": "#fff", "line": "#d5dae1", "hot": "#b54708",
         "bad": "#c01c28"}
DARK = {"ink": "#e6e8ec", "soft": "#9aa4b2", "paper": "#15181d", "line": "#3a414c", "hot": "#f0a35e",
        "bad": "#ff7b7b"}

SHAPES = """
text{font:12px system-ui,sans-serif}.h{font-weight:600;font-size:13px}.s,.w{font-size:11px}
.l{font:10.5px ui-monospace,Menlo,Consolas,monospace;paint-order:stroke;stroke-width:3px}
.t{font:11px ui-monospace,Menlo,Consolas,monospace}.e{text-anchor:end}.m{text-anchor:middle}
path{fill:none;stroke-width:1.3}.r{stroke-dasharray:5 3}.g{stroke-dasharray:2 4}
"""


def paint(colours):
    """Rules with plain colours: not every viewer knows variables."""
    return """text,.k{fill:%(ink)s}.s,.t{fill:%(soft)s}.l{stroke:%(paper)s}.w{fill:%(hot)s}.x{fill:%(bad)s}
path{stroke:%(ink)s}.r{stroke:%(hot)s}.d{stroke:%(bad)s}.g{stroke:%(line)s}.k{stroke:none}
.p{fill:%(paper)s}.n{fill:%(line)s}
""" % colours


STYLE = SHAPES + paint(LIGHT) + "@media(prefers-color-scheme:dark){\n" + paint(DARK) + "}"


def plain(words):
    """@words as text of XML, which has no control characters."""
    return escape(printable(words), quote=False)


class Moment:
    """Something that needs a place on the axis of time."""

    def __init__(self, time, item, room, arrival=False):
        self.time, self.item, self.room, self.arrival, self.y = time, item, room, arrival, 0


def moments_of(conversation):
    found = []
    for order, item in enumerate(conversation.items):
        if isinstance(item, Arrow):
            s = item.segment
            room = LABEL + (STEP if item.remarks else 0) + (STEP if too_long(item) else 0)
            found.append((s.time, order, 0, Moment(s.time, item, room)))
            if s.arrived is not None:
                found.append((s.arrived, order, 1, Moment(s.arrived, item, NEAR, arrival=True)))
        elif isinstance(item, State):
            found.append((item.change.time, order, 0, Moment(item.change.time, item, STEP)))
        else:
            found.append((item.note.time, order, 0, Moment(item.note.time, item, STEP)))
    return [m for _, _, _, m in sorted(found, key=lambda f: f[:3])]


def too_long(arrow):
    return len(" ".join(arrow.words())) * CHARACTER > RIGHT - LEFT - 40


def place(moments):
    """Sets each y. Returns the pauses: (y, seconds), and the last y."""
    y, before, pauses, low = TOP, None, [], {True: TOP - 14, False: TOP - 14}
    for m in moments:
        pause = m.time - before if before is not None else 0
        if pause >= PAUSE_LEAST:
            y += PAUSE
            pauses.append((y - PAUSE / 2, pause))
        side = m.item.at_left if isinstance(m.item, (State, Remark)) else None
        if side is None:
            y += m.room
        else:
            # Labels of one end keep their distance; those of the two ends do not disturb each other.
            y = max(y + 2, low[side] + m.room + 2)
            low[side] = y
        m.y, before = y, m.time
    return pauses, y


class Canvas:
    """Words are above all lines, so that an arrow that crosses them leaves them legible."""

    def __init__(self):
        self.out, self.words, self.last_time = [], [], 0

    def text(self, x, y, words, kind, slope=0):
        turn = f' transform="rotate({slope:.1f} {x:g} {y:.0f})"' if slope else ""
        self.words.append(f'<text x="{x:g}" y="{y:.0f}" class="{kind}"{turn}>{plain(words)}</text>')

    def time(self, y, seconds):
        """In the first column, unless that would touch the time above."""
        if y - self.last_time >= STEP - 2:
            self.text(TIME_X, y, f"{seconds:.6f}", "t e")
            self.last_time = y

    def path(self, d, kind="", more=""):
        kind = f' class="{kind}"' if kind else ""
        self.out.append(f'<path{kind} d="{d}"{more}/>')


def arrow_ends(m, arrivals):
    """Where an arrow starts and ends."""
    arrow = m.item
    x1, x2 = (LEFT + BAR, RIGHT - BAR) if arrow.from_left else (RIGHT - BAR, LEFT + BAR)
    arrived = arrivals.get(id(arrow))
    y2 = arrived.y if arrived else m.y + NEAR
    if arrow.segment.lost:
        x2, y2 = x1 + (x2 - x1) * .62, m.y + NEAR * .62
    return x1, m.y, x2, y2


def draw_segment(canvas, m, arrivals, start):
    arrow = m.item
    x1, y1, x2, y2 = arrow_ends(m, arrivals)
    lost = arrow.segment.lost
    kind = "d" if lost else "r" if arrow.repeated else ""
    canvas.path(f"M{x1} {y1:.0f}L{x2:.0f} {y2:.0f}", kind, "" if lost else ' marker-end="url(#a)"')
    if lost:
        canvas.text(x2, y2 + 4, "✕", "m x")
    words, middle, slope = arrow.words(), (LEFT + RIGHT) / 2, 0
    if abs(y2 - y1) < 3 * NEAR:
        top = min(y1, y2) - 5 + abs(y2 - y1) / 2
    else:
        # Others may cross a long arrow: its words stand along it, near its start.
        middle = x1 + (x2 - x1) * .3
        top, slope = y1 + (y2 - y1) * .3 - 4, math.degrees(math.atan((y2 - y1) / (x2 - x1)))
    if too_long(arrow) and "SACK" in words[-1]:
        canvas.text(middle, top, words.pop(), "l m", slope)
        top -= STEP
    canvas.text(middle, top, " ".join(words), "l m", slope)
    if arrow.remarks:
        canvas.text(middle, top - STEP, "; ".join(arrow.remarks), "w m", slope)
    canvas.time(y1 + 4, arrow.segment.time - start)


def draw_states(canvas, conversation, moments, bottom):
    """The bars and the names of the states, with the time that each lasted."""
    for left in (True, False):
        x, name = (LEFT if left else RIGHT), conversation.first_state[left]
        y, at = TOP - 16, None
        changes = [m for m in moments if isinstance(m.item, State) and m.item.at_left == left]
        if name:
            label_state(canvas, left, y + 4, name, None, None)
        for m, after in zip(changes, changes[1:] + [None]):
            bar(canvas, x, y, m.y, name)
            name, y, at = plain_state(m.item.change.after), m.y, m.time
            label_state(canvas, left, y + 4, name, after.time - at if after else None, m.item.change.cause)
        bar(canvas, x, y, bottom, name)


def bar(canvas, x, y1, y2, name):
    colour = f'fill="{COLOURS[name]}"' if name in COLOURS else 'class="n"'
    canvas.out.append(f'<rect x="{x - BAR / 2:g}" y="{y1:.0f}" width="{BAR}" height="{max(y2 - y1, 1):.0f}" ' +
                      colour + (' opacity=".45"' if name in (None, "CLOSED") else "") + "/>")


def label_state(canvas, left, y, name, lasted, cause):
    more = []
    if cause and not cause.startswith("rcv-"):
        more.append(cause)
    if lasted is not None and lasted >= PAUSE_LEAST:
        more.append(ordinal_interval(lasted))
    words = f'{plain(name)}<tspan class="s">{plain("  " + ", ".join(more)) if more else ""}</tspan>'
    x, kind = (LEFT - 12, "e") if left else (RIGHT + 12, "")
    canvas.words.append(f'<text x="{x}" y="{y:.0f}" class="{kind}" xml:space="preserve">{words}</text>')


def draw(conversation, title=""):
    """The file's text."""
    canvas, moments = Canvas(), moments_of(conversation)
    pauses, last = place(moments)
    bottom = last + BOTTOM
    for y, pause in pauses:
        canvas.path(f"M{LEFT + BAR} {y:.0f}H{RIGHT - BAR}", "g")
        canvas.text((LEFT + RIGHT) / 2, y + 4, ordinal_interval(pause), "s m l")
    draw_states(canvas, conversation, moments, bottom)
    arrivals = {id(m.item): m for m in moments if m.arrival}
    for m in moments:
        if isinstance(m.item, Arrow) and not m.arrival:
            draw_segment(canvas, m, arrivals, conversation.start)
        elif isinstance(m.item, Remark):
            x, kind = (LEFT + 12, "w") if m.item.at_left else (RIGHT - 12, "w e")
            canvas.text(x, m.y + 4, m.item.note.text, kind)
        elif isinstance(m.item, State) and m.item.change.cause and not m.item.change.cause.startswith("rcv-"):
            canvas.time(m.y + 4, m.time - conversation.start)
    canvas.text(LEFT, 38, end_text(conversation.left), "h m")
    canvas.text(RIGHT, 38, end_text(conversation.right), "h m")
    canvas.text(TIME_X, 38, "seconds", "s e")
    if title:
        canvas.text(WIDTH / 2, 18, title, "h m")
    return document(canvas.out + canvas.words, WIDTH, bottom + 10, title or "sequence diagram")


def document(parts, width, height, title, style=STYLE):
    """A whole SVG file."""
    return (f'<svg xmlns="http://www.w3.org/2000/svg" viewBox="0 0 {width} {height:.0f}" '
            f'width="{width}" height="{height:.0f}" role="img">'
            f"<title>{plain(title)}</title><style>{style.strip()}</style>"
            '<defs><marker id="a" viewBox="0 0 8 8" refX="7" refY="4" markerWidth="8" markerHeight="8" '
            'orient="auto"><path d="M0 0L8 4L0 8z" class="k"/></marker></defs>'
            '<rect width="100%" height="100%" class="p"/>\n' +
            "\n".join(parts) + "\n</svg>\n")
