# SPDX-License-Identifier: GPL-2.0
"""text: tables, colours, numbers with units, JSON."""

import json
import os
import sys

COLOURS = {
    "LISTEN": "34", "SYN-SENT": "33", "SYN-RECEIVED": "33", "ESTABLISHED": "32",
    "CLOSE-WAIT": "31", "FIN-WAIT-1": "36", "FIN-WAIT-2": "36", "CLOSING": "36", "LAST-ACK": "36",
    "TIME-WAIT": "90",
}


def has_colours(stream=sys.stdout):
    """Whether to colour: a terminal that can, and NO_COLOR is unset or empty."""
    return stream.isatty() and not os.environ.get("NO_COLOR") and os.environ.get("TERM") != "dumb"


def duration(seconds):
    """ "0.250s", "12.0s", "3m07s", "2h05m", "9d03h"; empty for None."""
    if seconds is None:
        return ""
    if seconds < 10:
        return f"{seconds:.3f}s"
    if seconds < 60:
        return f"{seconds:.1f}s"
    whole = int(seconds)
    for big, small, size, unit in (("m", "s", 60, 1), ("h", "m", 3600, 60), ("d", "h", 86400, 3600)):
        if whole < size * (60 if big != "h" else 24) or big == "d":
            return f"{whole // size}{big}{whole % size // unit:02}{small}"
    return None


def amount(number):
    """ "999", "1.2K", "15M": powers of 1000; empty for None."""
    if number is None:
        return ""
    for unit in ("", "K", "M", "G", "T"):
        if number < 999.5 or unit == "T":
            return f"{number:.1f}{unit}" if unit and number < 9.95 else f"{number:.0f}{unit}"
        number /= 1000
    return None


def plural(number, noun):
    return f"{number} {noun}" if number == 1 else f"{number} {noun}s"


def printable(word):
    """A program may choose its name: no control characters reach the terminal."""
    return "".join(c if c.isprintable() else "?" for c in word)


class Table:
    """Columns aligned under a header line; numbers are on the right."""

    def __init__(self, *columns):
        """Each column is its title; one that begins with ">" is aligned to the right."""
        self.right = [c.startswith(">") for c in columns]
        self.rows = [([c.lstrip(">") for c in columns], None)]

    def add(self, *cells, state=None):
        """A row; @state chooses its colour."""
        self.rows.append(([printable(str(c)) for c in cells], state))

    def lines(self, colours=False, width=None):
        """The text, each line cut at @width columns."""
        widths = [max(len(cells[i]) for cells, _ in self.rows) for i in range(len(self.right))]
        for cells, state in self.rows:
            padded = [c.rjust(w) if right else c.ljust(w)
                      for c, w, right in zip(cells, widths, self.right)]
            line = "  ".join(padded).rstrip()[:width]
            code = COLOURS.get(state) if colours else None
            yield f"\033[{code}m{line}\033[0m" if code else line

    def print(self):
        for line in self.lines(has_colours()):
            print(line)


def print_json(objects):
    """An array of objects, each on a line of its own."""
    rows = ",\n".join(" " + json.dumps(o) for o in objects)
    print(f"[\n{rows}\n]" if rows else "[]")
