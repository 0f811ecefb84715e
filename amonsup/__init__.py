"""amonsup: a process supervisor for Linux whose services outlive it."""

__version__ = "0.1.0"
