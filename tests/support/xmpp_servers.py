"""Real XMPP servers for tests, as Debian ships them, on loopback with free ports and a test authority of our own.

A server runs in the foreground below a temporary directory, as root or as ourselves, and is stopped by its handle.
`Prosody` and `Ejabberd` offer the same: start, accounts, restart, kill. Each account that is made stands for many:
`admin` and its doubles `admin-1`, `admin-2` … with the same password, so that every conversation with a server that
goes on has accounts of its own (cast.py).
"""

from __future__ import annotations

import contextlib
import os
import shutil
import signal
import socket
import subprocess
import tempfile
import time
from collections.abc import Callable, Iterable, Iterator
from pathlib import Path

import pytest

HOST = "localhost"
ROOMS = "conference.localhost"
START_S = 60.0
DOUBLES = 100
"""So many conversations one server is good for."""


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
            "-days",
            str(days),
        )
        for suffix in ("pem", "key"):
            (self.directory / f"{name}.{suffix}").chmod(0o644)
        return self.directory / f"{name}.pem", self.directory / f"{name}.key"

    def _run(self, *words: str) -> None:
        subprocess.run(["openssl", *words], cwd=self.directory, check=True, capture_output=True, timeout=30)


class Prosody:
    """Prosody with its default limits unless `rate` says otherwise; `lacks` names a module that it does not have."""

    name = "prosody"

    def __init__(self, directory: Path, authority: Authority, *, rate: str = "", lacks: str = "") -> None:
        self.directory = directory
        self.authority = authority
        self.port = free_port()
        self.direct_port = free_port()
        self.process: subprocess.Popen[bytes] | None = None
        self.conversations = 0
        directory.mkdir(parents=True, exist_ok=True)
        (directory / "data").mkdir(exist_ok=True)
        certificate, key = authority.issue("prosody", HOST, ROOMS)
        limits = f'limits = {{ c2s = {{ rate = "{rate}" }} }}\n' if rate else 'limits = { c2s = { rate = "10kb/s" } }\n'
        self.config = directory / "prosody.cfg.lua"
        self.config.write_text(
            f'pidfile = "{directory}/prosody.pid"\n'
            f'data_path = "{directory}/data"\n'
            "run_as_root = true\n"
            'modules_enabled = { "roster", "saslauth", "tls", "disco", "ping", "smacks", "limits", "time",'
            ' "carbons", "offline", "admin_shell" }\n'
            f'modules_disabled = {{ "s2s", "posix", "{lacks}" }}\n'
            f'interfaces = {{ "127.0.0.1" }}\nc2s_ports = {{ {self.port} }}\n'
            f"c2s_direct_tls_ports = {{ {self.direct_port} }}\n"
            "http_ports = {}\nhttps_ports = {}\n"
            "c2s_require_encryption = true\nallow_unencrypted_plain_auth = false\n"
            'authentication = "internal_hashed"\nstorage = "internal"\n'
            f"{limits}"
            f'log = {{ info = "{directory}/prosody.log" }}\n'
            f'ssl = {{ certificate = "{certificate}", key = "{key}" }}\n'
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

    def end_rooms(self) -> None:
        """The service that has the rooms ends, the rest goes on."""
        self._control("shell", "host", "deactivate", ROOMS)

    def begin_rooms(self) -> None:
        """It is there again."""
        self._control("shell", "host", "activate", ROOMS)

    def _control(self, *words: str) -> None:
        command = ["prosodyctl", "--config", str(self.config), *words]
        subprocess.run(command, check=True, capture_output=True, timeout=30)

    def account(self, name: str, password: str = "secret") -> str:
        """Make an account (the server need not run); returns its address."""
        self._control("register", name, HOST, password)
        store = self.directory / "data" / HOST / "accounts"
        for number in range(1, DOUBLES + 1):
            shutil.copy(store / f"{name}.dat", store / f"{name}%2d{number}.dat")
        return f"{name}@{HOST}"


EJABBERD_YML = """\
loglevel: info
log_rotate_count: 0
hosts: [localhost]
certfiles: ["{directory}/server.pem"]
define_macro:
  'TLS_CIPHERS': "HIGH:!aNULL:!eNULL:!3DES:@STRENGTH"
  'TLS_OPTIONS': [no_sslv3, no_tlsv1, no_tlsv1_1, cipher_server_preference, no_compression]
c2s_ciphers: 'TLS_CIPHERS'
c2s_protocol_options: 'TLS_OPTIONS'
listen:
  - {{port: {port}, ip: "127.0.0.1", module: ejabberd_c2s, max_stanza_size: 262144, shaper: c2s_shaper, access: c2s,
      starttls_required: true, protocol_options: 'TLS_OPTIONS'}}
  - {{port: {direct_port}, ip: "127.0.0.1", module: ejabberd_c2s, max_stanza_size: 262144, shaper: c2s_shaper,
      access: c2s, tls: true, protocol_options: 'TLS_OPTIONS'}}
disable_sasl_mechanisms: [digest-md5, X-OAUTH2]
auth_password_format: scram
acl:
  local: {{user_regexp: ""}}
  loopback: {{ip: [127.0.0.0/8, "::1/128"]}}
access_rules:
  local: {{allow: local}}
  c2s: {{deny: blocked, allow: all}}
  muc_create: {{allow: local}}
  pubsub_createnode: {{allow: local}}
shaper:
  normal: {{rate: 3000, burst_size: 20000}}
  fast: 200000
shaper_rules:
  max_user_sessions: 10
  max_user_offline_messages: {{100: all}}
  c2s_shaper: {{{shaper}: all}}
modules:
  mod_adhoc: {{}}
  mod_blocking: {{}}
  mod_caps: {{}}
  mod_carboncopy: {{}}
  mod_client_state: {{}}
  mod_disco: {{}}
  mod_fail2ban: {{}}
  mod_last: {{}}
  mod_muc:
    access: [allow]
    access_create: muc_create
    access_persistent: muc_create
    access_mam: [allow]
    default_room_options: {{mam: true}}
  mod_offline: {{access_max_user_messages: max_user_offline_messages}}
  mod_ping: {{}}
  mod_time: {{}}
  mod_pres_counter: {{count: 5, interval: 60}}
  mod_privacy: {{}}
  mod_private: {{}}
  mod_pubsub:
    access_createnode: pubsub_createnode
    plugins: [flat, pep]
  mod_push: {{}}
  mod_push_keepalive: {{}}
  mod_roster: {{versioning: true}}
  mod_shared_roster: {{}}
  mod_stream_mgmt: {{resend_on_timeout: if_offline}}
  mod_vcard: {{search: false}}
  mod_version: {{}}
"""
"""Debian's ejabberd.yml without what listens for something else than clients (HTTP, MQTT, STUN, other servers)."""


WRITE_AT_ONCE = (
    "spawn(fun() -> mnesia:subscribe({table, roster, simple}),"
    " Each = fun(Each) -> receive _ -> mnesia:sync_log(), Each(Each) end end, Each(Each) end)"
)
"""What is added to a roster is on the disk at once: two seconds late, it would be lost with a server that is killed."""


WHAT_IS_ASKED = (
    'spawn(fun() -> Each = fun(Each) -> filelib:is_file("{0}") andalso begin file:eval("{0}"), file:delete("{0}") end,'
    " timer:sleep(50), Each(Each) end, Each(Each) end)"
)
"""Without Erlang's distribution there is no ejabberdctl: expressions are taken out of a file."""


class Ejabberd:
    """ejabberd with Debian's limits (`shaper`: `none` for none), without Erlang's distribution: no epmd, no cookie."""

    name = "ejabberd"

    def __init__(self, directory: Path, authority: Authority, *, shaper: str = "normal") -> None:
        self.directory = directory
        self.authority = authority
        self.port = free_port()
        self.direct_port = free_port()
        self.process: subprocess.Popen[bytes] | None = None
        self.conversations = 0
        self._accounts: dict[str, str] = {}
        (directory / "spool").mkdir(parents=True, exist_ok=True)
        certificate, key = authority.issue("ejabberd", HOST, ROOMS)
        (directory / "server.pem").write_bytes(certificate.read_bytes() + key.read_bytes())
        self.config = directory / "ejabberd.yml"
        self.config.write_text(
            EJABBERD_YML.format(directory=directory, port=self.port, direct_port=self.direct_port, shaper=shaper)
        )

    def start(self) -> None:
        """Start, and wait until it listens and has made the accounts."""
        ready = self.directory / "ready"
        ready.unlink(missing_ok=True)
        users = ",".join(f'{{<<"{name}">>,<<"{password}">>}}' for name, password in self._accounts.items())
        double = f'{{<<U/binary, "-", (integer_to_binary(N))/binary>>, <<"{HOST}">>}}'
        make = (
            f'[ejabberd_auth:try_register(U, <<"{HOST}">>, P) || {{U, P}} <- [{users}]],'
            f" [mnesia:dirty_write(setelement(2, Account, {double})) || {{U, _}} <- [{users}],"
            f' Account <- mnesia:dirty_read(passwd, {{U, <<"{HOST}">>}}), N <- lists:seq(1, {DOUBLES})],'
            f" {WRITE_AT_ONCE}, {WHAT_IS_ASKED.format(self.directory / 'do')},"
            f' file:write_file("{ready}", <<"ready">>).'
        )
        options = ["-noinput", "+K", "true", "+S", "2:2", "+sbwt", "none"]
        options += ["-mnesia", "dir", f'"{self.directory}/spool"', "-s", "ejabberd", "-eval", make]
        libraries = [str(path.parent) for path in Path("/usr/lib").glob("*/ejabberd-*")]
        environ = {
            "PATH": os.environ["PATH"],
            "HOME": str(self.directory),
            "ERL_LIBS": ":".join(libraries),
            "EJABBERD_CONFIG_PATH": str(self.config),
            "EJABBERD_LOG_PATH": str(self.directory / "ejabberd.log"),
            "ERL_CRASH_DUMP_BYTES": "0",
        }
        with (self.directory / "stderr").open("ab") as errors:
            self.process = subprocess.Popen(
                ["erl", *options],
                cwd=self.directory,
                env=environ,
                stdin=subprocess.DEVNULL,
                stdout=errors,
                stderr=errors,
                start_new_session=True,
            )
        wait_for_port(self.port, self.process)
        deadline = time.monotonic() + START_S
        while not ready.exists():
            if time.monotonic() > deadline or self.process.poll() is not None:
                raise RuntimeError(f"ejabberd made no accounts: {(self.directory / 'stderr').read_text()[-2000:]}")
            time.sleep(0.02)

    def stop(self) -> None:
        """An orderly end."""
        if self.process is not None and self.process.poll() is None:
            self.process.terminate()
            self.process.wait(20)

    def kill(self) -> None:
        """The end of power."""
        assert self.process is not None
        os.killpg(self.process.pid, signal.SIGKILL)
        self.process.wait(20)

    def end_rooms(self) -> None:
        """The service that has the rooms ends, the rest goes on."""
        self._evaluate(f'gen_mod:stop_module(<<"{HOST}">>, mod_muc).')

    def begin_rooms(self) -> None:
        """It is there again."""
        self._evaluate(f'gen_mod:start_module(<<"{HOST}">>, mod_muc).')

    def forget_rooms(self) -> None:
        """Who was in a room is not any more, and nobody is told."""
        self._evaluate(f'[exit(Pid, kill) || {{_, _, Pid}} <- mod_muc:get_online_rooms(<<"{ROOMS}">>)].')

    def _evaluate(self, expression: str) -> None:
        made = self.directory / "do"
        made.with_suffix(".new").write_text(expression)
        made.with_suffix(".new").rename(made)
        deadline = time.monotonic() + START_S
        while made.exists():
            assert time.monotonic() < deadline, expression
            time.sleep(0.02)

    def account(self, name: str, password: str = "secret") -> str:
        """An account, made by the next `start`; returns its address."""
        self._accounts[name] = password
        return f"{name}@{HOST}"


Server = Prosody | Ejabberd


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
def running(server: Server) -> Iterator[Server]:
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


def has_ejabberd() -> bool:
    """Whether there is one on this machine: its code and a runtime for it."""
    return shutil.which("erl") is not None and any(Path("/usr/lib").glob("*/ejabberd-*"))


KINDS: dict[str, tuple[Callable[[], bool], type[Prosody] | type[Ejabberd]]] = {
    "prosody": (has_prosody, Prosody),
    "ejabberd": (has_ejabberd, Ejabberd),
}


def started(kind: str, authority: Authority, people: Iterable[str], **limits: str) -> Server:
    """A server with these accounts, in a directory of its own that `gone` removes; skips the test if there is none.

    It has its default limits, unless `rate` (Prosody) or `shaper` (ejabberd) says otherwise.
    """
    is_there, make = KINDS[kind]
    if not is_there():
        assert os.environ.get("CI") != "true", f"CI has {kind}"
        pytest.skip(f"no {kind} here: apt-get install {kind}")
    made = make(Path(tempfile.mkdtemp(prefix="amsxs", dir="/tmp")), authority, **limits)
    for name in people:
        made.account(name)
    made.start()
    return made


def gone(server: Server) -> None:
    """Stopped, and its directory removed."""
    server.stop()
    shutil.rmtree(server.directory)
