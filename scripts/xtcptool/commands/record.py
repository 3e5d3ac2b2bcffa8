# SPDX-License-Identifier: GPL-2.0
"""record: write a live connection to a pcapng file, and as a script that replays it

The next connection with such ENDs is recorded, of either wire and of the kernel's TCP too,
as root, until it is closed, --seconds are over, --count segments were recorded or Ctrl-C. An
END is an address, a port (:PORT) or both (ADDRESS:PORT), of either end; with one, a
connection that exists is recorded from now on, without one the next that opens. NAME.pcapng
has its packets. With --script NAME.pkt is a packet script of one end, which
selftests/script/packetdrill plays against the module or the kernel's TCP. --from makes the
script of a capture that exists; it must be of that end.
"""

import time

from xtcptool import Failure, Usage, capture, choose, live, sniff, text
from xtcptool.commands.ladder import end_filter, of_file
from xtcptool.conversation import Conversation
from xtcptool.conversation import choose as choose_one
from xtcptool.conversation import left_end
from xtcptool.output import Output
from xtcptool.packetscript import Script
from xtcptool.segment import PROTOCOLS, Segment, end_text

NAME, PCAPNG, SCRIPT = "xtcp-record", ".pcapng", ".pkt"
ENDS = ("client", "server")


def add_arguments(parser):
    parser.add_argument("ends", nargs="*", metavar="END", help="of the connection")
    parser.add_argument("-o", "--output", metavar="NAME", default=NAME,
                        help=f"write NAME.pcapng and NAME.pkt (default: {NAME})")
    parser.add_argument("--script", action="store_true", help="also write the packet script")
    parser.add_argument("--from", dest="file", type=choose.word, metavar="FILE",
                        help="a pcap or pcapng file, with --script")
    parser.add_argument("--of", choices=ENDS,
                        help="the end that the script is of (default: the one on this machine, else the client)")
    parser.add_argument("--seconds", type=choose.seconds, help="how long at most")
    parser.add_argument("--count", type=choose.count, metavar="N", help="how many segments at most")


class Recording:
    """One connection, written to a file that is opened when its first segment came."""

    def __init__(self, sniffer, filters, open_file, keep):
        """@keep: whether segments stays, the list of all."""
        self.sniffer, self.filters, self.open_file, self.keep = sniffer, filters, open_file, keep
        self.file = self.key = self.first = self.last = None
        self.segments, self.ending = [], live.Ending()
        self.count = self.payload = self.lost = 0

    def add(self, when_ns, frame):
        s = capture.segment(when_ns / 10**9, capture.LINK_SLL2, frame)
        if not s:
            return
        key = s.wire, s.ends()
        if self.key is None and live.fit(key[1], self.filters) and live.begins(s, self.filters):
            self.key, self.first, self.file = key, s, sniff.Pcapng(self.open_file())
            self.sniffer.narrow(*key)
        if key == self.key:
            self.count, self.payload, self.last = self.count + 1, self.payload + s.length, s
            if self.keep:
                self.segments.append(s)
            self.ending.learn(s)
            self.file.add(when_ns, frame)

    def is_full(self, count):
        return bool(count) and self.count >= count

    def run(self, seconds, count):
        until = time.monotonic() + seconds if seconds is not None else None
        over = None
        try:
            for packet in self.sniffer.packets():
                if packet:
                    self.add(*packet)
                now = time.monotonic()
                if over is None and self.ending.is_over():
                    over = now + live.GRACE
                if (self.is_full(count) or until is not None and now >= until or
                        over is not None and now >= over):
                    break
        finally:
            try:
                self.drain(count)
            finally:
                self.lost = self.sniffer.lost()
                if self.file:
                    self.file.close()

    def drain(self, count):
        """What has come until now, also if a signal ended the capture before it was read."""
        if self.is_full(count):
            return
        for packet in self.sniffer.waiting():
            self.add(*packet)
            if self.is_full(count):
                return


def output(args, ending):
    """The file with this ending. Nobody else can read the payload, also where others may write, as in /tmp."""
    return Output(args.output + ending, replaces=args.output != NAME, private=True)


def record(args, filters):
    """Writes the pcapng. Returns the Recording."""
    recording = None
    with live.until_signal(), sniff.Sniffer(filters) as sniffer:
        packets = output(args, PCAPNG)
        if args.script:
            output(args, SCRIPT)
        recording = Recording(sniffer, filters, packets.open, args.script)
        print("xtcp record: recording, Ctrl-C ends it", file=text.sys.stderr, flush=True)
        recording.run(args.seconds, args.count)
    if not recording or not recording.count:
        raise Failure(f"no connection with {' and '.join(args.ends) or 'any end'} was seen")
    if recording.lost:
        print(f"xtcp record: {text.plural(recording.lost, 'packet')} found no room and may be missing",
              file=text.sys.stderr)
    return recording


def chosen_end(args, conversation, segments):
    """Whether the script is of the left end, the client."""
    if args.of:
        return args.of == "client"
    local = {s.source for s in segments if s.sent}
    return local != {conversation.right}


def run(args):
    if args.file and (args.seconds is not None or args.count):
        raise Usage("--seconds and --count are for a live connection")
    if args.file and not args.script:
        raise Usage("--from is for --script")
    if args.of and not args.script:
        raise Usage("--of is for --script")
    filters = [end_filter(word) for word in args.ends]
    report = {"pcapng": None, "script": None}
    if args.file:
        events, name = of_file(args.file)
        segments = [e for e in events if isinstance(e, Segment)]
        if not all(s.raw or s.sent is not None or not s.options for s in segments):
            raise Failure(f"{name}: no capture")
        segments = choose_one(segments, filters, name)
        first, last = segments[0], segments[-1]
        count, payload = len(segments), sum(s.length for s in segments)
    else:
        made = record(args, filters)
        segments, first, last, count, payload = made.segments, made.first, made.last, made.count, made.payload
        name = report["pcapng"] = args.output + PCAPNG
    client = left_end([first])
    report.update(client=end_text(client), server=end_text(first.target if client == first.source else first.source),
                  wire=PROTOCOLS[first.wire], segments=count, payload_bytes=payload,
                  seconds=round(last.time - first.time, 6))
    if args.script:
        conversation = Conversation(segments)
        left = chosen_end(args, conversation, segments)
        script = Script(conversation, left, name)
        made = script.make()
        file = output(args, SCRIPT)
        report.update(script=file.path, of=ENDS[not left], calls=script.calls)
        with file.open() as f:
            f.write(made.encode("ascii"))
    tell(args, report)


def tell(args, report):
    if args.json:
        text.print_json([report])
        return
    if report["pcapng"]:
        print(f"{report['pcapng']}: {text.plural(report['segments'], 'segment')}, "
              f"{text.plural(report['payload_bytes'], 'byte')} of payload, {report['seconds']:.3f} s, "
              f"{report['client']} to {report['server']}, {report['wire']} wire")
    if report["script"]:
        print(f"{report['script']}: the {report['of']}'s {text.plural(report['calls'], 'system call')}, "
              f"{text.plural(report['segments'], 'segment')}")
