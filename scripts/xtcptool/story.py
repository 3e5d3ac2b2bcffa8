# SPDX-License-Identifier: GPL-2.0
"""story: what is known of a connection, in plain sentences."""

import errno
import os
import time

from xtcptool import text

STATES = {
    "LISTEN": "it accepts connections",
    "SYN-SENT": "the program has called connect(), and the peer has not answered the SYN",
    "SYN-RECEIVED": "a SYN has been answered, and the peer has not acknowledged the SYN-ACK",
    "ESTABLISHED": "both ends may send",
    "FIN-WAIT-1": "this end has closed, and the peer has not acknowledged the FIN",
    "FIN-WAIT-2": "this end has closed, and the peer has not",
    "CLOSE-WAIT": "the peer has closed, and the program has not",
    "CLOSING": "both ends have closed at the same time, and the peer has not acknowledged the FIN",
    "LAST-ACK": "both ends have closed, the peer first, and it has not acknowledged the FIN",
    "TIME-WAIT": "both ends have closed, this one first; old segments may still arrive",
}

WAITING = {
    "app-accept": "the program to call accept()",
    "app-read": "the program to read",
    "app-write": "the program to write",
    "app-close": "the program to call close()",
    "peer-syn": "a SYN",
    "peer-syn-ack": "the peer's SYN-ACK",
    "peer-ack": "the peer's acknowledgement",
    "peer-data": "data of the peer",
    "peer-fin": "the peer's FIN",
    "peer-window": "the peer's receive window to open",
    "cwnd": "space in the congestion window",
    "pacing": "the time of the next segment, which the pacing rate sets",
    "nagle": "an acknowledgement, because Nagle's algorithm holds a small segment back",
    "cork": "more data, because TCP_CORK or MSG_MORE holds a small segment back",
    "device": "the queue of the network device",
    "retry": "another attempt to send, because there was no memory or no route",
    "memory": "memory, which xtcp_mem or the memory cgroup does not give",
    "2msl": "the end of TIME-WAIT",
}

TIMERS = {
    "retransmit": "The retransmission timer fires",
    "loss-probe": "A loss probe is sent",
    "reorder": "Segments above a hole are taken for lost",
    "persist": "The closed window is probed",
    "delayed-ack": "The delayed ACK is sent",
    "keepalive": "The keepalive timer fires",
    "fin-wait-2": "The connection ends if no FIN arrives",
    "pace": "The next segment is sent",
    "syn-ack": "The SYN-ACK is sent again, or the record ends",
    "2msl": "TIME-WAIT ends",
}

CA_RECOVERY, CA_LOSS = 3, 4
INFINITE_SSTHRESH = 0x7fffffff


def joined(parts):
    return " and ".join(filter(None, (", ".join(parts[:-1]), parts[-1])))


def count_bytes(number):
    return text.plural(number, "byte")


def segments(number):
    return text.plural(number, "segment")


def state(c):
    return f"{c.state} for {text.duration(c.age_s)}: {STATES.get(c.state, 'a state without a description')}."


def waiting(c):
    return f"It waits {joined(['for ' + WAITING.get(word, word) for word in c.waiting])}."


def timer(c):
    if not c.timer:
        return "No timer runs."
    return f"{TIMERS.get(c.timer, c.timer)} in {text.duration(c.timer_ms / 1000)}."


def holder(c):
    if c.processes:
        who = joined([f"{p.name} (process {p.pid}, descriptor {p.fd})" for p in c.processes])
        return f"{who} {'holds' if len(c.processes) == 1 else 'hold'} the socket."
    if not c.inode:
        return "No process holds it."
    return f"No process that you may see holds the socket, which user {c.uid} owns."


def accept_queue(c):
    return (f"{text.plural(c.recv_q, 'connection')} of at most {c.send_q} "
            f"{'waits' if c.recv_q == 1 else 'wait'} for accept().")


def queues(c):
    unsent = c.info.get("notsent_bytes", 0)
    received = (f"The program has not read {count_bytes(c.recv_q)}" if c.recv_q
                else "The program has read all that arrived")
    if not c.send_q:
        return f"{received}; the peer has acknowledged all that was sent."
    return (f"{received}; the peer has not acknowledged {count_bytes(c.send_q)}, "
            f"{unsent or 'none'} of them not sent yet.")


def retransmissions(c):
    info = c.info
    number = info["total_retrans"]
    said = "Nothing was retransmitted" if not number else (
        f"{segments(number)} {'was' if number == 1 else 'were'} retransmitted, "
        f"{count_bytes(info['bytes_retrans'])} of payload")
    if info["retransmits"]:
        said += f"; {text.plural(info['retransmits'], 'timeout')} in a row, without an answer"
    elif info["ca_state"] in (CA_RECOVERY, CA_LOSS):
        said += "; a loss is being repaired"
    if info["probes"]:
        said += f"; {text.plural(info['probes'], 'probe')} without an answer"
    return said + "."


def windows(c):
    info = c.info
    peers = (f"The peer's receive window is {count_bytes(info['snd_wnd'])}" if info["snd_wnd"]
             else "The peer's receive window is closed")
    phase = ("slow start" if info["snd_cwnd"] < info["snd_ssthresh"] or
             info["snd_ssthresh"] >= INFINITE_SSTHRESH else "congestion avoidance")
    return (f"{peers}; the congestion window is {segments(info['snd_cwnd'])} of "
            f"{count_bytes(info['snd_mss'])} ({c.congestion_control or 'no congestion control'}, "
            f"{phase}), {info['unacked'] or 'none'} of them in flight.")


def round_trip(c):
    if not c.info["rtt"]:
        return "No round trip was measured."
    least = c.info["min_rtt"]
    return (f"A round trip takes {c.info['rtt'] / 1000:g} ms"
            + (f" (minimum {least / 1000:g} ms)" if least is not None else "") +
            f", and the retransmission timeout is {c.info['rto'] / 1000:g} ms.")


def totals(c):
    info = c.info
    sent = max(info["bytes_sent"] - info["bytes_retrans"], 0)
    said = f"Payload sent: {count_bytes(sent)}, received: {count_bytes(info['bytes_received'])}"
    # The times mean something once there was payload.
    if info["data_segs_out"]:
        said += f"; last sent {text.duration(info['last_data_sent'] / 1000)} ago"
    if info["data_segs_in"]:
        said += f"; last received {text.duration(info['last_data_recv'] / 1000)} ago"
    return said + "."


def living(c):
    """Of a procfs.Connection: a list of sentences."""
    said = [state(c), waiting(c), timer(c), holder(c)]
    if c.is_listener():
        return said + ([accept_queue(c)] if c.recv_q is not None else [])
    if c.info:
        said += [queues(c), retransmissions(c)]
        if c.state != "SYN-SENT":
            said += [windows(c), round_trip(c), totals(c)]
    return said


# --- obituaries -------------------------------------------------------------

# An orphan's end; counters and the lifecycle table call it NO-MEMORY.
SCARCE = "there were too many orphans (xtcp_max_orphans) or memory was short"

# How the last event of a connection ended it.
ENDS = {
    "rcv-RST": "The peer reset it",
    "rcv-RST-in-window": "The peer reset it",
    "ABORT": "This end reset it",
    "KILL": "An administrator ended it",
    "CLOSE": "The program closed it",
    "RETRANSMISSION-GIVE-UP": "This end gave up, because the peer acknowledged nothing",
    "KEEPALIVE-GIVE-UP": "This end gave up, because the peer did not answer keepalive probes",
    "USER-TIMEOUT": "This end gave up, because the user timeout or xtcp_attached_fin_timeout passed",
    "FIN-WAIT-2-TIMEOUT": "This end gave up, because no FIN came",
    "ICMP-hard-error": "An ICMP error ended it",
    "ICMP-soft-error": "An ICMP error ended it",
    "rcv-text-after-CLOSE": "This end reset it, because data came after close()",
    "NO-MEMORY": f"This end gave up, because {SCARCE}",
    "MEMORY-PRESSURE": "This end gave up, because memory was short",
    "rcv-ACK-of-FIN": "Both ends closed it in order",
    "rcv-FIN": "Both ends closed it in order",
    "TIME-WAIT-TIMEOUT": "Both ends closed it in order",
    "TIME-WAIT-FULL": "Both ends closed it in order, and there was no room for TIME-WAIT",
    "TIME-WAIT-TOKEN": "Both ends closed it in order",
    "ORPHAN-RECORD": "The program closed it; a record waits for the peer's FIN",
}

# Counters of sent RSTs, by which xtcp_dead names the reason.
RESETS = {
    "XtcpResetSentBadAck": "a segment of the peer acknowledged what was never sent",
    "XtcpResetSentSynInWindow": "a SYN came in the middle of the connection",
    "XtcpResetSentAcceptOverflow": "the accept queue was full",
    "XtcpResetSentListenerClosed": "the listener closed before accept()",
    "XtcpResetSentTextAfterClose": "data came after close()",
    "XtcpResetSentUnreadText": "the program closed without having read all data",
    "XtcpResetSentLinger": "the program set SO_LINGER with a time of 0, or a negative TCP_LINGER2",
    "XtcpResetSentDisconnect": "the program called connect() with AF_UNSPEC",
    "XtcpResetSentKeepalive": "keepalive probes were not answered",
    "XtcpResetSentKilled": "an administrator ended it",
    "XtcpResetSentNoMemory": SCARCE,
}


def ending(o):
    said = ENDS.get(o.event, f"It ended by the event {o.event}")
    said = f"{said} in {o.state}, {text.duration(o.age_s)} after it began"
    when = time.strftime("%F %T", time.localtime(o.ended_s))
    if o.reset and o.reset in RESETS:
        said += f"; a RST was sent, because {RESETS[o.reset]}"
    return f"{said} ({when})."


def consequence(o):
    if not o.errno:
        return "The program got no error."
    name = errno.errorcode.get(o.errno, o.errno)
    return f"The program got {name}: {os.strerror(o.errno)}."


def dead_numbers(o):
    n = o.numbers
    said = f"Acknowledged: {count_bytes(n['acked_bytes'])}, received: {count_bytes(n['received_bytes'])}"
    if n["unacked_bytes"]:
        said += f"; the peer never acknowledged {count_bytes(n['unacked_bytes'])}"
    return said + "."


def dead_timers(o):
    n = o.numbers
    said = [f"{segments(n['retransmitted_segments'])} retransmitted"] if n["retransmitted_segments"] else []
    said += [text.plural(n[key], noun) for key, noun in
             (("retransmission_timeouts", "retransmission timeout"), ("window_probes", "window probe"),
              ("keepalive_timeouts", "keepalive timeout")) if n[key]]
    if not said:
        return "Nothing retransmitted; no retransmission timeout, window probe or keepalive timeout."
    return f"{joined(said)}."


def dead_path(o):
    n = o.numbers
    rtt = f"A round trip took {n['rtt_us'] / 1000:g} ms" if n["rtt_us"] else "No round trip was measured"
    return f"{rtt}; the congestion window was {segments(n['cwnd_segments'])} at the end."


def dead_events(o):
    """The last events, a line each."""
    for e in o.events:
        move = f"stays {e.from_state}" if e.from_state == e.to_state else f"{e.from_state} > {e.to_state}"
        yield f"{e.at_s:11.6f}s {e.event}: {move}" + (f" ({e.times} times)" if e.times > 1 else "")


def dead(o):
    """Of a procfs.Obituary: a list of sentences, and of its last events."""
    owner = f"The program was {o.program}, user {o.numbers['uid']}." if o.program else (
        f"The owner was user {o.numbers['uid']}.")
    return [ending(o), consequence(o), owner, dead_numbers(o), dead_timers(o), dead_path(o),
            *dead_events(o)]
