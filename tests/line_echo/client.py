"""What a server that echoes lines has to stand, from outside: sockets and threads, no other library.

    python3 client.py HOST PORT

Prints a line for each scenario, and ends with 1 if one of them failed. Each is bounded in time.
"""

import contextlib
import socket
import struct
import sys
import threading
import time

LIMIT = 64 * 1024
TOO_LONG = b"line too long\n"

# Most seconds for a single call of a socket.
PATIENCE = 20

# How long the peer that does not read waits, in seconds.
SULK = 2


class Client:
    """A connection to the server, with every wait bounded."""

    def __init__(self, address):
        self.socket = socket.create_connection(address, timeout=PATIENCE)
        self.socket.setsockopt(socket.IPPROTO_TCP, socket.TCP_NODELAY, 1)
        self.replies = self.socket.makefile("rb")

    def __enter__(self):
        return self

    def __exit__(self, *_):
        self.replies.close()
        self.socket.close()

    def send(self, data):
        self.socket.sendall(data)

    def finish(self):
        self.socket.shutdown(socket.SHUT_WR)

    def expect(self, expected):
        """Reads as many bytes as are expected, and compares them."""
        equal(self.replies.read(len(expected)), expected)

    def expect_end(self):
        equal(self.replies.read(1), b"")

    def reset(self):
        """Closes with a reset instead of an end of the stream."""
        linger = struct.pack("ii", 1, 0)
        self.socket.setsockopt(socket.SOL_SOCKET, socket.SO_LINGER, linger)
        self.replies.close()
        self.socket.close()


def equal(got, expected):
    if got != expected:
        at = next((i for i, (a, b) in enumerate(zip(got, expected)) if a != b), min(len(got), len(expected)))
        raise AssertionError(
            f"got {len(got)} bytes, expected {len(expected)}; from byte {at}: "
            f"{got[at:at + 40]!r} instead of {expected[at:at + 40]!r}"
        )


@contextlib.contextmanager
def meanwhile(work):
    """Does work in a thread, and hands its failure on."""
    failures = []

    def run():
        try:
            work()
        except BaseException as failure:
            failures.append(failure)

    thread = threading.Thread(target=run, daemon=True)
    thread.start()
    yield thread
    thread.join(PATIENCE)
    if failures:
        raise failures[0]
    if thread.is_alive():
        raise AssertionError("the thread has not ended")


def a_partial_line_behind_a_request(address):
    with Client(address) as client:
        for turn in range(100):
            line = b"request %d\n" % turn
            # Had the server waited for the rest before it answers, this would wait for ever.
            client.send(line + b"the rest ")
            client.expect(line)
            client.send(b"of %d\n" % turn)
            client.expect(b"the rest of %d\n" % turn)
        client.finish()
        client.expect_end()


def many_lines_before_a_reply_is_read(address):
    lines = b"".join(b"line %d\n" % number for number in range(20_000))
    with Client(address) as client:
        client.send(lines)
        with meanwhile(lambda: client.expect(lines)):
            client.finish()
        client.expect_end()


def lines_and_replies_at_once(address):
    lines = b"".join(b"%d %s\n" % (number, b"x" * (number % 1000)) for number in range(20_000))
    with Client(address) as client:
        with meanwhile(lambda: client.expect(lines)):
            client.send(lines)
            client.finish()
        client.expect_end()


def half_close(address):
    with Client(address) as client:
        client.send(b"one\ntwo\n")
        client.finish()
        client.expect(b"one\ntwo\n")
        client.expect_end()
    with Client(address) as client:
        client.finish()
        client.expect_end()


def a_long_line_in_one_piece(address):
    for length in [LIMIT + 1, 2 * LIMIT, 3 * LIMIT + 7, 1 << 20, 5 << 20]:
        with Client(address) as client:
            client.send(b"before\n" + b"x" * length + b"\nafter\n")
            client.expect(b"before\n" + TOO_LONG + b"after\n")
            client.finish()
            client.expect_end()


def a_long_line_in_many_pieces(address):
    with Client(address) as client:
        for piece, count in [(1, 500), (997, 300), (4096, 64)]:
            head = LIMIT + 1 - piece * 10
            client.send(b"y" * head)
            for turn in range(count):
                client.send(b"x" * piece)
                if turn % 50 == 0:
                    time.sleep(0.001)  # so that the pieces arrive as pieces
            # The answer comes before the line has ended.
            client.expect(TOO_LONG)
            client.send(b"tail")
            client.send(b"\n")
            client.send(b"after\n")
            client.expect(b"after\n")
        client.finish()
        client.expect_end()


def long_and_good_lines_by_turns(address):
    turns = 200
    sent = b"".join(b"x" * (LIMIT + 1 + turn) + b"\ngood %d\n" % turn for turn in range(turns))
    expected = b"".join(TOO_LONG + b"good %d\n" % turn for turn in range(turns))
    with Client(address) as client:
        with meanwhile(lambda: client.expect(expected)):
            client.send(sent)
            client.finish()
        client.expect_end()


def exactly_the_limit(address):
    with Client(address) as client:
        for length in [LIMIT - 1, LIMIT]:
            line = b"x" * length + b"\n"
            with meanwhile(lambda: client.expect(line)):
                client.send(line)
        for _ in range(2):
            client.send(b"x" * (LIMIT + 1) + b"\n")
            client.expect(TOO_LONG)
        # The same, the newline coming late.
        client.send(b"x" * LIMIT)
        time.sleep(0.05)
        client.send(b"\n")
        client.expect(b"x" * LIMIT + b"\n")
        client.send(b"x" * LIMIT)
        time.sleep(0.05)
        client.send(b"y")
        client.expect(TOO_LONG)
        client.send(b"\nafter\n")
        client.expect(b"after\n")
        client.finish()
        client.expect_end()


def the_end_in_mid_line(address):
    for last in [b"x", b"unfinished", b"x" * LIMIT]:
        with Client(address) as client:
            client.send(b"whole\n" + last)
            client.finish()
            client.expect(b"whole\n" + last)
            client.expect_end()
    # A line that is too long has been answered when its end is missing.
    with Client(address) as client:
        client.send(b"x" * (LIMIT + 1))
        client.finish()
        client.expect(TOO_LONG)
        client.expect_end()


def a_reset_in_mid_line(address):
    with Client(address) as bystander:
        bystander.send(b"half of ")
        for turn in range(50):
            client = Client(address)
            client.send(b"whole\n" if turn % 2 else b"")
            client.send(b"unfinished")
            if turn % 3 == 0:
                time.sleep(0.002)
            client.reset()
            with Client(address) as next_client:
                next_client.send(b"next %d\n" % turn)
                next_client.expect(b"next %d\n" % turn)
        bystander.send(b"a line\n")
        bystander.expect(b"half of a line\n")


def bytes_of_every_value(address):
    line = bytes(value for value in range(256) if value != ord("\n")) + b"\n"
    with Client(address) as client:
        client.send(line + b"\n\r\n" + line)
        client.expect(line + b"\n\r\n" + line)
        client.finish()
        client.expect_end()


def a_peer_that_does_not_read(address):
    lines = b"".join(b"%d %s\n" % (number, b"z" * 1000) for number in range(32_000))
    sent = 0
    with Client(address) as client:

        def send_all():
            nonlocal sent
            for begin in range(0, len(lines), LIMIT):
                client.send(lines[begin:begin + LIMIT])
                sent = begin
            client.finish()

        with meanwhile(send_all):
            time.sleep(SULK)
            # The server must not have taken everything: its memory is bounded, and so are the kernel's buffers.
            if sent > len(lines) * 3 // 4:
                raise AssertionError(f"{sent} of {len(lines)} bytes were taken from a peer that does not read")
            with Client(address) as other:
                other.send(b"someone else\n")
                other.expect(b"someone else\n")
            client.expect(lines)
        client.expect_end()


def many_connections_at_once(address):
    with contextlib.ExitStack() as stack:
        clients = [stack.enter_context(Client(address)) for _ in range(200)]
        for turn in range(3):
            for number, client in enumerate(clients):
                client.send(b"%d from %d\n" % (turn, number))
            for number, client in reversed(list(enumerate(clients))):
                client.expect(b"%d from %d\n" % (turn, number))
        for client in clients:
            client.send(b"last")
            client.finish()
        for client in clients:
            client.expect(b"last")
            client.expect_end()


SCENARIOS = [
    a_partial_line_behind_a_request,
    many_lines_before_a_reply_is_read,
    lines_and_replies_at_once,
    half_close,
    a_long_line_in_one_piece,
    a_long_line_in_many_pieces,
    long_and_good_lines_by_turns,
    exactly_the_limit,
    the_end_in_mid_line,
    a_reset_in_mid_line,
    bytes_of_every_value,
    a_peer_that_does_not_read,
    many_connections_at_once,
]


def main():
    address = sys.argv[1], int(sys.argv[2])
    failed = 0
    for scenario in SCENARIOS:
        name = scenario.__name__.replace("_", " ")
        began = time.monotonic()
        try:
            scenario(address)
        except Exception as failure:
            failed += 1
            print(f"FAILED: {name}: {type(failure).__name__}: {failure}", flush=True)
        else:
            print(f"ok: {name} ({time.monotonic() - began:.2f} s)", flush=True)
    print(f"scenarios: {len(SCENARIOS) - failed} passed, {failed} failed", flush=True)
    return 1 if failed else 0


if __name__ == "__main__":
    sys.exit(main())
