"""amonsup.yaml: defaults, places, and who may write what root reads."""

from __future__ import annotations

import os
from pathlib import Path

import pytest

from amonsup.config import files, site
from amonsup.config.errors import ConfigError
from amonsup.config.site import find_config_file, load_site
from amonsup.config.specs import AccessRule, Role, SiteSpec

PLAIN = 1000
ENVIRON = {"HOME": "/home/u"}


def loaded(path: Path, text: str, euid: int = PLAIN, environ: dict[str, str] = ENVIRON) -> SiteSpec:
    path.write_text(text)
    outcome = load_site(str(path), environ=environ, euid=euid)
    assert isinstance(outcome, SiteSpec), [error.render() for error in outcome]
    return outcome


def refused(path: Path, text: str, euid: int = PLAIN) -> list[str]:
    path.write_text(text)
    outcome = load_site(str(path), environ=ENVIRON, euid=euid)
    assert isinstance(outcome, list)
    return [error.render().replace(f"{path.parent}/", "") for error in outcome]


@pytest.fixture
def path(tmp_path: Path) -> Path:
    return tmp_path / "amonsup.yaml"


def test_defaults_of_a_plain_user(path: Path) -> None:
    assert loaded(path, "site: gsi\n") == SiteSpec(
        site="gsi",
        config_file=str(path),
        conf_d=f"{path.parent}/conf.d",
        run_dir="/home/u/.local/state/amonsup/run",
        state_dir="/home/u/.local/state/amonsup",
        log_dir="/home/u/.local/state/amonsup/log",
        socket="/home/u/.local/state/amonsup/run/amonsup.sock",
    )


@pytest.mark.skipif(os.geteuid() != 0, reason="the file must belong to root")
def test_defaults_of_root(path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(site, "user_exists", lambda name: name == "amonsup")
    outcome = loaded(path, "site: gsi\n", euid=0)
    assert (outcome.run_dir, outcome.state_dir, outcome.log_dir) == (
        "/run/amonsup",
        "/var/lib/amonsup",
        "/var/log/amonsup",
    )
    assert (outcome.user, outcome.log_user) == ("amonsup", "")


def test_paths_are_relative_to_the_file(path: Path) -> None:
    outcome = loaded(path, "conf_d: c\nstate_dir: s\nsocket: ../x.sock\ntags: [de]\n")
    assert outcome.conf_d == f"{path.parent}/c"
    assert outcome.run_dir == f"{path.parent}/s/run"
    assert outcome.log_dir == f"{path.parent}/s/log"
    assert outcome.socket == f"{path.parent}/s/x.sock"
    assert outcome.tags == ("de",)


def test_access(path: Path) -> None:
    outcome = loaded(path, "access: [{user: root, role: admin}, {group: nobody-here, role: viewer}]\n")
    assert outcome.access == (
        AccessRule(Role.ADMIN, user="root"),
        AccessRule(Role.VIEWER, group="nobody-here"),
    )


@pytest.mark.parametrize(("node", "name"), [("Ce1.gsi.de", "ce1"), ("--", "site"), ("a b", "a-b"), ("", "site")])
def test_the_site_is_called_like_the_machine(monkeypatch: pytest.MonkeyPatch, path: Path, node: str, name: str) -> None:
    monkeypatch.setattr(os, "uname", lambda: os.uname_result(("Linux", node, "", "", "")))
    assert loaded(path, "tags: []\n").site == name


NAME = "letters, digits, - and _, at most 63, the first a letter or digit"


@pytest.mark.parametrize(
    ("text", "wrong"),
    [
        ("", "amonsup.yaml: the file is empty"),
        ("conf-d: x", "amonsup.yaml:1:1: conf-d: unknown key; did you mean 'conf_d'?"),
        ("site: a b", f"amonsup.yaml:1:7: site: 'a b' is not a name; allowed: {NAME}"),
        ("user: root", "amonsup.yaml:1:7: user: only root can run its parts as somebody else"),
        ("access: [{role: admin}]", "amonsup.yaml:1:10: access[0]: says nobody; allowed: one of user, group"),
        ("access: [{user: a, group: b, role: admin}]",
         "amonsup.yaml:1:20: access[0].group: stands beside 'user'; allowed: one of user, group"),
        ("access: [{user: root, role: none}]",
         "amonsup.yaml:1:29: access[0].role: 'none' is unknown; allowed: viewer, reader, operator, admin"),
        ("access: [{user: root}]", "amonsup.yaml:1:10: access[0]: 'role' is missing"),
    ],
)  # fmt: skip
def test_refused(path: Path, text: str, wrong: str) -> None:
    assert refused(path, text) == [wrong]


def test_the_control_socket_must_fit(path: Path) -> None:
    (wrong,) = refused(path, f"run_dir: /{'r' * 120}\n")
    assert wrong.startswith("amonsup.yaml:1:10: socket: '/rrr")
    assert wrong.endswith("is 27 bytes too long for a socket: at most 107")


def test_a_client_takes_the_owner_for_the_daemon(path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    path.write_text("site: gsi\n")
    monkeypatch.setattr(site, "_owner", lambda _: 4321)
    monkeypatch.setattr(site, "home_of", lambda uid: f"/home/{uid}")
    outcome = load_site(str(path), environ=ENVIRON)
    assert isinstance(outcome, SiteSpec)
    assert outcome.run_dir == "/home/4321/.local/state/amonsup/run"


def test_the_file_is_looked_for(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.chdir(tmp_path)
    monkeypatch.setattr(site, "SYSTEM_FILE", str(tmp_path / "system.yaml"))
    missing = find_config_file(None, {})
    assert isinstance(missing, ConfigError)
    assert missing.render().startswith("no configuration: neither ./amonsup.yaml nor ")
    for name in ("system.yaml", "amonsup.yaml", "env.yaml", "explicit.yaml"):
        (tmp_path / name).touch()
        environ = {"AMONSUP_CONFIG": "env.yaml"} if name in ("env.yaml", "explicit.yaml") else {}
        explicit = name if name == "explicit.yaml" else None
        assert find_config_file(explicit, environ) == str(tmp_path / name)
    wrong = find_config_file(None, {"AMONSUP_CONFIG": "nope.yaml"})
    assert isinstance(wrong, ConfigError)
    assert wrong.render() == "nope.yaml: does not exist (from $AMONSUP_CONFIG)"


def status(mode: int, uid: int, gid: int) -> os.stat_result:
    return os.stat_result((0o100000 | mode, 0, 0, 1, uid, gid, 0, 0, 0, 0))


@pytest.mark.parametrize(
    ("mode", "uid", "gid", "reason"),
    [
        (0o644, 0, 0, ""),
        (0o664, 0, 0, ""),
        (0o644, 0, 50, ""),
        (0o644, 7, 0, "belongs to uid 7, not to root, so root does not read it; remedy: chown root /f"),
        (0o664, 0, 5, "can be written by its group (gid 5), so root does not read it; remedy: chmod go-w /f"),
        (0o646, 0, 0, "can be written by everybody, so root does not read it; remedy: chmod go-w /f"),
        (0o666, 7, 0, "belongs to uid 7, not to root and can be written by everybody, "
         "so root does not read it; remedy: chown root /f; chmod go-w /f"),
    ],
)  # fmt: skip
def test_trust(mode: int, uid: int, gid: int, reason: str) -> None:
    assert files.distrust(status(mode, uid, gid), "/f") == reason


def test_only_regular_files_are_read(tmp_path: Path) -> None:
    os.mkfifo(tmp_path / "fifo")
    with pytest.raises(files.UnreadableError, match="is not a regular file"):
        files.read(str(tmp_path / "fifo"), is_trusting=True)
    with pytest.raises(files.UnreadableError, match="is not a regular file"):
        files.read(str(tmp_path), is_trusting=True)
    with pytest.raises(files.UnreadableError, match="its name is not a file name"):
        files.read("a\0b", is_trusting=True)
