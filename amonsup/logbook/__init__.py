"""How a service's log lies on disk: names, segments, index. Shared by who writes logs and who reads them.

A *log* is the sequence of all bytes that were ever written to it; a *position* counts them from its beginning, for
ever increasing. What is still there of a log lies in *segments*: the current file SERVICE.log, the one before it
SERVICE.log.1, then SERVICE.log.2.gz and so on. Each covers [start, end) of the log. A reader that remembers a
position can therefore go on after any number of rotations.

Where segments begin, where each life begins, and when what was captured, stands in the log's *index*. It is help,
not truth: lost, cut or spoiled, it is made anew from the files.
"""
