"""One adapter a supervisor: how it is configured, started, stopped, and which of its processes supervise."""

from peers.amonsup import Amonsup
from peers.base import NotInstalledError, Peer, Running, Service
from peers.floor import Floor
from peers.runit import Runit
from peers.s6 import S6
from peers.supervisord import Supervisord

__all__ = [
    "S6",
    "Amonsup",
    "Floor",
    "NotInstalledError",
    "Peer",
    "Runit",
    "Running",
    "Service",
    "Supervisord",
]
