# SPDX-License-Identifier: GPL-2.0
"""oracle: connections of the kernel's TCP on lo, on which a segment takes DELAY_S.

Each function below takes another way through the states. They run one after the other, on ports
of their own.
"""

import socket
import struct
import time

DELAY_S = .1
ABORT = struct.pack("ii", 1, 0)

ports = iter(range(5001, 6000))


def pause(delays):
    time.sleep(delays * DELAY_S)


def bound(family=socket.AF_INET):
    s = socket.socket(family)
    s.bind(("localhost" if family == socket.AF_INET else "::1", next(ports)))
    return s


def opened(family=socket.AF_INET):
    """A client's socket and its server's, whose listener is closed."""
    listener = bound(family)
    listener.listen()
    client = socket.create_connection(listener.getsockname()[:2])
    server, _ = listener.accept()
    listener.close()
    return client, server


def crossing():
    """Two sockets whose SYNs cross: in SYN-RECEIVED after one delay, ESTABLISHED after two."""
    one, other = bound(), bound()
    for s, peer in ((one, other), (other, one)):
        s.setblocking(False)
        s.connect_ex(peer.getsockname())
    return one, other


def abort(s):
    s.setsockopt(socket.SOL_SOCKET, socket.SO_LINGER, ABORT)
    s.close()


def client_closes_first():
    client, server = opened()
    client.close()
    pause(3)
    server.close()


def server_closes_first():
    client, server = opened(socket.AF_INET6)
    server.close()
    pause(3)
    client.close()


def fin_wait_2_with_a_program():
    client, server = opened()
    client.shutdown(socket.SHUT_WR)
    pause(3)
    server.close()
    pause(3)
    client.close()


def close_in_fin_wait_2():
    client, server = opened()
    client.shutdown(socket.SHUT_WR)
    pause(3)
    client.close()
    pause(3)
    server.close()


def simultaneous_open_and_close():
    one, other = crossing()
    pause(3)
    one.close()
    other.close()


def close_in_syn_received():
    one, other = crossing()
    pause(1.5)
    one.close()
    pause(4)
    other.close()


def abort_in_syn_received():
    one, other = crossing()
    pause(1.5)
    abort(one)
    pause(3)
    other.close()


def refused():
    try:
        socket.create_connection(("localhost", next(ports)))
    except ConnectionRefusedError:
        return
    raise AssertionError("connected to nobody")


def close_in_syn_sent():
    s = bound()
    s.setblocking(False)
    s.connect_ex(("localhost", next(ports)))
    s.close()


def aborted():
    client, server = opened()
    abort(client)
    pause(3)
    server.close()


def closed_with_unread_data():
    client, server = opened()
    server.send(b"x")
    pause(3)
    client.close()
    pause(3)
    server.close()


def abort_in_fin_wait_1():
    client, server = opened()
    client.shutdown(socket.SHUT_WR)
    abort(client)
    pause(3)
    server.close()


def abort_in_close_wait():
    client, server = opened()
    client.shutdown(socket.SHUT_WR)
    pause(3)
    abort(server)
    pause(3)
    client.close()


def listener_closes_with_a_child():
    listener = bound()
    listener.listen()
    client = socket.create_connection(listener.getsockname())
    pause(3)
    listener.close()
    pause(3)
    client.close()


for way in (client_closes_first, server_closes_first, fin_wait_2_with_a_program, close_in_fin_wait_2,
            simultaneous_open_and_close, close_in_syn_received, abort_in_syn_received, refused,
            close_in_syn_sent, aborted, closed_with_unread_data, abort_in_fin_wait_1,
            abort_in_close_wait, listener_closes_with_a_child):
    way()
    pause(5)
