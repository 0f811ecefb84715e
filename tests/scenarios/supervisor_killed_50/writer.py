"""Numbered lines, about a thousand a second; the last one says how many there were."""

import os
import signal
import time

is_over = []
signal.signal(signal.SIGTERM, lambda *_: is_over.append(True))
count = 0
while not is_over:
    os.write(1, b"%d\n" % count)
    count += 1
    time.sleep(0.001)
os.write(1, b"wrote %d\n" % count)
