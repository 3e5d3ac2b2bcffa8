# SPDX-License-Identifier: GPL-2.0
"""The lifecycle table of module/lifecycle.c, read by the compiler (table.c)."""

import os
import subprocess
import sys
import typing

HERE = os.path.dirname(os.path.abspath(__file__))
MODULE = os.path.join(os.path.dirname(os.path.dirname(HERE)), "module")
LIFECYCLE = os.path.join(MODULE, "lifecycle.c")


class Row(typing.NamedTuple):
    source: int         # the state before
    event: int
    target: int         # the state after
    section: str        # of an RFC, or a word of why


class Table(typing.NamedTuple):
    states: dict        # symbol by number
    events: dict        # symbol by number
    rows: list
    state_names: dict   # name in RFC 9293 by number: two states share one
    event_names: dict   # name in /proc/net/xtcp_lifecycle by number


def cut(path, begin, end):
    """The lines of a source from the one with @begin to the first with @end after it."""
    with open(path) as f:
        text = f.read()
    first = text.index(begin)
    return text[first:text.index(end, first) + len(end)] + "\n"


def must(*command, cwd):
    done = subprocess.run(command, stdout=subprocess.PIPE, stderr=subprocess.STDOUT, text=True,
                          errors="replace", check=False, cwd=cwd)
    if done.returncode:
        sys.exit(f"{' '.join(command)} failed:\n{done.stdout}")
    return done.stdout


def read_table(work, lifecycle=LIFECYCLE):
    """The table of the file @lifecycle. @work: a folder for what is compiled."""
    header = os.path.join(MODULE, "lifecycle.h")
    with open(os.path.join(work, "names.inc"), "w") as f:
        f.write(cut(header, "enum xtcp_state {", "};"))
        f.write(cut(header, "#define XTCP_EVENTS(X)", "\n\n"))
        f.write(cut(header, "enum xtcp_event {", "};"))
    with open(os.path.join(work, "table.inc"), "w") as f:
        f.write(cut(lifecycle, "#define NO_MIB", "\n};\n"))
        f.write(cut(lifecycle, "static const char * const state_names[", "\n};\n"))
        f.write(cut(lifecycle, "static const char * const event_names[", "\n};\n"))
    must("cc", "-I.", "-o", "table", os.path.join(HERE, "table.c"), cwd=work)
    table = Table({}, {}, [], {}, {})
    for line in must("./table", cwd=work).splitlines():
        kind, rest = line.split(" ", 1)
        if kind == "row":
            old, event, new, section = rest.split(" ", 3)
            table.rows.append(Row(int(old), int(event), int(new), section))
        else:
            number, symbol, name = rest.split()
            symbols, names = ((table.states, table.state_names) if kind == "state"
                              else (table.events, table.event_names))
            symbols[int(number)], names[int(number)] = symbol, name
    return table
