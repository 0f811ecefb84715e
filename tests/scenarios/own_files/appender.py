"""appender.py FILE [MOST]: numbered lines, each written by itself at the file's end, by O_APPEND.

Until there are MOST, or a file FILE.enough; how many there are then stands in FILE.done. Told by SIGHUP it opens the
file again. With `-` before FILE it does not append. How many there are by now stands in FILE.count.
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
progress = os.open(path + ".count", os.O_WRONLY | os.O_CREAT, 0o640)
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
        os.pwrite(progress, b"%012d" % count, 0)
        if os.path.exists(path + ".enough"):
            break
with open(path + ".new", "w") as file:
    file.write(str(count))
os.rename(path + ".new", path + ".done")
while True:
    signal.pause()
    if again:
        again.clear()
        os.close(fd)
        fd = opened()
