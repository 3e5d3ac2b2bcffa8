#!/usr/bin/python3
# SPDX-License-Identifier: GPL-2.0
"""origdst.py FAMILY PORT: answer each connection with its SO_ORIGINAL_DST, or with the errno."""

import socket
import struct
import sys

SO_ORIGINAL_DST = 80


def original(connection, family):
    if family == 4:
        raw = connection.getsockopt(socket.SOL_IP, SO_ORIGINAL_DST, 16)
        port, address = struct.unpack("!2xH4s8x", raw)
        return f"{socket.inet_ntop(socket.AF_INET, address)} {port}"
    raw = connection.getsockopt(socket.IPPROTO_IPV6, SO_ORIGINAL_DST, 28)
    port, address = struct.unpack("!2xH4x16s4x", raw)
    return f"{socket.inet_ntop(socket.AF_INET6, address)} {port}"


def main():
    family, port = int(sys.argv[1]), int(sys.argv[2])
    listener = socket.socket(socket.AF_INET if family == 4 else socket.AF_INET6)
    listener.bind(("", port))
    listener.listen()
    while True:
        connection, _ = listener.accept()
        try:
            answer = original(connection, family)
        except OSError as error:
            answer = f"error {error.errno}"
        connection.sendall(f"{answer}\n".encode())
        connection.close()


main()
