"""puppet.py NAME: a service that does what the scenario tells it through the FIFO puppet.NAME, line by line.

What it has done it writes to did.NAME, with its pid. Commands: notify TEXT (`\\n` separates assignments), print TEXT,
write TEXT (the same without an end of line; `\\n` is one), complain TEXT (to stderr), talk N (numbered lines of 100
bytes), exit CODE, ignore SIGNAL, note SIGNAL (written down, otherwise ignored), fork (a child that does the same things
from then on; this one lives on idly), flood N (eight processes send that many datagrams each, waiting for their turns).
"""

import os
import signal
import socket
import sys

name = sys.argv[1]


def did(what):
    with open(f"did.{name}", "a") as file:
        file.write(f"{os.getpid()} {what}\n")


def notify(sock, text):
    sock.sendto(text.encode(), os.environ["NOTIFY_SOCKET"])


def idle():
    while True:
        signal.pause()


def obey(line, sock):
    verb, _, rest = line.partition(" ")
    if verb == "exit":
        did(line)
        os._exit(int(rest))
    elif verb == "notify":
        notify(sock, rest.replace("\\n", "\n").replace("{pid}", str(os.getpid())))
    elif verb == "print":
        os.write(1, rest.encode() + b"\n")
    elif verb == "write":
        os.write(1, rest.replace("\\n", "\n").encode())
    elif verb == "complain":
        os.write(2, rest.encode() + b"\n")
    elif verb == "talk":
        for number in range(int(rest)):
            os.write(1, b"%099d\n" % number)
    elif verb == "ignore":
        signal.signal(signal.Signals[rest], signal.SIG_IGN)
    elif verb == "note":
        signal.signal(signal.Signals[rest], lambda number, _frame: did(signal.Signals(number).name))
    elif verb == "fork":
        if os.fork():
            idle()
        os.setsid()
    elif verb == "flood":
        helpers = any(os.fork() == 0 for _ in range(7))  # eight of us in all
        for number in range(int(rest)):
            notify(sock, f"STATUS={os.getpid()} {number}")
            if number % 1000 == 0 and not helpers:
                did(f"sent {number}")
    else:
        raise SystemExit(f"what is {line!r}?")
    did(line)


commands = os.open(f"puppet.{name}", os.O_RDWR)
sock = socket.socket(socket.AF_UNIX, socket.SOCK_DGRAM)
did("begin")
rest = b""
while True:
    rest += os.read(commands, 1)  # by the byte: what is not read yet is for our successor
    if rest.endswith(b"\n"):
        line, rest = rest[:-1].decode(), b""
        obey(line, sock)
