"""A real terminal for a test: a tmux server of its own, one window, whose screen can be read and typed into.

The last screens are part of the failure where something that was waited for did not come.
"""

from __future__ import annotations

import contextlib
import shutil
import subprocess
import time
from pathlib import Path

import pytest
from support.site import PATIENCE_S, ScenarioError, Site, wait_gone


class Tmux:
    """`size` is columns and lines; `socket` names the server where a test wants several."""

    def __init__(self, site: Site, *, size: tuple[int, int] = (80, 24), socket: str = "tmux") -> None:
        if shutil.which("tmux") is None:
            pytest.skip("tmux is not installed")
        self.site, self.size = site, size
        self._socket = site.path / socket
        self._seen: list[str] = []

    def start(self, *words: str, **environ: str) -> Tmux:
        """`amonsup WORDS` in the window; its exit status is shown below it when it ends."""
        client = f"{self.site.who.python} -m amonsup.cli.main -c {self.site.config_file} {' '.join(words)}"
        return self.run(f'trap : INT\ncd /\n{client}\necho "ended with $?"\nread -r _', **environ)

    def run(self, text: str, **environ: str) -> Tmux:
        """A shell script in the window."""
        names = {**self.site.client_environ(), **environ}
        settings = " ".join(f"{name}='{value}'" for name, value in names.items() if value)
        script = self.site.path / "in-tmux"
        script.write_text(f"export {settings}\n{text}\n")
        width, height = (str(number) for number in self.size)
        self._tmux("-f", "/dev/null", "new-session", "-d", "-x", width, "-y", height, f"exec sh {script}")
        return self

    def keys(self, *names: str) -> None:
        """As `tmux send-keys` has them: q, Enter, C-c, Down."""
        self._tmux("send-keys", *names)

    def resize(self, columns: int, lines: int) -> None:
        self._tmux("resize-window", "-x", str(columns), "-y", str(lines))

    def screen(self) -> str:
        text = self._tmux("capture-pane", "-p")
        if not self._seen or self._seen[-1] != text:
            self._seen = [*self._seen[-4:], text]
        return text

    def wait(self, *texts: str, gone: str = "") -> str:
        """The screen once all of these stand on it (and `gone` does not)."""
        deadline = time.monotonic() + PATIENCE_S
        while True:
            screen = self.screen()
            if all(text in screen for text in texts) and not (gone and gone in screen):
                return screen
            if time.monotonic() > deadline:
                shown = "\n----\n".join(self._seen)
                raise ScenarioError(f"{texts} (without {gone!r}) did not come; the last screens:\n{shown}")
            time.sleep(0.05)

    def pid(self) -> int:
        """Of the shell in the window."""
        return int(self._tmux("display-message", "-p", "#{pane_pid}"))

    def client(self) -> int:
        """Pid of the amonsup in the window."""
        words = Path(f"/proc/{self.pid()}/task/{self.pid()}/children").read_text().split()
        return int(words[0])

    def close(self) -> None:
        """End everything in the window; it is gone then, not only told to go."""
        tmux = ["tmux", "-S", str(self._socket)]
        server = subprocess.run([*tmux, "display-message", "-p", "#{pid}"], capture_output=True, text=True, check=False)
        family = _family(int(server.stdout)) if server.stdout.strip().isdigit() else []
        subprocess.run([*tmux, "kill-server"], capture_output=True, check=False)
        for pid in family:
            wait_gone(pid)

    def _tmux(self, *words: str) -> str:
        done = subprocess.run(["tmux", "-u", "-S", str(self._socket), *words], capture_output=True, text=True)
        assert done.returncode == 0, done.stderr
        return done.stdout


def _family(pid: int) -> list[int]:
    """A process and all that came of it."""
    found = [pid]
    for each in found:
        with contextlib.suppress(OSError):  # it has ended meanwhile
            found += map(int, Path(f"/proc/{each}/task/{each}/children").read_text().split())
    return found
