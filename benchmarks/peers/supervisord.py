"""supervisord: one process, output of every service captured to a file (its default, and amonsup's)."""

from __future__ import annotations

from pathlib import Path

from peers.base import Peer, Service

HEAD = """\
[unix_http_server]
file={home}/supervisor.sock

[supervisord]
nodaemon=true
logfile={home}/supervisord.log
pidfile={home}/supervisord.pid
childlogdir={home}
minfds={minfds}
minprocs=200

[rpcinterface:supervisor]
supervisor.rpcinterface_factory = supervisor.rpcinterface:make_main_rpcinterface

[supervisorctl]
serverurl=unix://{home}/supervisor.sock
"""

PROGRAM = """
[program:{name}]
command={command}
startsecs=0
autorestart=true
redirect_stderr=true
stdout_logfile={home}/{name}.log
"""


class Supervisord(Peer):
    """startsecs=0 so that no restart is ever counted as a failed start and delayed."""

    name = "supervisord"
    package = "supervisor"
    program = "supervisord"
    stop_patience = 60.0

    def prepare(self, home: Path, services: list[Service]) -> None:
        """One file."""
        self.path()
        text = [HEAD.format(home=home, minfds=max(1024, 8 * len(services)))]
        for service in services:
            command = " ".join(self.stamp_command(service))
            text.append(PROGRAM.format(name=service.name, command=command, home=home))
        (home / "supervisord.conf").write_text("".join(text))

    def command(self, home: Path, services: list[Service]) -> list[str]:
        """supervisord -n -c FILE"""
        return [self.path(), "-n", "-c", str(home / "supervisord.conf")]

    def status_command(self, home: Path) -> list[str]:
        """supervisorctl status"""
        return [
            self.path().replace("supervisord", "supervisorctl"),
            "-c",
            str(home / "supervisord.conf"),
            "status",
        ]
