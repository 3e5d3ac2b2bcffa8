# SPDX-License-Identifier: GPL-2.0
"""Sphinx's configuration: `make docs` renders this folder to build/docs.

The sources are read as plain text far more often than as HTML. Therefore they name each other
without markup (knobs.rst, xtcp(7)), and link_names() makes links of such names. Manual
pages become HTML by mandoc, README.md is included by readme.md.
"""

import os
import re
import subprocess

from docutils import nodes
from sphinx.addnodes import pending_xref

HERE = os.path.dirname(os.path.abspath(__file__))
TOP = os.path.dirname(HERE)
# Not below Documentation, which has sources only.
MANUAL = os.path.join(TOP, "build", "man")

project = "xtcp"
author = "the authors of xtcp"
extensions = ["myst_parser"]
source_suffix = {".rst": "restructuredtext", ".md": "markdown"}
root_doc = "index"
exclude_patterns = ["pictures"]
# Literal blocks are commands, output and pictures of all kinds.
highlight_language = "none"
smartquotes = False

html_theme = "alabaster"
html_title = "xtcp"
html_static_path = ["html"]
html_css_files = ["xtcp.css"]
html_copy_source = False
html_show_copyright = False
html_show_sphinx = False
html_theme_options = {
    "description": "A second TCP for Linux, as a module",
    "fixed_sidebar": True,
    "page_width": "1240px",
    "sidebar_width": "230px",
    "show_powered_by": False,
}
html_sidebars = {
    "**": ["about.html", "searchbox.html", "localtoc.html", "navigation.html"],
    "index": ["about.html", "searchbox.html", "navigation.html"],
}

NAME = re.compile(r"\b([a-z]+)\.rst\b|\b(xtcp(?:-run)?)\(([17])\)")


def manual_pages():
    """xtcp.7 and so on: names without the folder."""
    return sorted(n for n in os.listdir(os.path.join(HERE, "man")) if re.search(r"\.[1-8]$", n))


def render_manual(_app):
    """Have mandoc write each manual page as a part of an HTML page."""
    os.makedirs(MANUAL, exist_ok=True)
    for name in manual_pages():
        done = subprocess.run(["mandoc", "-T", "html", "-O", "fragment", os.path.join(HERE, "man", name)],
                              check=True, stdout=subprocess.PIPE, text=True)
        with open(os.path.join(MANUAL, name + ".html"), "w", encoding="utf-8") as f:
            f.write(re.sub(r"<b>(xtcp(?:-run)?)</b>\(([17])\)", r'<a href="\1.\2.html">\1(\2)</a>', done.stdout))


def target_of(match, documents):
    """The page that a match of NAME means, or None."""
    document = match.group(1) or f"man/{match.group(2)}.{match.group(3)}"
    return document if document in documents else None


def linked(text, own, documents, make):
    """@text as nodes; make(words) is a node of the same kind as @text's."""
    found, at = [], 0
    for match in NAME.finditer(text):
        document = target_of(match, documents)
        if not document or document == own:
            continue
        if match.start() > at:
            found.append(make(text[at:match.start()]))
        reference = pending_xref("", make(match.group(0)), refdomain="std", reftype="doc", refexplicit=True,
                                 reftarget="/" + document, refdoc=own, refwarn=True)
        found.append(reference)
        at = match.end()
    if found and at < len(text):
        found.append(make(text[at:]))
    return found


def link_names(app, doctree):
    """Make links of the names of documents and manual pages, also of those in ``literals``."""
    documents, own = app.env.found_docs, app.env.docname
    for node in list(doctree.findall(nodes.Text)):
        parent = node.parent
        if isinstance(parent, nodes.literal):
            place, make = parent, lambda words: nodes.literal(words, words)
        else:
            place, make = node, nodes.Text
        if isinstance(place.parent, (nodes.reference, pending_xref, nodes.literal_block, nodes.title,
                                     nodes.FixedTextElement, nodes.Invisible)):
            continue
        found = linked(node.astext(), own, documents, make)
        if found:
            place.parent.replace(place, found)


def plain_name(_app, _env, node, words):
    """README.md's links to what is no page (COPYING, this folder): the words without a link."""
    is_file = node["refdoc"] == "readme" and os.path.exists(os.path.join(TOP, node["reftarget"]))
    return words if is_file else None


def setup(app):
    app.connect("builder-inited", render_manual)
    app.connect("doctree-read", link_names)
    app.connect("missing-reference", plain_name)
