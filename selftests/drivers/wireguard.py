#!/usr/bin/python3
# SPDX-License-Identifier: GPL-2.0
"""wireguard.py N: set up the WireGuard device top0 of machine N, whose peer is the other machine.

The keys are secret to nobody: machine N's private key is its number, 32 times.
"""

import base64
import sys

from pyroute2.netlink.generic.wireguard import WireGuard

PRIME = 2 ** 255 - 19
PORT = 51820


def private_key(number):
    return bytes([number]) * 32


def public_key(private):
    """RFC 7748: the x coordinate of @private times the base point, by Montgomery's ladder."""
    scalar = (int.from_bytes(private, "little") & ~(7 | 1 << 255)) | 1 << 254
    low, high = (1, 0), (9, 1)
    for bit in reversed(range(255)):
        if scalar >> bit & 1:
            low, high = high, low
        sums, differences = (low[0] + low[1]) ** 2, (low[0] - low[1]) ** 2
        across, back = (high[0] - high[1]) * (low[0] + low[1]), (high[0] + high[1]) * (low[0] - low[1])
        gap = sums - differences
        low = sums * differences % PRIME, gap * (differences + 121666 * gap) % PRIME
        high = (across + back) ** 2 % PRIME, 9 * (across - back) ** 2 % PRIME
        if scalar >> bit & 1:
            low, high = high, low
    return (low[0] * pow(low[1], PRIME - 2, PRIME) % PRIME).to_bytes(32, "little")


def main():
    number = int(sys.argv[1])
    other = 3 - number
    WireGuard().set("top0", private_key=base64.b64encode(private_key(number)).decode(), listen_port=PORT, peer={
        "public_key": base64.b64encode(public_key(private_key(other))).decode(),
        "endpoint_addr": f"10.10.0.{other}", "endpoint_port": PORT,
        "allowed_ips": ["10.11.0.0/24", "fd11::/64"]})


if __name__ == "__main__":
    main()
