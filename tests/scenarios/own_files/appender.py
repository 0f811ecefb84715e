"""appender.py FILE [MOST [PAUSE_EVERY]]: numbered lines, each written by itself at the file's end, by O_APPEND.

Told by SIGHUP it opens the file again. With `-` before FILE it does not append.
"""

import os
import signal
import sys
import time

path = sys.argv[1]
most = int(sys.argv[2]) if len(sys.argv) > 2 else 1 << 40
append = os.O_APPEND
if path.startswith("-"):
    path, append = path[1:], 0


def opened():
    return os.open(path, os.O_WRONLY | os.O_CREAT | append, 0o640)


fd = opened()
again = []
signal.signal(signal.SIGHUP, lambda *_: again.append(True))
count = 0
while count < most:
    if again:
        again.clear()
        os.close(fd)
        fd = opened()
    os.write(fd, b"line %d\n" % count)
    count += 1
    if count % 50 == 0:
        time.sleep(0.001)
with open(path + ".done", "w"):
    pass
while True:
    signal.pause()
    if again:
        again.clear()
        os.close(fd)
        fd = opened()
