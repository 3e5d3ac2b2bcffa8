# SPDX-License-Identifier: GPL-2.0
"""choose: which connections a subcommand is about, and in which order."""

import argparse
import ipaddress

from xtcptool import procfs

# Names that ss has for states, besides the module's.
SS_STATES = {"LISTENING": "LISTEN", "SYN-RECV": "SYN-RECEIVED"}


STATE_WORDS = [name.lower() for name in procfs.STATES]


def state(text):
    """One state, in upper or lower case."""
    name = text.upper()
    name = SS_STATES.get(name, name)
    if name not in procfs.STATES:
        raise argparse.ArgumentTypeError(f"no state is called '{text}': {' '.join(procfs.STATES)}")
    return name


def states(text):
    return {state(word) for word in text.split(",")}


def port(text):
    if not text.isascii() or not text.isdigit() or not 0 < int(text) < 65536:
        raise argparse.ArgumentTypeError(f"'{text}' is not a port")
    return int(text)


def network(text):
    try:
        # ip_network() takes any text behind % as a scope, also "%eth0]:443".
        if "%" in text or text.startswith("[") != text.endswith("]"):
            raise ValueError
        value = ipaddress.ip_network(text.strip("[]"), strict=False)
        # Connections have the IPv4 address of an IPv4-mapped one.
        mapped = getattr(value.network_address, "ipv4_mapped", None)
        if mapped and value.prefixlen >= 96:
            return ipaddress.ip_network((mapped, value.prefixlen - 96))
        return value
    except ValueError:
        raise argparse.ArgumentTypeError(f"'{text}' is not ADDRESS or ADDRESS/BITS") from None


def end(text):
    """ADDRESS:PORT, exactly."""
    try:
        return procfs.end(text)
    except ValueError as e:
        raise argparse.ArgumentTypeError(str(e)) from None


class Pattern:
    """Ends of connections: ADDRESS:PORT, ADDRESS, ADDRESS/BITS or :PORT."""

    def __init__(self, text):
        self.network = self.port = None
        if text.startswith(":"):
            self.port = port(text[1:])
            return
        try:
            self.network = network(text)
        except argparse.ArgumentTypeError:
            one = end(text)
            self.network, self.port = ipaddress.ip_network(one.address), one.port

    def fits(self, one):
        return ((self.port is None or self.port == one.port) and
                (self.network is None or one.address in self.network))


def seconds(text):
    try:
        value = float(text)
    except ValueError:
        value = -1
    if not 0 <= value < 1e9:
        raise argparse.ArgumentTypeError(f"'{text}' is not a number of seconds")
    return value


def delay(text):
    value = seconds(text)
    if value < 0.1:
        raise argparse.ArgumentTypeError(f"'{text}': at least 0.1 seconds")
    return value


def count(text):
    if not text.isascii() or not text.isdigit() or not 0 < int(text) < 1 << 31:
        raise argparse.ArgumentTypeError(f"'{text}' is not a count")
    return int(text)


def word(text):
    """Not empty, as "$PID" of a script that has no PID: such an option would count as not given."""
    if not text:
        raise argparse.ArgumentTypeError("the word is empty")
    return text


def add_filters(parser):
    """The options of fits()."""
    parser.add_argument("-s", "--state", type=states, metavar="STATE[,STATE]...",
                        help="only in one of these states, as established,close-wait").words = STATE_WORDS
    parser.add_argument("-p", "--port", type=port, help="only with this port at either end")
    parser.add_argument("-a", "--addr", type=network, metavar="ADDRESS[/BITS]",
                        help="only with this address, or one of this network, at either end")
    parser.add_argument("-P", "--process", type=word, metavar="NAME|PID", help="only of this program or process")
    parser.add_argument("-w", "--wire", choices=("native", "tcp"), help="only on this wire")
    parser.add_argument("-W", "--waiting", type=word, metavar="WORD",
                        help="only those that wait for this, as peer-window or app-close")
    parser.add_argument("-o", "--older", type=seconds, metavar="SECONDS",
                        help="only those that have been in their state for so long")


def is_given(args):
    """Whether there is any option of fits()."""
    return bool(args.state or args.port or args.addr or args.process or args.wire or args.waiting or
                args.older is not None)


def fits(args, connection):
    """Whether the options let @connection pass."""
    ends = (connection.local, connection.remote)
    return ((not args.state or connection.state in args.state) and
            (not args.port or args.port in [e.port for e in ends]) and
            (not args.addr or any(e.address in args.addr for e in ends)) and
            (not args.process or any(args.process in (p.name, str(p.pid))
                                     for p in connection.processes)) and
            (not args.wire or connection.wire == args.wire) and
            (not args.waiting or args.waiting in connection.waiting) and
            (args.older is None or connection.age_s >= args.older))


# What --sort takes: the key, and whether the largest comes first.
ORDERS = {
    "state": (lambda c: (procfs.STATES.index(c.state) if c.state in procfs.STATES else 99, -c.age_s),
              False),
    "age": (lambda c: c.age_s, True),
    "process": (lambda c: (not c.processes, c.owner()), False),
    "waiting": (lambda c: c.waiting, False),
    "local": (lambda c: (c.local.address.version, c.local.address, c.local.port), False),
    "remote": (lambda c: (c.remote.address.version, c.remote.address, c.remote.port), False),
    "recv-q": (lambda c: c.recv_q or 0, True),
    "send-q": (lambda c: c.send_q or 0, True),
    "timer": (lambda c: (c.timer_ms is None, c.timer_ms or 0), False),
    "rate": (lambda c: c.rate or 0, True),
    "wire": (lambda c: c.wire, False),
}


def add_order(parser, default):
    """The options of in_order()."""
    parser.add_argument("-S", "--sort", choices=ORDERS, default=default, metavar="COLUMN",
                        help=f"{', '.join(ORDERS)} (default: {default})")
    parser.add_argument("-r", "--reverse", action="store_true", help="the other way round")


def in_order(args, connections):
    key, largest_first = ORDERS[args.sort]
    return sorted(connections, key=key, reverse=largest_first != args.reverse)
