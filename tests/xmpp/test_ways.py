"""The ways to a server: direct TLS, several endpoints in turn, SRV, an HTTP proxy; and how often they are tried."""

from __future__ import annotations

import asyncio
import contextlib
import gc
import os
import socket
import ssl
import tracemalloc
from pathlib import Path

import pytest
from support import hostile_server as hostile
from support.cable import Cable
from support.hostile_server import Hostile
from support.middle import Middle
from support.names import Names
from support.namespace import NEEDS
from support.site import until
from support.web_proxy import WebProxy
from support.xmpp_servers import free_port

AGENT = "gsi@localhost/amonsup"
SITE = "gsi@localhost"
SERVICES = 'services:\n  ce: {command: "sleep 1000", min_uptime: 0s}\n'
NEAR = "127.0.0.77"


@pytest.fixture
def site_by(open_site):
    """A site whose one session has `words` in place of host and port."""

    def make(words, **options):
        site = open_site(SERVICES, starts=False, port=4711, **options)
        text = site.config_file.read_text()
        assert "host: 127.0.0.1, port: 4711," in text
        site.config_file.write_text(text.replace("host: 127.0.0.1, port: 4711,", words))
        return site.start()

    return make


def is_online(site, people):
    admin = people("admin")
    admin.subscribe(SITE)
    admin.presence(AGENT)
    admin.say(AGENT, "restart ce")
    admin.message("done: restart ce")
    assert not [line for line in site.ask("status")["warnings"] if "xmpp" in line]
    return admin


def test_tls_from_the_first_byte(server, site_by, people):
    """At 5223 (and 443) without being told; this port of the server takes nothing else."""
    line = Cable(server.direct_port, NEAR, at=5223)
    try:
        is_online(site_by(f"host: {NEAR}, port: 5223,"), people)
        assert line.connections == 1
    finally:
        line.close()


@pytest.mark.one_server
def test_endpoints_are_tried_in_turn(server, site_by, people):
    site = site_by(f"host: [nowhere.invalid, 127.0.0.1], port: [{free_port()}, {server.port}],")
    until(lambda: site.do("apply") and "all is well" in site.stderr(), "the last of four")
    is_online(site, people)
    told = site.stderr()
    assert "nowhere.invalid" in told
    assert "Connection refused" in told


@pytest.mark.one_server
def test_through_a_proxy_that_alone_knows_the_name(server, site_by, people):
    proxy = WebProxy("xmpp.inside.invalid:5222", server.port)
    try:
        is_online(site_by(f"host: xmpp.inside.invalid, proxy: 127.0.0.1:{proxy.port},"), people)
        assert proxy.asked == ["CONNECT xmpp.inside.invalid:5222 HTTP/1.1"]
    finally:
        proxy.close()


@pytest.mark.one_server
def test_a_proxy_that_refuses_is_quoted(server, site_by, people):
    proxy = WebProxy("xmpp.inside.invalid:5222", server.port)
    try:
        site = site_by(f"host: elsewhere.invalid, proxy: 127.0.0.1:{proxy.port},")
        until(lambda: "the proxy said: 403 Forbidden by the site's rules" in site.warnings())
    finally:
        proxy.close()


@pytest.mark.one_server
def test_only_the_authority_that_is_named_is_believed(authority):
    """Not the system's as well."""
    from amonsup.control.xmpp.client import tls_context

    believed = tls_context(str(authority.certificate)).get_ca_certs()
    assert [dict(each[0] for each in one["subject"])["commonName"] for one in believed] == ["amonsup test authority"]


@pytest.mark.one_server
def test_a_server_that_binds_somebody_else_is_left(server, site_by, people, authority, cast, audit):
    """Who holds the server's key says that we are another: nothing is said, and nobody is answered, under that name."""
    said = cast.real(f"<jid>{SITE}").encode()
    middle = Middle(server.port, authority.issue("binds", "localhost"), lambda text: text.replace(said, b"<jid>eve@x"))
    try:
        site = site_by(f"host: 127.0.0.1, port: {middle.port},")
        until(lambda: "the server bound eve@x" in site.warnings())
        assert "next attempt in 3" in site.warnings()
        until(lambda: '"by":"localhost"' in audit(site), "it is on record")
        assert middle.connections == 1
    finally:
        middle.close()


@NEEDS
@pytest.mark.root
@pytest.mark.one_server
def test_dns_says_where_the_server_is(namespace, server, site_by, people, tmp_path):
    """SRV records of both kinds, by their priority; the first leads nowhere."""
    direct = Cable(server.direct_port, namespace.outside)
    names = Names(
        namespace.outside,
        {"xmpp.vo.test": namespace.outside, "old.vo.test": namespace.outside},
        {
            "_xmpp-client._tcp.localhost": [(5, free_port(), "old.vo.test")],
            "_xmpps-client._tcp.localhost": [(10, direct.port, "xmpp.vo.test")],
        },
    )
    resolver = tmp_path / "resolv.conf"
    resolver.write_text(f"nameserver {namespace.outside}\n")
    mount = f'mount --bind {resolver} /etc/resolv.conf && exec "$@"'
    try:
        site = site_by("", wrapper=(*namespace.wrapper, "unshare", "-m", "sh", "-c", mount, "sh"))
        until(lambda: site.do("apply") and direct.connections, "the second")
        is_online(site, people)
        assert f"{namespace.outside}:" in site.stderr(), "the first was tried"
        assert {"_xmpp-client._tcp.localhost", "_xmpps-client._tcp.localhost"} <= set(names.asked)
    finally:
        names.close()
        direct.close()


def delayed_acks(pid):
    """Of the network namespace that a process is in."""
    names, values = Path(f"/proc/{pid}/net/netstat").read_text().splitlines()[:2]
    return int(values.split()[names.split().index("DelayedACKs")])


@NEEDS
@pytest.mark.root
def test_acknowledgements_are_not_delayed(namespace, server, open_site, people):
    """Prosody has Nagle's algorithm on: its second small write waits for our acknowledgement, 40 ms if we delay it."""
    line = Cable(server.port, namespace.outside)
    try:
        site = open_site(SERVICES, host=namespace.outside, port=line.port, wrapper=namespace.wrapper)
        control = site.running("ce", "control")["control"]
        admin = is_online(site, people)
        before = delayed_acks(control)
        for _ in range(ROUNDS):
            admin.ask(AGENT, "get", "<ping xmlns='urn:xmpp:ping'/>")
        assert delayed_acks(control) - before < ROUNDS / 4
    finally:
        line.close()


ROUNDS = 40
ATTEMPTS = 1000


class Nobody:
    """Whom a session tells: that it is not up."""

    def __init__(self) -> None:
        self.troubles = 0

    def trouble(self, _session, text):
        self.troubles += bool(text)

    def distrusted(self, _session):
        pass


@pytest.mark.one_server
def test_a_thousand_attempts_leave_nothing_behind(authority):
    """At a server that throws everybody out, and at a port where nobody is."""
    from amonsup.config.xmpp_specs import Session as Spec
    from amonsup.control.xmpp.session import Session

    villain = Hostile(hostile.throws_out, authority.issue("thousand", "localhost"))
    handler = Nobody()
    sizes = []

    async def run():
        hosts, ports = ("127.0.0.1",), (villain.port, free_port())
        spec = Spec(name="main", jid=SITE, password_file="", hosts=hosts, ports=ports)
        session = Session(spec, handler, lambda: 0.0, 0.0)
        session.renew("secret", "")
        running = asyncio.ensure_future(session.run())
        for many in (ATTEMPTS // 5, ATTEMPTS):
            while handler.troubles < many:
                await asyncio.sleep(0.01)
            gc.collect()
            sizes.append(
                (tracemalloc.get_traced_memory()[0], len(os.listdir("/proc/self/fd")), len(asyncio.all_tasks()))
            )
        running.cancel()
        await asyncio.gather(running, return_exceptions=True)

    tracemalloc.start()
    try:
        asyncio.run(run())
    finally:
        tracemalloc.stop()
        villain.close()
    (size, files, tasks), (size_later, files_later, tasks_later) = sizes
    assert villain.connections >= ATTEMPTS / 2
    assert size_later < size + 200_000, sizes
    assert files_later <= files + 2, sizes
    assert tasks_later <= tasks + 2, sizes


def is_connecting_to(port):
    """Whether somebody has said SYN and heard nothing (proc_pid_net(5): state 02)."""
    lines = [line.split() for line in Path("/proc/self/net/tcp").read_text().splitlines()[1:]]
    return any(words[2].endswith(f":{port:04X}") and words[3] == "02" for words in lines)


@pytest.mark.one_server
def test_an_attempt_that_is_called_off_leaves_nothing_open():
    """Its socket is closed, not left for the collector to find: pytest makes that an error."""
    from amonsup.control.xmpp.client import Client, Endpoint

    with socket.create_server(("127.0.0.1", 0), backlog=0) as full, socket.socket() as first:
        first.connect(full.getsockname())  # from now on nobody is answered
        port = full.getsockname()[1]

        async def run():
            client = Client(SITE, "secret", ssl.create_default_context(), "")
            attempt = asyncio.ensure_future(client.open(Endpoint("127.0.0.1", port)))
            while not is_connecting_to(port):
                await asyncio.sleep(0.01)
            attempt.cancel()
            with pytest.raises(asyncio.CancelledError):
                await attempt

        asyncio.run(run())
        assert not is_connecting_to(port)


@pytest.mark.one_server
def test_the_third_address_has_its_turn_if_two_swallow_everything(monkeypatch):
    """All of them together have the time of one attempt."""
    from amonsup.control.xmpp import client

    monkeypatch.setattr(client, "CONNECT_TIMEOUT_S", 2.0)
    with contextlib.ExitStack() as stack:
        swallow = [stack.enter_context(socket.create_server(("127.0.0.1", 0), backlog=0)) for _ in range(2)]
        for each in swallow:
            stack.enter_context(socket.create_connection(each.getsockname()))
        good = stack.enter_context(socket.create_server(("127.0.0.1", 0)))
        addresses = [each.getsockname() for each in (*swallow, good)]

        async def run():
            async def found(*_, **__):
                return [(socket.AF_INET, socket.SOCK_STREAM, 6, "", address) for address in addresses]

            monkeypatch.setattr(asyncio.get_running_loop(), "getaddrinfo", found)
            async with asyncio.timeout(client.CONNECT_TIMEOUT_S):
                with await client._tcp(asyncio.get_running_loop(), "x.org", 5222) as sock:
                    return sock.getpeername()

        assert asyncio.run(run()) == addresses[-1]


class Watching(Nobody):
    """… and what its ups and downs are; `changed` is set at each."""

    def __init__(self) -> None:
        super().__init__()
        self.told: list[str] = []
        self.changed = asyncio.Event()

    def trouble(self, _session, text):
        self._tell(text.partition(";")[0])

    def up(self, _session, *, is_resumed):
        self._tell("resumed" if is_resumed else "up")

    def down(self, _session):
        self._tell("down")

    def seen(self, *_):
        pass

    said = asked = seen

    def _tell(self, text):
        if text:
            self.told.append(text)
            self.changed.set()


@pytest.mark.one_server
def test_a_connection_that_swallows_everything_is_noticed_and_resumed(server, authority, cast, monkeypatch):
    """Nothing closes it, nothing is said: the pings say so. (In a minute and a half; here in a moment.)"""
    from amonsup.config.xmpp_specs import Session as Spec
    from amonsup.control.xmpp import session as sessions

    monkeypatch.setattr(sessions, "PING_AFTER_S", 0.2)
    monkeypatch.setattr(sessions, "PING_PATIENCE_S", 0.2)
    line = Cable(server.port)
    watching = Watching()

    async def run():
        spec = Spec(
            name="main",
            jid=cast.real(SITE),
            password_file="",
            hosts=("127.0.0.1",),
            ports=(line.port,),
            ca_file=str(authority.certificate),
        )
        session = sessions.Session(spec, watching, lambda: 0.0, 0.0)
        session.renew("secret", "")
        running = asyncio.ensure_future(session.run())

        async def told(text):
            async with asyncio.timeout(30):
                while text not in watching.told:
                    watching.changed.clear()
                    await watching.changed.wait()

        try:
            await told("up")
            await asyncio.sleep(1.0)  # some pings that are answered
            assert watching.told == ["up"]
            line.lose()
            await told("down")
            line.mend()
            await told("resumed")
        finally:
            running.cancel()
            await asyncio.gather(running, return_exceptions=True)

    try:
        asyncio.run(run())
    finally:
        line.close()
    assert watching.told[:4] == ["up", "down", "the server does not answer", "resumed"]
