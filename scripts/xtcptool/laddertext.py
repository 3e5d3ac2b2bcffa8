# SPDX-License-Identifier: GPL-2.0
"""laddertext: a conversation as a ladder in a terminal's characters.

A row for each segment, an arrow between the two ends. A change of state stands beside the segment
that arrived and caused it, or on a row of its own.
"""

from xtcptool.conversation import Arrow, Remark, State, ordinal_interval, plain_state
from xtcptool.segment import end_text
from xtcptool.text import COLOURS, printable

TIME, STATE, LEAST = 11, 13, 30
SAME_MOMENT = 0.001	# s: a state change so soon after an arrival is its consequence
SLOW = 0.0005		# s: a time on the way that is worth telling
REPEATED = "33"		# colour


class Row:
    """One line: a time, what stands at the left, in the middle and at the right."""

    def __init__(self, time, middle="", left="", right="", arrow=None):
        self.time, self.middle, self.arrow, self.noted = time, middle, arrow, None
        self.sides = {True: left, False: right}


def fill(label, room, dash="-"):
    """@label in a line of dashes as wide as @room."""
    spare = room - len(label) - 2
    return f"{dash * 3} {label} {dash * max(spare - 3, 3)}" if label else dash * room


def draw_arrow(arrow, room):
    """The arrow in @room columns, or more if the label needs them."""
    s = arrow.segment
    words = arrow.words()
    if s.arrived is not None and s.arrived - s.time >= SLOW:
        words.append(f"({ordinal_interval(s.arrived - s.time)} on the way)")
    label = " ".join(words)
    line = fill(label, max(room - 2, len(label) + 8))
    if arrow.from_left:
        return "|" + (line[:-3] + "x  " if s.lost else line[:-1] + ">") + "|"
    return "|" + ("  x" + line[3:] if s.lost else "<" + line[1:]) + "|"


def reason(cause):
    return f"on {cause}" if cause else ""


def add_state(rows, item):
    """Beside the last segment if it arrived at that end just now, else on its own row."""
    change, left = item.change, item.at_left
    name = plain_state(change.after)
    last = next((r for r in reversed(rows[-3:]) if not r.noted), None)
    follows = (last and last.arrow and not last.sides[left] and
               (change.cause is None or change.cause.startswith("rcv-")) and
               (change.cause is None or last.arrow.from_left != left) and
               abs(change.time - (last.arrow.segment.arrived or last.time)) < SAME_MOMENT)
    if follows:
        last.sides[left] = name
    else:
        row = Row(change.time, reason(change.cause))
        row.sides[left] = name
        rows.append(row)


def rows_of(conversation, room):
    rows = []
    for item in conversation.items:
        if isinstance(item, Arrow):
            rows.append(Row(item.segment.time, draw_arrow(item, room), arrow=item))
        elif isinstance(item, State):
            add_state(rows, item)
        elif isinstance(item, Remark):
            rows.append(Row(item.note.time, item.note.text))
            rows[-1].noted = "left" if item.at_left else "right"
    return rows


def lines(conversation, width, colours=False):
    """The ladder, about @width columns wide."""
    room = max(width - TIME - 2 * (STATE + 1) - 1, LEAST)

    def paint(text, code):
        return f"\033[{code}m{text}\033[0m" if colours and code and text.strip() else text

    def line(time, left, middle, right, code=None):
        cells = (f"{time:>{TIME}} " + paint(f"{left:<{STATE}}", COLOURS.get(left)) + " " +
                 paint(f"{middle:<{room}}", code) + " " + paint(right, COLOURS.get(right)))
        return cells.rstrip()

    ends = end_text(conversation.left), end_text(conversation.right)
    gap = max(room + 2 * STATE + 2 - len(ends[0]) - len(ends[1]), 2)
    yield f"{'seconds':>{TIME}} {ends[0]}{' ' * gap}{ends[1]}"
    states = [conversation.first_state[left] or "" for left in (True, False)]
    if any(states):
        yield line("", states[0], "|" + " " * (room - 2) + "|", states[1])
    for row in rows_of(conversation, room):
        yield from row_lines(row, room, line, conversation.start)


def row_lines(row, room, line, start):
    code = REPEATED if row.arrow and (row.arrow.repeated or row.arrow.segment.lost) else None
    middle = row.middle
    if row.arrow and row.arrow.remarks:
        yield line("", "", "|" + f"{'; '.join(row.arrow.remarks):^{room - 2}}" + "|", "", code)
    if not row.arrow:
        at_left = row.sides[True] or row.noted == "left"
        middle = "|" + f"{printable(middle):{'<' if at_left else '>'}{room - 4}}".center(room - 2) + "|"
    yield line(f"{row.time - start:.6f}", row.sides[True], middle, row.sides[False], code)
