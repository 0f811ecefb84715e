"""The amonsup command: reads a command line, asks the daemon over its socket, shows the answer.

It is started once per question, often by scripts and often a thousand times, so each module imports only
what the common way needs; YAML, rich, help and suggestions are imported where they are used.
"""
