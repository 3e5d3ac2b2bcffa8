# SPDX-License-Identifier: GPL-2.0
"""why: tell the story of a connection: its state, what it waits for, and what happened

END is ADDRESS:PORT, ADDRESS, ADDRESS/BITS or :PORT of one end; with two, both must fit, in
either order. Explains each connection and listener that fits, and each connection that has
ended and is still in /proc/net/xtcp_dead (net.ipv4.xtcp_recorder).
"""

import argparse

from xtcptool import Failure, choose, procfs, story, text


def pattern(word):
    try:
        return choose.Pattern(word)
    except argparse.ArgumentTypeError as e:
        raise argparse.ArgumentTypeError(f"{e}, nor ADDRESS, ADDRESS/BITS or :PORT") from None


def add_arguments(parser):
    parser.add_argument("one", type=pattern, metavar="END", help="as 10.0.0.2:80, fd00::/64 or :80")
    parser.add_argument("other", type=pattern, nargs="?", metavar="END", help="the other end")
    parser.add_argument("-w", "--wire", choices=("native", "tcp"), help="only on this wire")


def fits(args, c):
    pairs = ((c.local, c.remote), (c.remote, c.local))
    return args.wire in (None, c.wire) and any(
        args.one.fits(here) and (not args.other or args.other.fits(there)) for here, there in pairs)


def told(args):
    """Title, JSON's keys and sentences of all that fit: first the living, then the dead."""
    for c in procfs.connections():
        if fits(args, c):
            yield title(c), {"dead": False, **c.as_dict()}, story.living(c)
    for o in procfs.obituaries():
        if fits(args, o):
            yield f"{o.local} with {o.remote}, {o.wire} wire, has ended:", \
                {"dead": True, **o.as_dict()}, story.dead(o)


def title(c):
    peer = "" if c.is_listener() else f" with {c.remote}"
    return f"{c.local}{peer}, {c.wire} wire:"


def run(args):
    found = list(told(args))
    if not found:
        raise Failure("no connection or listener has such an end" if procfs.exists("xtcp_dead") else
                      "no connection or listener has such an end, and this module keeps no obituaries")
    if args.json:
        text.print_json({**row, "story": sentences} for _, row, sentences in found)
        return
    for heading, _, sentences in found:
        print(text.printable(heading))
        for sentence in sentences:
            print(f"  {text.printable(sentence)}")
