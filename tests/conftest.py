"""What every test starts from."""

from __future__ import annotations

import signal

# A suite that runs in the background of a shell inherits an ignored SIGINT, and so would every program that a test
# interrupts as a person with Ctrl-C does.
signal.signal(signal.SIGINT, signal.default_int_handler)
