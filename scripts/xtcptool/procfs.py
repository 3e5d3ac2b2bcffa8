# SPDX-License-Identifier: GPL-2.0
"""procfs: readers of the module's files in /proc/net, and of processes' open sockets.

Each reader opens its file anew and raises Failure in one line if the module is not loaded or
the file is not what xtcp(7) describes. Rows of two files are read one after the other: a
connection may change, come or go in between.
"""

import collections
import ipaddress
import os
import re
import struct

from xtcptool import Failure

NET = "/proc/net/"

# In the order of a connection's life.
STATES = ("LISTEN", "SYN-SENT", "SYN-RECEIVED", "ESTABLISHED", "FIN-WAIT-1", "FIN-WAIT-2",
          "CLOSE-WAIT", "CLOSING", "LAST-ACK", "TIME-WAIT")

FIN_CAME = ("CLOSE-WAIT", "CLOSING", "LAST-ACK", "TIME-WAIT")
WIRES = {253: "native", 6: "tcp"}


def read(name, mode="r"):
    """The content of /proc/net/@name."""
    try:
        # Lines end with LF alone. Names of devices are any bytes, which write() gives back.
        how = {} if "b" in mode else {"encoding": "utf-8", "errors": "surrogateescape", "newline": "\n"}
        with open(NET + name, mode, **how) as f:
            return f.read()
    except FileNotFoundError:
        raise Failure(f"no {NET}{name}: is the module xtcp loaded?") from None


def exists(name):
    return os.path.exists(NET + name)


def words(line):
    """Of a row. str.split() also splits at characters that a device's name may have."""
    return [word for word in line.split(" ") if word]


def table(name, columns=()):
    """The rows of a file whose first line names its columns: a dict each, of strings.

    @columns must be among them. Columns that a newer module appends are in the rows, too."""
    lines = read(name).rstrip("\n").split("\n")
    header = words(lines[0])
    missing = [c for c in columns if c not in header]
    if missing:
        raise Failure(f"{NET}{name} has no column '{missing[0]}': is the module older than this "
                      "command?")
    return [dict(zip(header, words(line))) for line in lines[1:]]


def counters():
    """The counters of xtcp_snmp and xtcp_netstat by name."""
    found = {}
    for name in ("xtcp_snmp", "xtcp_netstat"):
        lines = read(name).splitlines()
        for names, values in zip(lines[::2], lines[1::2]):
            found.update(zip(names.split()[1:], (int(v) for v in values.split()[1:])))
    return found


# --- ends -------------------------------------------------------------------

class End(collections.namedtuple("End", "address port device")):
    """One end of a connection: an IPv4Address or IPv6Address, a port, a device's name or ''."""

    def __str__(self):
        address = f"[{self.address}]" if self.address.version == 6 else str(self.address)
        device = f"%{self.device}" if self.device else ""
        return f"{address}{device}:{self.port}"


def address(text):
    """An IP address without scope and IPv4-mapped form. Raises ValueError."""
    if "%" in str(text):
        raise ValueError(f"'{text}': an address has no scope here")
    value = ipaddress.ip_address(text)
    return getattr(value, "ipv4_mapped", None) or value


def end(text):
    """ "10.0.0.2:80", "[fd00::2]:80", "10.0.0.2%eth0:80", "[fe80::1]%eth0:80". Raises ValueError."""
    host, colon, port = text.rpartition(":")
    host, percent, device = host.partition("%")
    if host.startswith("[") != host.endswith("]") or (":" in host) != host.startswith("["):
        raise ValueError(f"'{text}': an IPv6 address is written [ADDRESS]:PORT")
    if not colon or not port.isascii() or not port.isdigit() or int(port) > 65535 or (
            percent and not device):
        raise ValueError(f"'{text}' is not ADDRESS:PORT")
    return End(address(host.strip("[]")), int(port), device)


# --- /proc/net/xtcp_diag ----------------------------------------------------

# struct tcp_info of <linux/tcp.h>, in its order, up to the field tcpi_snd_wnd.
TCP_INFO_FIELDS = (
    "state ca_state retransmits probes backoff options wscale flags "
    "rto ato snd_mss rcv_mss unacked sacked lost retrans fackets last_data_sent last_ack_sent "
    "last_data_recv last_ack_recv pmtu rcv_ssthresh rtt rttvar snd_ssthresh snd_cwnd advmss "
    "reordering rcv_rtt rcv_space total_retrans "
    "pacing_rate max_pacing_rate bytes_acked bytes_received "
    "segs_out segs_in notsent_bytes min_rtt data_segs_in data_segs_out "
    "delivery_rate busy_time rwnd_limited sndbuf_limited delivered delivered_ce "
    "bytes_sent bytes_retrans dsack_dups reord_seen rcv_ooopack snd_wnd").split()
TCP_INFO = struct.Struct("=8B24I4Q6I4Q2I2Q4I")

NO_SAMPLE = 0xffffffff      # tcpi_min_rtt

NLMSG = struct.Struct("=IHHII")
NLMSG_DONE, SOCK_DIAG_BY_FAMILY = 3, 20
INET_DIAG_MSG = struct.Struct("=4B2s2s16s16sI8xIIIII")
AF_INET = 2
ATTRIBUTE = struct.Struct("=HH")
INET_DIAG_INFO, INET_DIAG_CONG, INET_DIAG_SKMEMINFO, INET_DIAG_PROTOCOL = 2, 4, 7, 10
SKMEMINFO_FIELDS = ("rmem_alloc rcvbuf wmem_alloc sndbuf fwd_alloc wmem_queued optmem backlog "
                    "drops").split()


def attributes(data):
    """The attributes of a message: the payload by type."""
    found, at = {}, 0
    while at + ATTRIBUTE.size <= len(data):
        length, kind = ATTRIBUTE.unpack_from(data, at)
        if length < ATTRIBUTE.size or at + length > len(data):
            raise Failure(f"{NET}xtcp_diag: an attribute of {length} bytes")
        found[kind] = data[at + ATTRIBUTE.size:at + length]
        at += (length + 3) & ~3
    return found


def diag_detail(data):
    """One message: the key of its connection, and what is known of it."""
    (family, _, _, retrans, sport, dport, src, dst, _, _, recv_q, send_q, _,
     inode) = INET_DIAG_MSG.unpack_from(data)
    attrs = attributes(data[INET_DIAG_MSG.size:])
    size = 4 if family == AF_INET else 16
    local, remote = (address(ipaddress.ip_address(raw[:size])) for raw in (src, dst))
    wire = WIRES.get(attrs.get(INET_DIAG_PROTOCOL, b"\0")[0], "")
    key = (local, int.from_bytes(sport, "big"), remote, int.from_bytes(dport, "big"), wire, inode)
    detail = {"recv_q": recv_q, "send_q": send_q, "retransmissions_in_row": retrans}
    info = attrs.get(INET_DIAG_INFO, b"")
    if len(info) >= TCP_INFO.size:
        detail["info"] = dict(zip(TCP_INFO_FIELDS, TCP_INFO.unpack_from(info)))
    if INET_DIAG_CONG in attrs:
        detail["congestion_control"] = attrs[INET_DIAG_CONG].rstrip(b"\0").decode("ascii", "replace")
    memory = attrs.get(INET_DIAG_SKMEMINFO, b"")
    detail["memory"] = dict(zip(SKMEMINFO_FIELDS, struct.unpack(f"={len(memory) // 4}I", memory)))
    return key, detail


def diag():
    """The details of connections, a list for each key: records without a socket have no inode."""
    data, found, at = read("xtcp_diag", "rb"), collections.defaultdict(list), 0
    while at + NLMSG.size <= len(data):
        length, kind, _, _, _ = NLMSG.unpack_from(data, at)
        if kind == NLMSG_DONE:
            return found
        if length < NLMSG.size or at + length > len(data):
            break
        if kind == SOCK_DIAG_BY_FAMILY:
            key, detail = diag_detail(data[at + NLMSG.size:at + length])
            found[key].append(detail)
        at += (length + 3) & ~3
    raise Failure(f"{NET}xtcp_diag ends in the middle of a message")


# --- processes --------------------------------------------------------------

Process = collections.namedtuple("Process", "pid name fd")


def process_name(pid):
    try:
        with open(f"/proc/{pid}/comm", errors="replace") as f:
            return f.read().rstrip("\n")
    except OSError:
        return "?"


def holders(inodes):
    """The processes that hold the sockets @inodes, a list for each that has one.

    Only root sees other users' processes, and no user those of other PID namespaces."""
    wanted = {f"socket:[{i}]": i for i in inodes if i}
    found = collections.defaultdict(list)
    for pid in sorted(int(p) for p in os.listdir("/proc") if p.isdigit()) if wanted else ():
        folder, name = f"/proc/{pid}/fd", None
        try:
            fds = sorted(int(fd) for fd in os.listdir(folder))
        except OSError:
            continue
        for fd in fds:
            try:
                inode = wanted.get(os.readlink(f"{folder}/{fd}"))
            except OSError:
                continue
            if inode:
                name = name or process_name(pid)
                found[inode].append(Process(pid, name, fd))
    return found


def owner(processes):
    """ "nginx/612", or "nginx/612+3" if three more processes hold the socket, or ''."""
    if not processes:
        return ""
    more = len({p.pid for p in processes}) - 1
    return f"{processes[0].name}/{processes[0].pid}" + (f"+{more}" if more else "")


# --- writing ----------------------------------------------------------------

def write(name, line):
    """Writes @line to /proc/net/@name. OSError of the write is the caller's."""
    try:
        fd = os.open(NET + name, os.O_WRONLY)
    except FileNotFoundError:
        raise Failure(f"no {NET}{name}: is the module xtcp loaded?") from None
    except PermissionError:
        raise Failure(f"{NET}{name}: not permitted: this needs CAP_NET_ADMIN") from None
    try:
        os.write(fd, line.encode("utf-8", "surrogateescape") + b"\n")
    finally:
        os.close(fd)


# --- connections ------------------------------------------------------------

class Connection:
    """A listener or a connection: a row of xtcp_age and its message of xtcp_diag."""

    def __init__(self, row):
        """@row: of xtcp_age, a dict of strings."""
        self.local, self.remote = end(row["local"]), end(row["remote"])
        self.state, self.wire = row["state"], row["wire"]
        self.age_s = float(row["seconds"])
        self.uid, self.inode = int(row["uid"]), int(row["inode"])
        self.waiting = row["waiting"].split(",")
        self.timer = None if row["timer"] == "-" else row["timer"]
        self.timer_ms = int(row["ms"]) if self.timer else None
        self.recv_q = self.send_q = None
        self.info, self.memory, self.congestion_control = {}, {}, None
        self.rate = None    # payload in both directions in bytes/s; see mean_rate()
        self.processes = []

    def key(self):
        return (self.local.address, self.local.port, self.remote.address, self.remote.port,
                self.wire, self.inode)

    def learn(self, detail):
        """What a message of xtcp_diag has."""
        self.recv_q, self.send_q = detail["recv_q"], detail["send_q"]
        self.info, self.memory = detail.get("info", {}), detail["memory"]
        if self.info.get("min_rtt") == NO_SAMPLE:
            self.info["min_rtt"] = None
        if self.state in FIN_CAME and self.info.get("bytes_received"):
            self.info["bytes_received"] -= 1    # the FIN is counted as a byte
        self.congestion_control = detail.get("congestion_control")
        self.rate = self.mean_rate()

    def payload(self):
        """Bytes in both directions so far; None of a record or a listener."""
        if self.is_listener() or not self.info:
            return None
        return self.info["bytes_acked"] + self.info["bytes_received"]

    def mean_rate(self):
        """Since the connection was established; None in another state."""
        if self.state != "ESTABLISHED" or not self.info or not self.age_s:
            return None
        return self.payload() / self.age_s

    def is_listener(self):
        return self.state == "LISTEN"

    def ends(self):
        """As xtcp_kill takes them."""
        return f"{self.local} {self.remote} {self.wire}"

    def name(self):
        """For xtcp_kill: this connection, and no other one that has got its ends since."""
        return self.ends() if self.is_listener() else f"{self.ends()} inode={self.inode}"

    def owner(self):
        return owner(self.processes)

    def as_dict(self):
        """For --json."""
        listens = self.is_listener()
        row = {
            "state": self.state, "age_s": self.age_s, "wire": self.wire,
            "local_address": str(self.local.address), "local_port": self.local.port,
            "device": self.local.device or None,
            "remote_address": None if listens else str(self.remote.address),
            "remote_port": None if listens else self.remote.port,
            "waiting_for": self.waiting, "timer": self.timer, "timer_ms": self.timer_ms,
            "uid": self.uid, "inode": self.inode or None,
            "processes": [p._asdict() for p in self.processes],
        }
        if listens:
            row["accept_queue_connections"] = self.recv_q
            row["accept_queue_limit_connections"] = self.send_q
            return row
        row["receive_queue_bytes"], row["send_queue_bytes"] = self.recv_q, self.send_q
        row["congestion_control"] = self.congestion_control
        row["rate_bytes_per_s"] = None if self.rate is None else round(self.rate)
        row.update((name, self.info.get(field)) for name, field in INFO_KEYS)
        return row


# Keys of --json, and the field of struct tcp_info.
INFO_KEYS = (
    ("pacing_rate_bytes_per_s", "pacing_rate"), ("rtt_us", "rtt"), ("rtt_variance_us", "rttvar"),
    ("min_rtt_us", "min_rtt"), ("rto_us", "rto"), ("mss_bytes", "snd_mss"), ("pmtu_bytes", "pmtu"),
    ("cwnd_segments", "snd_cwnd"), ("ssthresh_segments", "snd_ssthresh"),
    ("send_window_bytes", "snd_wnd"), ("in_flight_segments", "unacked"),
    ("unsent_bytes", "notsent_bytes"), ("lost_segments", "lost"), ("sacked_segments", "sacked"),
    ("retransmitted_segments", "total_retrans"), ("retransmitted_bytes", "bytes_retrans"),
    ("timeouts_in_row", "retransmits"), ("acked_bytes", "bytes_acked"),
    ("received_bytes", "bytes_received"), ("sent_segments", "segs_out"),
    ("received_segments", "segs_in"), ("last_data_sent_ms", "last_data_sent"),
    ("last_data_received_ms", "last_data_recv"), ("last_ack_received_ms", "last_ack_recv"),
)

AGE_COLUMNS = ("local", "remote", "state", "seconds", "uid", "inode", "wire", "waiting", "timer", "ms")


def connections(details=True, processes=True):
    """All listeners and connections of the namespace.

    Without @details the queues and tcp_info are left out, without @processes the holders."""
    found = [Connection(row) for row in table("xtcp_age", AGE_COLUMNS)]
    if details:
        messages = diag()
        for connection in found:
            of_key = messages.get(connection.key())
            if of_key:
                connection.learn(of_key.pop(0))
    if processes:
        held = holders({c.inode for c in found})
        for connection in found:
            connection.processes = held.get(connection.inode, [])
    return found


# --- obituaries -------------------------------------------------------------

Event = collections.namedtuple("Event", "at_s event from_state to_state times reset")

DEAD_COLUMNS = ("ended", "local", "remote", "wire", "uid", "program", "seconds", "state", "event",
                "errno", "reset", "acked", "received", "unacked", "srtt_us", "cwnd", "retrans", "rtos",
                "probes", "keepalives", "rows")


def unescaped(word):
    """A program's name, in which blanks are written \\040."""
    octets = re.sub(rb"\\([0-7]{3})", lambda m: bytes([int(m.group(1), 8) & 0xff]),
                    word.encode("utf-8", "surrogateescape"))
    return octets.decode("utf-8", "replace")


class Obituary:
    """A connection that has ended: a row of xtcp_dead."""

    def __init__(self, row):
        self.local, self.remote = end(row["local"]), end(row["remote"])
        self.wire, self.state, self.event = row["wire"], row["state"], row["event"]
        self.ended_s, self.age_s = float(row["ended"]), float(row["seconds"])
        self.program = None if row["program"] == "-" else unescaped(row["program"])
        self.errno = int(row["errno"])
        self.reset = None if row["reset"] == "-" else row["reset"]
        self.numbers = {name: int(row[column]) for name, column in DEAD_KEYS}
        self.events = []
        for word in filter(None, row["rows"].split(";")):
            at, event, before, after, times, reset = word.split("/")
            self.events.append(Event(float(at), event, before, after, int(times),
                                     None if reset == "-" else reset))

    def as_dict(self):
        return {"ended_s": self.ended_s, "age_s": self.age_s, "wire": self.wire,
                "local_address": str(self.local.address), "local_port": self.local.port,
                "device": self.local.device or None,
                "remote_address": str(self.remote.address), "remote_port": self.remote.port,
                "program": self.program, "last_state": self.state, "last_event": self.event,
                "errno": self.errno or None, "reset_reason": self.reset, **self.numbers,
                "events": [e._asdict() for e in self.events]}


# Keys of --json, and the column of xtcp_dead.
DEAD_KEYS = (
    ("uid", "uid"), ("acked_bytes", "acked"), ("received_bytes", "received"),
    ("unacked_bytes", "unacked"), ("rtt_us", "srtt_us"), ("cwnd_segments", "cwnd"),
    ("retransmitted_segments", "retrans"), ("retransmission_timeouts", "rtos"),
    ("window_probes", "probes"), ("keepalive_timeouts", "keepalives"),
)


def obituaries():
    """The oldest first; none from a module without a flight recorder."""
    if not exists("xtcp_dead"):
        return []
    return [Obituary(row) for row in table("xtcp_dead", DEAD_COLUMNS)]
