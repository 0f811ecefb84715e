"""daemon.py NAME HOW: forks twice and goes on in the background. HOW: what is written into the pid file NAME.pid.

own: its pid; late: its pid, after a while; PID: that; nothing: no file; none: no daemon at all; link: through a link.
"""

import os
import signal
import sys
import time

name, how = sys.argv[1:]
if how == "fail":
    sys.exit(7)
if how == "none":
    sys.exit(0)
if os.fork():
    time.sleep(0.05)
    os._exit(0)
os.setsid()
if os.fork():
    os._exit(0)
with open(f"lives.{name}", "a") as file:
    file.write(f"{os.getpid()}\n")
if how == "late":
    time.sleep(0.3)
if how == "link":
    os.symlink("elsewhere", f"{name}.pid")
elif how != "nothing":
    with open(f"{name}.pid", "w") as file:
        file.write(f"{os.getpid() if how in ('own', 'late') else how}\n")
if os.fork() == 0:
    signal.pause()  # a worker
while True:
    signal.pause()
