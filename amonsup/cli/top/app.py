"""The page itself: keys to what they do, updates to what is drawn. What is shown stands in model.py and view.py.

Updates come from a thread and are taken at most four times a second, all that have gathered at once.
"""

from __future__ import annotations

import asyncio
import contextlib
import os
import signal
import time
from collections import deque
from collections.abc import Callable, Mapping

from textual import events
from textual.app import App, ComposeResult
from textual.message import Message

from amonsup import verbs
from amonsup.cli.errors import CommandError
from amonsup.cli.live import Rows, Update
from amonsup.cli.top import errands, view
from amonsup.cli.top.errands import Outcome
from amonsup.cli.top.model import Model
from amonsup.cli.top.widgets import Bar, Pane, Services
from amonsup.verbs import show
from amonsup.verbs.page import Cell, Line, Table, Tone, line
from amonsup.verbs.results import ShowResult

CALM_S = 0.25
LOG, EVENTS, SHOW, HELP = "log", "events", "show", "help"

_COMMANDS = {"s": "start", "t": "stop", "r": "restart"}
_PANES = {"l": LOG, "e": EVENTS, "i": SHOW, "question_mark": HELP}
_MOVES = {
    "up": "cursor_up",
    "k": "cursor_up",
    "down": "cursor_down",
    "j": "cursor_down",
    "pageup": "page_up",
    "pagedown": "page_down",
    "home": "scroll_top",
    "end": "scroll_bottom",
    "left": "cursor_left",
    "right": "cursor_right",
}


class Gathered(Message):
    """Updates wait to be taken."""


class Done(Message):
    """A command is over."""

    def __init__(self, outcome: Outcome) -> None:
        super().__init__()
        self.outcome = outcome


class Ended(Message):
    """There is nothing to show: refused, or nobody there."""

    def __init__(self, why: CommandError) -> None:
        super().__init__()
        self.why = why


class Shown(Message):
    """An answer to `show`, for the pane."""

    def __init__(self, name: str, result: ShowResult | CommandError) -> None:
        super().__init__()
        self.name, self.result = name, result


class Top(App[None]):
    """`why` is set if it ended because there was nothing to show."""

    CSS = """
    Screen { background: ansi_default; color: ansi_default; }
    Bar { height: 1; background: ansi_default; }
    #services { height: 3fr; background: ansi_default; scrollbar-size-horizontal: 0; overflow-x: hidden; }
    #services > .datatable--cursor { background: ansi_default; color: ansi_default; text-style: reverse; }
    #services > .datatable--header { background: ansi_default; color: ansi_default; text-style: underline; }
    #pane { height: 2fr; background: ansi_default; scrollbar-size-vertical: 1; scrollbar-size-horizontal: 0; }
    """
    ENABLE_COMMAND_PALETTE = False

    def __init__(self, path: str, environ: Mapping[str, str]) -> None:
        super().__init__(ansi_color=True)
        self.why: CommandError | None = None
        self.model = Model(has_blocks=environ.get("TERM") != "linux")
        self._path = path
        self._pane = LOG
        self._is_typing = False
        self._others: dict[str, Callable[[], object]] = {
            "q": self.exit,
            "slash": self._begin_typing,
            "escape": self._clear,
            "T": self._toggle_tree,
            "upper_t": self._toggle_tree,
        }
        self._question: tuple[str, str] | None = None  # (verb, service) that waits for y or n
        self._gathered: deque[Update] = deque()
        self._taken_at = 0.0
        self._is_due = False
        self._outcome: Line | None = None
        self._following: asyncio.Task[None] | None = None
        self._followed = ""

    def compose(self) -> ComposeResult:
        yield Bar(id="head")
        yield Services()
        yield Bar(id="about")
        yield Pane()
        yield Bar(id="foot")

    def on_mount(self) -> None:
        loop = asyncio.get_running_loop()
        for signum in (signal.SIGTERM, signal.SIGHUP):
            loop.add_signal_handler(signum, self.exit)
        self.query_one(Services).focus()
        self._draw()
        errands.in_background(lambda: errands.feed(self._path, self._tell, lambda why: self._post(Ended(why))))

    # -- what comes from threads --

    def _tell(self, update: Update) -> None:
        self._gathered.append(update)
        self._post(Gathered())

    def _post(self, message: Message) -> None:
        with contextlib.suppress(RuntimeError):  # we have ended meanwhile
            self.post_message(message)

    def _aside(self, work: Callable[[], Message]) -> None:
        errands.in_background(lambda: self._post(work()))

    def on_gathered(self, _: Gathered) -> None:
        if self._is_due:
            return
        wait_s = self._taken_at + CALM_S - time.monotonic()
        if wait_s <= 0:
            self._take()
        else:
            self._is_due = True
            self.set_timer(wait_s, self._take)

    def _take(self) -> None:
        self._is_due, self._taken_at = False, time.monotonic()
        has_events, has_rows = False, False
        while self._gathered:
            update = self._gathered.popleft()
            self.model.take(update)
            has_rows |= isinstance(update, Rows)
            has_events |= not isinstance(update, Rows)
        if has_events and self._pane == EVENTS:
            self._draw_events()
        if has_rows and self._pane == SHOW:
            self._ask_show()
        self._draw()

    def on_ended(self, message: Ended) -> None:
        self.why = message.why
        self.exit()

    # -- drawing --

    def _draw(self) -> None:
        self.query_one("#head", Bar).say(view.head(self.model, time.strftime("%H:%M:%S")))
        services = self.query_one(Services)
        services.renew(self.model)
        self._draw_about()
        self._draw_foot()

    def _draw_about(self) -> None:
        name = self.query_one(Services).selected
        titles = {EVENTS: "events of the site", HELP: "help"}
        if self._pane in titles:
            said = line(Cell(titles[self._pane], Tone.STRONG))
        else:
            said = Line((Cell(f"{self._pane} of "), *view.about(self.model.rows.get(name)).cells))
        self.query_one("#about", Bar).say(said)

    def _draw_foot(self) -> None:
        if self._question is not None:
            verb, service = self._question
            said = line(Cell(f"{verb} {service}? ", Tone.BUSY), Cell("y", Tone.STRONG), " or ", Cell("n", Tone.STRONG))
        elif self._is_typing:
            said = line(Cell("filter: ", Tone.BUSY), self.model.filter, "_", Cell("  Enter keeps it", Tone.FAINT))
        else:
            said = self._outcome or line(Cell(view.KEYS, Tone.FAINT))
        self.query_one("#foot", Bar).say(said)

    def _draw_events(self) -> None:
        self.query_one(Pane).replace(view.event_lines(self.model), follows=True)

    # -- keys --

    async def on_event(self, event: events.Event) -> None:
        """Every key is dealt with here, in the order in which they were pressed: one that went through the widgets
        could be overtaken by the next, and a restart would hit the service above."""
        if isinstance(event, events.Key):
            self._press(event)
        else:
            await super().on_event(event)

    def _press(self, event: events.Key) -> None:
        key = event.key
        if key in ("ctrl+c", "ctrl+q"):
            self.exit()
        elif self._question is not None:
            self._answer(key)
        elif self._is_typing:
            self._type(key, event.character or "")
        elif key in _COMMANDS:
            self._command(_COMMANDS[key])
        elif key in _PANES:
            self._show_pane(_PANES[key])
        elif key in _MOVES:
            getattr(self.query_one(Services), f"action_{_MOVES[key]}")()
        elif key in self._others:
            self._others[key]()

    def _answer(self, key: str) -> None:
        assert self._question is not None
        (verb, service), self._question = self._question, None
        if key == "y":
            self._carry_out(verb, service)
        else:
            self._say(line(Cell(f"{verb} {service}: not done", Tone.FAINT)))

    def _command(self, verb: str) -> None:
        service = self.query_one(Services).selected
        if service and verb == "start":
            self._carry_out(verb, service)
        elif service:
            self._question = (verb, service)
            self._draw_foot()

    def _carry_out(self, verb: str, service: str) -> None:
        self._say(line(Cell(f"{verb} {service} …", Tone.BUSY)))
        self._aside(lambda: Done(errands.carry_out(self._path, verb, service)))

    def on_done(self, message: Done) -> None:
        self._say(line(Cell(message.outcome.text, Tone.GOOD if message.outcome.is_ok else Tone.BAD)))

    def _say(self, said: Line | None) -> None:
        self._outcome = said
        self._draw_foot()

    def _begin_typing(self) -> None:
        self._is_typing, self._outcome = True, None
        self._draw_foot()

    def _type(self, key: str, character: str) -> None:
        """A filter, letter by letter; what is typed counts at once."""
        if key == "escape":
            self._clear()
            return
        if key == "enter":
            self._is_typing = False
        elif key in ("backspace", "ctrl+h"):
            self.model.filter = self.model.filter[:-1]
        elif character.isprintable():
            self.model.filter = (self.model.filter + character)[:40]
        self._draw()

    def _clear(self) -> None:
        self._is_typing, self.model.filter, self._outcome = False, "", None
        self._draw()

    def _toggle_tree(self) -> None:
        if self.model.is_tree:
            self.model.is_tree = False
            self._draw()
        else:
            self._aside(self._tree)

    def _tree(self) -> Message:
        found = errands.tree(self._path)
        if isinstance(found, CommandError):
            return Done(Outcome(found.text, is_ok=False))
        self.model.take_tree(found.services)
        self.model.is_tree = True
        return Gathered()

    # -- the pane --

    def _show_pane(self, name: str) -> None:
        self._pane = name
        self._outcome = None
        if name == EVENTS:
            self._draw_events()
        elif name == HELP:
            self.query_one(Pane).replace([line(text) for text in view.HELP], follows=False)
        else:
            self._follow()
        self._draw_about()
        self._draw_foot()

    def on_data_table_row_highlighted(self, _: Services.RowHighlighted) -> None:
        self._draw_about()
        if self._pane in (LOG, SHOW):
            self._follow()

    def _follow(self) -> None:
        """Show the log, or everything, of the service under the cursor."""
        name = self.query_one(Services).selected
        if self._pane == SHOW or "logs" not in verbs.NAMES:
            self._ask_show()
        elif name and (name != self._followed or self._following is None or self._following.done()):
            self._stop_log()
            self._followed = name
            self._following = asyncio.create_task(self._read_log(name))

    def _stop_log(self) -> None:
        if self._following is not None:
            self._following.cancel()
        self._following, self._followed = None, ""

    async def _read_log(self, name: str) -> None:
        pane = self.query_one(Pane)
        pane.clear()
        process = await asyncio.create_subprocess_exec(
            *errands.log_command(self._path, name),
            stdin=asyncio.subprocess.DEVNULL,
            stdout=asyncio.subprocess.PIPE,
            stderr=asyncio.subprocess.STDOUT,
            env={**os.environ, "NO_COLOR": "1", "TERM": "dumb"},
            limit=1 << 20,
        )
        assert process.stdout is not None
        try:
            while raw := await process.stdout.readline():
                if self._pane == LOG:
                    pane.append(raw.decode("utf-8", "replace").rstrip("\n"))
        except ValueError:
            pane.append("(a line too long to be shown)")
        finally:
            with contextlib.suppress(ProcessLookupError):
                process.kill()

    def _ask_show(self) -> None:
        name = self.query_one(Services).selected
        if name:
            self._aside(lambda: Shown(name, errands.show(self._path, name)))

    def on_shown(self, message: Shown) -> None:
        if message.name != self.query_one(Services).selected or self._pane not in (SHOW, LOG):
            return
        pane = self.query_one(Pane)
        if isinstance(message.result, CommandError):
            pane.replace([line(Cell(message.result.text, Tone.BAD))], follows=False)
        elif self._pane == LOG:
            pane.replace([line(text) for text in message.result.last_lines], follows=True)
        else:
            pane.replace([each for each in show.page(message.result) if not isinstance(each, Table)], follows=False)
