"""A network namespace with one line to the outside, on which packets can be made to vanish."""

from __future__ import annotations

import ipaddress
import json
import os
import secrets
import shutil
import subprocess
import uuid

import pytest

NOWHERE = "02:00:00:00:00:01"
NEEDS = pytest.mark.skipif(
    os.geteuid() != 0 or not shutil.which("ip") or not shutil.which("nsenter"), reason="needs root, ip and nsenter"
)


class Namespace:
    """Made by itself, skipping the test where that cannot be; `close` removes it.

    `outside` is the address of the near end of the line; `wrapper` what to put before a command that is to run inside.
    """

    def __init__(self) -> None:
        self.name = name = f"amons{uuid.uuid4().hex[:6]}"
        try:
            ip("netns", "add", name)
        except subprocess.CalledProcessError as error:
            pytest.skip(f"no network namespaces here: {error.stderr.decode()[-200:]}")
        subnet = (198 << 24) + (18 << 16) + 4 * secrets.randbelow(1 << 15)  # of RFC 2544: nobody else's
        self.outside, self.inside = (str(ipaddress.ip_address(subnet + number)) for number in (1, 2))
        self.wrapper = ("nsenter", f"--net=/run/netns/{name}")
        try:
            ip("link", "add", f"{name}h", "type", "veth", "peer", "name", f"{name}n", "netns", name)
            ip("addr", "add", f"{self.outside}/30", "dev", f"{name}h")
            ip("link", "set", f"{name}h", "up")
            ip("-n", name, "addr", "add", f"{self.inside}/30", "dev", f"{name}n")
            ip("-n", name, "link", "set", f"{name}n", "up")
        except BaseException:
            self.close()
            raise

    def drop(self) -> None:
        """From now on every packet goes, in either direction, to an address on the line that nobody has."""
        ip("neigh", "replace", self.inside, "lladdr", NOWHERE, "dev", f"{self.name}h", "nud", "permanent")
        ip(
            "-n",
            self.name,
            "neigh",
            "replace",
            self.outside,
            "lladdr",
            NOWHERE,
            "dev",
            f"{self.name}n",
            "nud",
            "permanent",
        )

    def mend(self) -> None:
        """As before."""
        ip("neigh", "del", self.inside, "dev", f"{self.name}h")
        ip("-n", self.name, "neigh", "del", self.outside, "dev", f"{self.name}n")

    @property
    def sent(self) -> int:
        """How many packets were sent inside, whether or not they arrived."""
        found = json.loads(ip("-n", self.name, "-s", "-j", "link", "show", "dev", f"{self.name}n"))
        return int(found[0]["stats64"]["tx"]["packets"])

    def close(self) -> None:
        ip("netns", "del", self.name)


def ip(*words: str) -> bytes:
    return subprocess.run(["ip", *words], check=True, capture_output=True, timeout=30).stdout
