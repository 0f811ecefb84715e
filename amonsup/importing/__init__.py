"""Coming from elsewhere: init scripts, systemd units and supervisord.conf become conf.d, with a report of fidelity.

Three steps, apart: a *reader* turns text into facts with their places and never fails on any text; a *translation*,
pure, turns facts into a `Draft`: the keys of a conf.d service, and what became of every single thing that the source
says; the *writer* makes YAML of it. Nothing of a source is ever executed. Nothing is guessed silently: what has no
equivalent is left out by name, with its line. To add a kind of source is to add a `Kind` to `kinds.KINDS`.
"""
