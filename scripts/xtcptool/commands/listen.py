# SPDX-License-Identifier: GPL-2.0
"""listen: list listeners: both queues, overflows, SYN cookies, sources of half-open connections

SYN-QUEUE (half-open connections) and ACCEPT-QUEUE (connections that wait for accept())
are current length/limit/peak. OVERFLOWS are segments that found the SYN queue and the
accept queue full, DROPS the SYNs and third segments of a handshake that were lost for any
reason. COOKIES are SYN cookies sent/accepted/failed. HALF-OPEN FROM has the peers with the
most half-open connections; SYNs that were answered with a cookie leave none.
"""

import collections

from xtcptool import choose, procfs, text

COLUMNS = ("address", "port", "device", "syn_now", "accept_now", "uid", "inode", "wire")
SOURCES = 10        # that --json has of a listener
SHOWN = 2           # that the table has

# Keys of --json, and the column of xtcp_listen.
KEYS = (
    ("syn_queue_connections", "syn_now"), ("syn_queue_limit_connections", "syn_limit"),
    ("syn_queue_peak_connections", "syn_peak"), ("accept_queue_connections", "accept_now"),
    ("accept_queue_limit_connections", "accept_limit"),
    ("accept_queue_peak_connections", "accept_peak"), ("syn_overflows", "syn_overflows"),
    ("accept_overflows", "accept_overflows"), ("drops", "drops"), ("cookies_sent", "cookies_sent"),
    ("cookies_accepted", "cookies_accepted"), ("cookies_failed", "cookies_failed"),
    ("uid", "uid"), ("inode", "inode"),
)


def add_arguments(parser):
    parser.add_argument("-p", "--port", type=choose.port, help="only of this port")
    parser.add_argument("-w", "--wire", choices=("native", "tcp"), help="only of this wire")


class Listener:
    """A row of xtcp_listen, its processes and the peers of its half-open connections."""

    def __init__(self, row):
        self.local = procfs.End(procfs.address(row["address"].strip("[]")), int(row["port"]), "")
        self.device, self.wire = int(row["device"]), row["wire"]
        self.counts = {key: int(row[column]) for key, column in KEYS if column in row}
        self.processes, self.sources = [], collections.Counter()

    def accepts(self, connection):
        """Whether a half-open @connection may be of this listener."""
        wildcard = not int(self.local.address)
        return (connection.local.port == self.local.port and connection.wire == self.wire and
                (connection.local.address == self.local.address or
                 wildcard and connection.local.address.version <= self.local.address.version))

    def as_dict(self):
        row = {"local_address": str(self.local.address), "local_port": self.local.port,
               "device_index": self.device or None, "wire": self.wire, **self.counts}
        row["processes"] = [p._asdict() for p in self.processes]
        row["half_open_from"] = [{"address": str(a), "connections": n}
                                 for a, n in self.sources.most_common(SOURCES)]
        return row

    def of(self, *keys):
        return "/".join(str(self.counts.get(key, "")) for key in keys)

    def from_text(self):
        shown = [f"{a} ({n})" for a, n in self.sources.most_common(SHOWN)]
        more = len(self.sources) - len(shown)
        return ", ".join(shown) + (f" and {more} more" if more > 0 else "")


def listeners():
    found = [Listener(row) for row in procfs.table("xtcp_listen", COLUMNS)]
    held = procfs.holders({one.counts["inode"] for one in found})
    half_open = [c for c in procfs.connections(details=False, processes=False)
                 if c.state == "SYN-RECEIVED" and not c.inode]
    for one in found:
        one.processes = held.get(one.counts["inode"], [])
    for c in half_open:
        # A listener on the address takes precedence over one on all addresses.
        fitting = [one for one in found if one.accepts(c)]
        if fitting:
            max(fitting, key=lambda one: (int(one.local.address) != 0,
                                          one.local.address.version == c.local.address.version)).sources[c.remote.address] += 1
    return found


def table(found):
    listing = text.Table("LOCAL", "WIRE", "PROCESS", "SYN-QUEUE", "ACCEPT-QUEUE", "OVERFLOWS", ">DROPS",
                         "COOKIES", "HALF-OPEN FROM")
    for one in found:
        listing.add(one.local, one.wire, procfs.owner(one.processes),
                    one.of("syn_queue_connections", "syn_queue_limit_connections",
                           "syn_queue_peak_connections"),
                    one.of("accept_queue_connections", "accept_queue_limit_connections",
                           "accept_queue_peak_connections"),
                    one.of("syn_overflows", "accept_overflows"), one.of("drops"),
                    one.of("cookies_sent", "cookies_accepted", "cookies_failed"), one.from_text())
    return listing


def run(args):
    found = [one for one in listeners() if args.port in (None, one.local.port) and
             args.wire in (None, one.wire)]
    if args.json:
        text.print_json(one.as_dict() for one in found)
    else:
        table(found).print()
