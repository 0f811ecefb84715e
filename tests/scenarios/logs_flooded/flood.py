"""flood.py: numbered lines of 100 bytes as fast as it goes, until there is a file `enough`; then how many."""

import os
import signal

LINES = 40
LINE = b"%099d\n" * LINES

count = 0
while not os.path.exists("enough"):
    os.write(1, LINE % (*range(count, count + LINES),))
    count += LINES
os.write(1, b"wrote %d\n" % count)
signal.pause()
