#!/usr/bin/python3
# SPDX-License-Identifier: GPL-2.0
"""page.py TITLE FILE: a run as one HTML page, from the sections that scripts/run.d/facts prints.

FILE is the output of a run in a guest. What precedes the first section is the story's own text.
The page goes to standard output. It is well-formed XML and refers to nothing outside itself.
"""

import html
import os
import re
import shutil
import subprocess
import sys
import tempfile

sys.dont_write_bytecode = True
SCRIPTS = os.environ.get("XTCPTOOL") or os.path.dirname(os.path.dirname(os.path.abspath(__file__)))
sys.path.insert(0, SCRIPTS)

from xtcptool import laddersvg, tracing  # noqa: E402, after the path is set
from xtcptool.commands import states  # noqa: E402
from xtcptool.conversation import Conversation, State, group, plain_state, title  # noqa: E402
from xtcptool.segment import PROTOCOLS, end_text  # noqa: E402

HOSTS = ("client", "server")
LADDERS, SEGMENTS = 8, 60	# of a page, of a ladder
SECTION = re.compile(r"^==> (\S+) <==$", re.M)
STYLE = """
body{font:15px/1.5 system-ui,sans-serif;max-width:1040px;margin:2em auto;padding:0 1em;color:#1f2430;background:#fff}
h1{font-size:1.5em}h2{font-size:1.2em;margin-top:2em}h3{font-size:1em}
table{border-collapse:collapse;margin:.5em 0}th,td{text-align:left;padding:.15em .9em .15em 0;vertical-align:top}
th{border-bottom:1px solid #d5dae1}td.number{text-align:right}
pre,td,code{font-family:ui-monospace,Menlo,Consolas,monospace;font-size:13px}
pre{overflow-x:auto}svg{max-width:100%;height:auto}
@media(prefers-color-scheme:dark){body{color:#e6e8ec;background:#15181d}th{border-color:#3a414c}}
"""


def read(path):
    """The story's text, and {name: lines} of the sections."""
    with open(path, encoding="utf-8", errors="replace") as f:
        parts = SECTION.split(f.read())
    found = dict(zip(parts[1::2], (text.strip("\n").splitlines() for text in parts[2::2])))
    for name in ("system", "trace") + tuple(f"{kind}.{host}" for host in HOSTS for kind in
                                            ("knobs", "defaults", "counters-before", "counters", "lifecycle")):
        if name not in found:
            sys.exit(f"page.py: {path} has no section {name}")
    return parts[0], found


def plain(text):
    """Text of XML: no markup, no control characters."""
    return html.escape(re.sub(r"[^\t\n\x20-\ud7ff\ue000-\ufffd]", "?", str(text)))


# --- tables -----------------------------------------------------------------

def table(heads, rows):
    def cell(value):
        number = isinstance(value, int)
        return f'<td class="number">{value:,}</td>' if number else f"<td>{plain(value)}</td>"
    return ("<table><thead><tr>" + "".join(f"<th>{plain(h)}</th>" for h in heads) + "</tr></thead><tbody>\n" +
            "\n".join("<tr>" + "".join(map(cell, row)) + "</tr>" for row in rows) + "\n</tbody></table>")


def pairs(lines):
    return dict(line.partition(" ")[::2] for line in lines)


def counters(lines):
    """{"Xtcp: OutSegs": number} of files in the format of /proc/net/snmp."""
    found = {}
    for names, values in zip(lines[::2], lines[1::2]):
        kind = names.split()[0]
        found.update((f"{kind} {name}", int(value)) for name, value in zip(names.split()[1:], values.split()[1:]))
    return found


def moved(sections):
    """Counters that the run changed: (name, change at the client, change at the server)."""
    change = {}
    for host in HOSTS:
        before = counters(sections["counters-before." + host])
        for name, value in counters(sections["counters." + host]).items():
            change.setdefault(name, {})[host] = value - before.get(name, 0)
    return [(name, *(of[host] for host in HOSTS)) for name, of in change.items() if any(of.values())]


def knobs(sections):
    """(name, default, client, server), first those that a host has changed."""
    default = pairs(sections["defaults.client"])
    now = {host: pairs(sections["knobs." + host]) for host in HOSTS}
    rows = [(name, value, *(now[host].get(name, "") for host in HOSTS)) for name, value in default.items()]
    changed = [row for row in rows if set(row[2:]) != {row[1]}]
    return changed, [row for row in rows if row not in changed]


def changes(conversation):
    """A row for each change of state of either end."""
    return [(f"{item.change.time - conversation.start:.6f}", "left" if item.at_left else "right",
             plain_state(item.change.before), item.change.cause or "", plain_state(item.change.after))
            for item in conversation.items if isinstance(item, State)]


# --- pictures ---------------------------------------------------------------

def inline(svg, name):
    """@svg as an element of the page: its style and its ids are its own."""
    def scoped(match):
        selectors = match.group(0)
        if selectors.lstrip().startswith("@"):
            return selectors
        return ",".join(f"#{name} {s.strip()}" for s in selectors.split(","))
    svg = svg[svg.index("<svg"):]
    svg = re.sub(r"(<style>)(.*?)(</style>)",
                 lambda m: m.group(1) + re.sub(r"[^{}]+(?=\{)", scoped, m.group(2)) + m.group(3), svg, flags=re.S)
    svg = re.sub(r'\bid="', f'id="{name}-', svg).replace("url(#", f"url(#{name}-")
    return svg.replace("<svg", f'<svg id="{name}"', 1)


def state_machine(sections):
    """The picture of `xtcp states`, if graphviz is there."""
    if not shutil.which("dot"):
        return ""
    with tempfile.TemporaryDirectory() as folder:
        files = []
        for host in HOSTS:
            files.append(os.path.join(folder, host))
            with open(files[-1], "w", encoding="utf-8") as f:
                f.write("\n".join(sections["lifecycle." + host]) + "\n")
        done = subprocess.run([os.path.join(SCRIPTS, "xtcp"), "states", *files, "--svg", "-"],
                              stdout=subprocess.PIPE, text=True, check=True)
    return inline(done.stdout, "machine")


def ladders(sections):
    """A part of the page for each connection, of the first LADDERS."""
    events = tracing.parse(sections["trace"])
    groups = list(group(events).items()) if events else []
    out = []
    for number, ((wire, _), of_key) in enumerate(groups[:LADDERS], 1):
        conversation = Conversation(of_key)
        rows = changes(conversation)
        out.append(f"<h3>{plain(title(of_key))}</h3>")
        gone = conversation.cut(SEGMENTS)
        out.append(inline(laddersvg.draw(conversation), f"ladder{number}"))
        if gone:
            out.append(f"<p>{gone} segments follow.</p>")
        out.append(f"<p>Left: {plain(end_text(conversation.left))}, right: {plain(end_text(conversation.right))}, "
                   f"wire: {PROTOCOLS[wire]}.</p>")
        out.append("<details open='open'><summary>States</summary>" +
                   table(("seconds", "end", "from", "event", "to"), rows) + "</details>")
    if len(groups) > LADDERS:
        out.append(f"<p>{len(groups) - LADDERS} connections more are not drawn.</p>")
    return "\n".join(out) or "<p>The trace has no connection.</p>"


def taken(sections):
    """Rows of the lifecycle table, with the counts of both hosts."""
    tables = [states.parse("\n".join(sections["lifecycle." + host]), host) for host in HOSTS]
    return [(*key, *(t.get(key, 0) for t in tables)) for key in tables[0] if any(t.get(key) for t in tables)]


# --- the page ---------------------------------------------------------------

def page(name, story, sections):
    changed, same = knobs(sections)
    heads = ("knob", "default", *HOSTS)
    text = story[:story.index("# tracer:")] if "# tracer:" in story else story
    parts = [
        "<h1>" + plain(name) + "</h1>",
        table(("", ""), [line.partition(" ")[::2] for line in sections["system"]]),
        "<h2>Connections</h2>", ladders(sections),
        "<h2>Changes of state</h2>", state_machine(sections),
        table(("from", "event", "to", *HOSTS), taken(sections)),
        "<h2>Counters that moved</h2>", table(("counter", *HOSTS), moved(sections)),
        "<h2>Knobs</h2>", table(heads, changed) if changed else "<p>All have their defaults.</p>",
        "<details><summary>The others have their defaults</summary>" + table(heads, same) + "</details>",
    ]
    if text.strip():
        parts.append("<h2>What the run said</h2>\n<pre>" + plain(text.strip("\n")) + "</pre>")
    return ('<!DOCTYPE html>\n<html xmlns="http://www.w3.org/1999/xhtml" lang="en">\n<head><meta charset="utf-8"/>'
            f"<title>{plain(name)}</title><style>{STYLE}</style></head>\n<body>\n" +
            "\n".join(parts) + "\n</body>\n</html>\n")


def main():
    if len(sys.argv) != 3:
        sys.exit(__doc__)
    print(page(sys.argv[1], *read(sys.argv[2])), end="")


if __name__ == "__main__":
    main()
