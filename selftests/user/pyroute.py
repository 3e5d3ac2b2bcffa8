#!/usr/bin/python3
# SPDX-License-Identifier: GPL-2.0
"""pyroute.py: asks sock_diag for xtcp's sockets by the library pyroute2, for pyroute.sh.

Commands are lines of standard input; each prints lines.

  dump FAMILY STATE[,STATE]...       STATE LOCAL REMOTE WIRE of each socket, in order
  lookup LOCAL PORT REMOTE PORT      the same of a single socket, by addresses
  cookie LOCAL PORT REMOTE PORT      the same, by addresses and the cookie of a dump
  attributes LOCAL PORT REMOTE PORT  its attributes
  destroy LOCAL PORT REMOTE PORT     ends it
"""

import ipaddress
import socket
import struct
import sys

from pyroute2.netlink import NLM_F_ACK, NLM_F_REQUEST
from pyroute2.netlink import diag

XTCP = 253
NO_COOKIE = (1 << 64) - 1
ALL_ATTRIBUTES = 0xff
STATES = {name[3:]: value for name, value in vars(diag).items()
          if name.startswith("SS_") and 0 < value < diag.SS_MAX}
NAMES = {value: name for name, value in STATES.items()}
FAMILIES = {"4": socket.AF_INET, "6": socket.AF_INET6}


def words(address):
    packed = ipaddress.ip_address(address).packed
    return struct.unpack(">4I", packed + bytes(16 - len(packed)))


def request(local, lport, remote, rport, cookie=NO_COOKIE):
    req = diag.inet_diag_req()
    req["sdiag_family"] = FAMILIES[str(ipaddress.ip_address(local).version)]
    req["sdiag_protocol"] = XTCP
    req["idiag_ext"] = ALL_ATTRIBUTES
    req["idiag_states"] = diag.SS_ALL
    req["idiag_src"], req["idiag_dst"] = words(local), words(remote)
    req["idiag_sport"], req["idiag_dport"] = int(lport), int(rport)
    req["idiag_cookie"] = cookie
    return req


def one(sock, *ends, cookie=NO_COOKIE):
    return sock.nlm_request(request(*ends, cookie=cookie), diag.SOCK_DIAG_BY_FAMILY, NLM_F_REQUEST)[0]


def row(msg):
    return (f"{NAMES[msg['idiag_state']]} {msg['idiag_src']} {msg['idiag_sport']} {msg['idiag_dst']} "
            f"{msg['idiag_dport']} {int(msg.get_attr('INET_DIAG_PROTOCOL'), 16)}")


def dump(sock, family, states):
    mask = sum(1 << STATES[state] for state in states.split(","))
    return sock.get_sock_stats(family=FAMILIES[family], states=mask, protocol=XTCP,
                               extensions=ALL_ATTRIBUTES)


def attributes(msg):
    info, memory = msg.get_attr("INET_DIAG_INFO"), msg.get_attr("INET_DIAG_MEMINFO")
    yield "queues", msg["idiag_rqueue"], msg["idiag_wqueue"]
    yield "uid", msg["idiag_uid"], "inode", msg["idiag_inode"]
    for name in ("state", "snd_mss", "bytes_received", "bytes_acked", "bytes_sent", "snd_cwnd"):
        yield name, info["tcpi_" + name]
    yield "rtt", 0 < info["tcpi_rtt"] < 1000000
    yield "meminfo", memory["idiag_rmem"], memory["idiag_wmem"]
    yield "skmeminfo", len(msg.get_attr("INET_DIAG_SKMEMINFO").split(":")) >= 9 * 4
    yield "cong", msg.get_attr("INET_DIAG_CONG")
    yield "shutdown", msg.get_attr("INET_DIAG_SHUTDOWN")


def destroy(sock, *ends):
    sock.nlm_request(request(*ends), diag.SOCK_DESTROY, NLM_F_REQUEST | NLM_F_ACK)


def run(sock, command, *args):
    if command == "dump":
        print(*sorted(row(msg) for msg in dump(sock, *args)), sep="\n")
    elif command == "destroy":
        destroy(sock, *args)
    else:
        msg = one(sock, *args)
        if command == "cookie":
            msg = one(sock, *args, cookie=msg["idiag_cookie"])
        if command == "attributes":
            for words_ in attributes(msg):
                print(*words_)
        else:
            print(row(msg))


def main():
    with diag.DiagSocket() as sock:
        sock.bind()
        for line in sys.stdin:
            run(sock, *line.split())


main()
