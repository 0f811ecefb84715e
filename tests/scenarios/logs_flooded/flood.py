"""flood.py NAME LINES MOST: numbered lines of 100 bytes, so many to a write, as fast as it goes, until there are MOST,
or a file `enough`, or it is told to stop; then how many. Meanwhile, how many there are by now stands in the file
`count.NAME`. While there is a file `again`, it says at the end again and again how many there were."""

import os
import signal
import sys
import time

LINES = int(sys.argv[2])
LINE = b"%099d\n" * LINES

told = []
signal.signal(signal.SIGTERM, lambda *_: told.append(True))
most = int(sys.argv[3])
progress = os.open(f"count.{sys.argv[1]}", os.O_WRONLY | os.O_CREAT, 0o600)
count = 0
while count < most and not told and not os.path.exists("enough"):
    os.write(1, LINE % (*range(count, count + LINES),))
    count += LINES
    os.pwrite(progress, b"%012d" % count, 0)
os.write(1, b"wrote %d\n" % count)
while not told and os.path.exists("again"):
    time.sleep(0.01)
    os.write(1, b"wrote %d\n" % count)
signal.signal(signal.SIGTERM, signal.SIG_DFL)
if not told:
    signal.pause()
