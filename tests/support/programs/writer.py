"""writer.py [PAUSE [MOST]]: numbered lines, a thousand a second if not told otherwise; then how many there were."""

import os
import signal
import sys
import time

pause = float(sys.argv[1]) if len(sys.argv) > 1 else 0.001
most = int(sys.argv[2]) if len(sys.argv) > 2 else 1 << 40
is_over = []
signal.signal(signal.SIGTERM, lambda *_: is_over.append(True))
count = 0
while count < most and not is_over:
    os.write(1, b"%d\n" % count)
    count += 1
    if pause:
        time.sleep(pause)
os.write(1, b"wrote %d\n" % count)
while not is_over:
    signal.pause()
