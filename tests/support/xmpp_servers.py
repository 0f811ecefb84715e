"""Real XMPP servers for tests, as Debian ships them, on loopback with free ports and a test authority of our own.

A server runs in the foreground below a temporary directory, as root or as ourselves, and is stopped by its handle.
`Prosody` and `Ejabberd` offer the same: start, accounts, restart, kill.
"""

from __future__ import annotations

import contextlib
import os
import shutil
import signal
import socket
import subprocess
import time
from collections.abc import Iterator
from pathlib import Path

HOST = "localhost"
ROOMS = "conference.localhost"
START_S = 60.0


def free_port() -> int:
    """A TCP port of loopback that nobody had a moment ago."""
    with socket.socket() as sock:
        sock.bind(("127.0.0.1", 0))
        return int(sock.getsockname()[1])


class Authority:
    """A certificate authority and what it has signed."""

    def __init__(self, directory: Path) -> None:
        self.directory = directory
        directory.mkdir(parents=True, exist_ok=True)
        self.certificate = directory / "ca.pem"
        self._run(
            "req",
            "-x509",
            "-newkey",
            "ec",
            "-pkeyopt",
            "ec_paramgen_curve:prime256v1",
            "-nodes",
            "-days",
            "30",
            "-subj",
            "/CN=amonsup test authority",
            "-keyout",
            "ca.key",
            "-out",
            "ca.pem",
            "-addext",
            "basicConstraints=critical,CA:TRUE",
            "-addext",
            "keyUsage=critical,keyCertSign,cRLSign",
        )

    def issue(self, name: str, *names: str, days: int = 30) -> tuple[Path, Path]:
        """A certificate with its key, for these DNS names; negative days: expired."""
        alternatives = ",".join(f"DNS:{each}" for each in names)
        (self.directory / f"{name}.ext").write_text(f"subjectAltName={alternatives}\n")
        self._run(
            "req",
            "-newkey",
            "ec",
            "-pkeyopt",
            "ec_paramgen_curve:prime256v1",
            "-nodes",
            "-subj",
            f"/CN={names[0]}",
            "-keyout",
            f"{name}.key",
            "-out",
            f"{name}.csr",
        )
        when = ["-days", str(days)] if days > 0 else ["-days", "1"]
        self._run(
            "x509",
            "-req",
            "-in",
            f"{name}.csr",
            "-CA",
            "ca.pem",
            "-CAkey",
            "ca.key",
            "-CAcreateserial",
            "-extfile",
            f"{name}.ext",
            "-out",
            f"{name}.pem",
            *when,
        )
        for suffix in ("pem", "key"):
            (self.directory / f"{name}.{suffix}").chmod(0o644)
        return self.directory / f"{name}.pem", self.directory / f"{name}.key"

    def _run(self, *words: str) -> None:
        subprocess.run(["openssl", *words], cwd=self.directory, check=True, capture_output=True, timeout=30)


class Prosody:
    """Prosody with its default limits unless `rate` says otherwise."""

    name = "prosody"

    def __init__(self, directory: Path, authority: Authority, *, rate: str = "", extra: str = "") -> None:
        self.directory = directory
        self.authority = authority
        self.port = free_port()
        self.direct_port = free_port()
        self.process: subprocess.Popen[bytes] | None = None
        directory.mkdir(parents=True, exist_ok=True)
        (directory / "data").mkdir(exist_ok=True)
        certificate, key = authority.issue("prosody", HOST, ROOMS)
        limits = f'limits = {{ c2s = {{ rate = "{rate}" }} }}\n' if rate else 'limits = { c2s = { rate = "10kb/s" } }\n'
        self.config = directory / "prosody.cfg.lua"
        self.config.write_text(
            f'pidfile = "{directory}/prosody.pid"\n'
            f'data_path = "{directory}/data"\n'
            "run_as_root = true\n"
            'modules_enabled = { "roster", "saslauth", "tls", "disco", "ping", "smacks", "limits",'
            ' "carbons", "offline" }\n'
            'modules_disabled = { "s2s", "posix" }\n'
            f'interfaces = {{ "127.0.0.1" }}\nc2s_ports = {{ {self.port} }}\n'
            f"c2s_direct_tls_ports = {{ {self.direct_port} }}\n"
            "http_ports = {}\nhttps_ports = {}\n"
            "c2s_require_encryption = true\nallow_unencrypted_plain_auth = false\n"
            'authentication = "internal_hashed"\nstorage = "internal"\n'
            f"{limits}"
            f'log = {{ info = "{directory}/prosody.log" }}\n'
            f'ssl = {{ certificate = "{certificate}", key = "{key}" }}\n'
            f"{extra}\n"
            f'VirtualHost "{HOST}"\n'
            f'Component "{ROOMS}" "muc"\n  modules_enabled = {{}}\n'
        )

    def start(self) -> None:
        """Start, and wait until it listens."""
        with (self.directory / "stderr").open("ab") as errors:
            self.process = subprocess.Popen(
                ["prosody", "-F", "--config", str(self.config)],
                stdin=subprocess.DEVNULL,
                stdout=subprocess.DEVNULL,
                stderr=errors,
                start_new_session=True,
            )
        wait_for_port(self.port, self.process)

    def stop(self) -> None:
        """An orderly end."""
        if self.process is not None and self.process.poll() is None:
            self.process.terminate()
            self.process.wait(20)

    def kill(self) -> None:
        """The end of power."""
        assert self.process is not None
        self.process.kill()
        self.process.wait(20)

    def account(self, name: str, password: str = "secret") -> str:
        """Make an account (the server need not run); returns its address."""
        subprocess.run(
            ["prosodyctl", "--config", str(self.config), "register", name, HOST, password],
            check=True,
            capture_output=True,
            timeout=30,
        )
        return f"{name}@{HOST}"


def wait_for_port(port: int, process: subprocess.Popen[bytes]) -> None:
    """Until somebody listens there. Raises RuntimeError if the process ends first, or if it takes too long."""
    deadline = time.monotonic() + START_S
    while time.monotonic() < deadline:
        if process.poll() is not None:
            raise RuntimeError(f"the server ended with {process.returncode}")
        with contextlib.suppress(OSError), socket.create_connection(("127.0.0.1", port), 1.0):
            return
        time.sleep(0.02)
    raise RuntimeError(f"nobody listens on {port}")


@contextlib.contextmanager
def running(server: Prosody) -> Iterator[Prosody]:
    """Started, and gone afterwards."""
    server.start()
    try:
        yield server
    finally:
        server.stop()
        if server.process is not None and server.process.poll() is None:
            os.killpg(server.process.pid, signal.SIGKILL)


def has_prosody() -> bool:
    """Whether there is one on this machine."""
    return shutil.which("prosody") is not None
