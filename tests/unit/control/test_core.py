"""The pure parts of control: when to connect again, what waits, what presence says and when."""

from __future__ import annotations

import random
from xml.etree.ElementTree import Element

import pytest
from hypothesis import given
from hypothesis import strategies as st

from amonsup.config.roles import Role
from amonsup.control.core import chatline, options, presence, reconnect
from amonsup.control.core.mirror import Mirror
from amonsup.control.core.outbox import MOST, MOST_UNACKED, WINDOW, Outbox, weight
from amonsup.control.core.reconnect import Loss, Reconnect
from amonsup.control.core.records import Outgoing, Priority
from amonsup.verbs import load
from amonsup.verbs.results import StatusRow


def a_row(name: str, state: str = "running", why: str = "", desired: str = "up") -> StatusRow:
    return StatusRow(name, state, 1, 1.0, 0, None, None, desired=desired, why=why)


# ---- reconnect ------------------------------------------------------------------------------------------------------


def test_the_ceiling_doubles_with_every_failure_and_has_an_end() -> None:
    patience = Reconnect(lambda: 1.0)
    delays = [patience.lost(Loss.NETWORK, now=0.0) for _ in range(12)]
    assert delays[:4] == [2.0, 4.0, 8.0, 16.0]
    assert delays[-1] == reconnect.CEILING_S


def test_the_delay_is_anything_from_zero_to_the_ceiling() -> None:
    assert Reconnect(lambda: 0.0, failures=5).lost(Loss.NETWORK, 0.0) == 0.0


def test_only_a_session_that_lasted_starts_the_count_again() -> None:
    patience = Reconnect(lambda: 1.0, failures=4)
    patience.came_up(100.0)
    assert patience.lost(Loss.NETWORK, 100.0 + reconnect.STEADY_S - 1) == 32.0
    patience.came_up(200.0)
    assert patience.lost(Loss.NETWORK, 200.0 + reconnect.STEADY_S) == 2.0


@pytest.mark.parametrize("loss", [Loss.REFUSED, Loss.CONFLICT, Loss.INSECURE])
def test_what_patience_does_not_cure_is_tried_seldom(loss: Loss) -> None:
    assert Reconnect(lambda: 0.0).lost(loss, 0.0) >= reconnect.SELDOM_S


def test_a_thousand_attempts_are_spread_out() -> None:
    """And those of two sites are not made together."""
    sites = [Reconnect(random.Random(seed).random) for seed in (1, 2)]
    moments: list[list[float]] = [[], []]
    for patience, found in zip(sites, moments, strict=True):
        at = 0.0
        for _ in range(1000):
            at += patience.lost(Loss.NETWORK, at)
            found.append(at)
        assert at > 1000 * reconnect.CEILING_S * 0.4
        assert at < 1000 * reconnect.CEILING_S * 0.6
        assert len([each for each in found if each < 3600]) < 50
    assert not {round(each, 1) for each in moments[0][20:]} & {round(each, 1) for each in moments[1][20:50]}


def test_a_restart_of_the_server_is_met_by_every_site_at_its_own_time() -> None:
    assert Reconnect(lambda: 0.0, splay=0.5).lost(Loss.RESTART, 0.0) == reconnect.SPLAY_S / 2


def test_endpoints_take_turns_only_while_none_works() -> None:
    patience = Reconnect(lambda: 0.0)
    patience.lost(Loss.NETWORK, 0.0)
    assert patience.endpoint == 1
    patience.came_up(1.0)
    patience.lost(Loss.NETWORK, 2.0)
    assert patience.endpoint == 1


# ---- outbox ---------------------------------------------------------------------------------------------------------


def an_item(priority: Priority = Priority.ANSWER, expires_at: float = 100.0, *, is_kept: bool = False) -> Outgoing:
    return Outgoing(Element("message"), priority, expires_at, is_kept)


def test_the_important_goes_first_and_the_late_not_at_all() -> None:
    box = Outbox()
    for priority in (Priority.LOG, Priority.COMMAND, Priority.ALERT):
        box.put(an_item(priority))
    box.put(an_item(Priority.COMMAND, expires_at=5.0))
    taken = []
    while (item := box.take(now=10.0)) is not None:
        taken.append(item.priority)
    assert taken == [Priority.COMMAND, Priority.ALERT, Priority.LOG]
    assert box.dropped == 1


@given(st.lists(st.sampled_from(list(Priority)), max_size=3 * MOST))
def test_it_never_holds_more_than_its_bound_and_drops_the_least_important(priorities: list[Priority]) -> None:
    box = Outbox()
    for priority in priorities:
        box.put(an_item(priority))
    kept = []
    while (item := box.take(now=0.0)) is not None:
        kept.append(item.priority)
    assert kept == sorted(priorities)[:MOST]
    assert box.dropped == max(0, len(priorities) - MOST)


def test_a_server_that_is_behind_gets_nothing_more() -> None:
    box = Outbox()
    for number in range(MOST_UNACKED):
        box.handed_over(str(number), an_item())
    box.put(an_item())
    assert box.take(0.0) is None
    box.acknowledged("0")
    assert box.take(0.0) is not None


def test_long_answers_wait_where_an_alert_does_not() -> None:
    box = Outbox()
    long = Element("message")
    long.text = "x" * 4000
    for _ in range(10):
        box.put(Outgoing(long, Priority.LOG, 100.0))
        box.put(an_item(Priority.ANSWER))
    handed_over = 0
    while (item := box.take(0.0)) is not None:
        box.handed_over(str(handed_over), item)
        handed_over += 1
    assert handed_over == 10 + WINDOW // 4000, "the short ones first"
    box.put(an_item(Priority.ALERT))
    item = box.take(0.0)
    assert item is not None
    assert item.priority is Priority.ALERT
    box.acknowledged("13")
    assert box.take(0.0) is not None
    for number in range(handed_over):
        box.acknowledged(str(number))
        box.acknowledged(str(number))  # twice changes nothing
    assert box._under_way == 0
    assert weight(long) > 4000


def told(who: str, text: str) -> Outgoing:
    stanza = Element("message", to=who)
    stanza.text = text
    return Outgoing(stanza, Priority.ANSWER, 100.0)


def test_who_asks_a_thousand_things_waits_for_his_own_answers_only() -> None:
    box = Outbox()
    for number in range(2 * MOST):
        box.put(told("eve@x.org/1", str(number)))
    box.put(told("bob@x.org/1", "a"))
    box.put(told("bob@x.org/2", "b"))
    for number in range(2 * MOST):
        box.put(told("eve@x.org/2", str(2 * MOST + number)))
    assert len(box) == MOST
    taken = []
    while (item := box.take(0.0)) is not None:
        taken.append(item)
    bobs = [number for number, item in enumerate(taken) if item.stanza.get("to", "").startswith("bob")]
    assert bobs == [1, 3], "in turn, and none was dropped"
    assert [taken[number].stanza.text for number in bobs] == ["a", "b"]
    eves = [int(item.stanza.text or "") for item in taken if item.stanza.get("to", "").startswith("eve")]
    assert eves == list(range(4 * MOST - len(eves), 4 * MOST)), "the newest, in order"


def test_what_must_not_be_lost_goes_again_with_a_new_session_in_its_order() -> None:
    box = Outbox()
    first, second, third = an_item(is_kept=True), an_item(), an_item(is_kept=True)
    for key, item in (("1", first), ("2", second), ("3", third)):
        box.handed_over(key, item)
    box.put(an_item(expires_at=50.0))
    box.session_lost()
    assert [box.take(0.0), box.take(0.0)] == [first, third]
    box.acknowledged("1")  # late, and of the old session: harmless


def test_after_a_resumption_goes_what_the_library_never_knew_of() -> None:
    box = Outbox()
    known, unknown = an_item(), an_item()
    box.handed_over("1", known)
    box.handed_over("2", unknown)
    box.session_resumed({"1"})
    assert box.take(0.0) is unknown
    assert box.take(0.0) is None


# ---- presence -------------------------------------------------------------------------------------------------------


@pytest.mark.parametrize(
    ("rows", "show", "status"),
    [
        ([a_row("ce"), a_row("db")], "", "2/2 up"),
        ([a_row("ce"), a_row("db", "stopped", desired="down")], "", "1/1 up"),
        ([a_row("ce"), a_row("db", "backoff", "exit 1")], "away", "1/2 up; backoff: db (exit 1)"),
        ([a_row("ce", "unhealthy"), a_row("db", "starting")], "xa", "0/2 up; unhealthy: ce; starting: db"),
        (
            [a_row("ce", "fatal", "exit 1"), a_row("db", "unhealthy")],
            "dnd",
            "0/2 up; fatal: ce (exit 1); unhealthy: db",
        ),
        ([], "", "0/0 up"),
    ],
)
def test_the_worst_comes_first(rows: list[StatusRow], show: str, status: str) -> None:
    mirror = Mirror()
    mirror.snapshot(rows)
    wanted = presence.wanted(mirror)
    assert (wanted.show, wanted.status) == (show, status)


@given(
    st.lists(st.tuples(st.text(min_size=1, max_size=63), st.sampled_from(["fatal", "backoff"]), st.text(max_size=500)))
)
def test_the_status_fits_into_its_bound(found: list[tuple[str, str, str]]) -> None:
    mirror = Mirror()
    mirror.snapshot([a_row(name, state, why) for name, state, why in found])
    assert len(presence.wanted(mirror).status) <= presence.LONGEST_STATUS


def a_presence(*states: str) -> presence.Wanted:
    mirror = Mirror()
    mirror.snapshot([a_row(f"s{number}", state) for number, state in enumerate(states)])
    return presence.wanted(mirror)


def test_a_flapping_service_speaks_at_most_every_five_seconds_and_fatal_at_once() -> None:
    throttle = presence.Throttle()
    assert throttle.due_in(a_presence("running"), 0.0) == 0.0
    throttle.was_sent(a_presence("running"), 0.0)
    assert throttle.due_in(a_presence("running"), 1.0) is None
    assert throttle.due_in(a_presence("backoff"), 1.0) == presence.QUIET_S - 1
    assert throttle.due_in(a_presence("fatal"), 1.0) == 0.0
    throttle.was_sent(a_presence("fatal"), 1.0)
    assert throttle.due_in(a_presence("running"), 2.0) == presence.QUIET_S - 1
    assert throttle.due_in(a_presence("fatal", "fatal"), 1.5) == presence.FATAL_QUIET_S - 0.5, "another one"
    assert throttle.due_in(a_presence("fatal", "fatal"), 3.0) == 0.0


def test_the_digest_differs_when_the_tree_does() -> None:
    mirror = Mirror()
    assert mirror.snapshot([a_row("ce")])
    before = mirror.digest()
    assert not mirror.update([a_row("ce")])
    assert mirror.update([a_row("ce", "fatal")])
    assert mirror.digest() != before
    assert mirror.revision == 2


# ---- chat text ------------------------------------------------------------------------------------------------------


@pytest.mark.parametrize(
    ("text", "verb", "args"),
    [
        ("status", "status", {"services": []}),
        ("  Restart ce db ", "restart", {"services": ["ce", "db"]}),
        ("restart ce, db,web ,", "restart", {"services": ["ce", "db", "web"]}),
        ("logs ce, db, 20", "logs", {"services": ["ce", "db"], "lines": 20}),
        ("hold db, 2h disk, swap", "hold", {"service": "db", "duration": "2h", "reason": "disk, swap"}),
        ("restart @grid", "restart", {"services": ["@grid"]}),
        ("events 20", "events", {"services": [], "lines": 20}),
        ("show 'ce'", "show", {"service": "ce"}),
        ("logs ce -n 5 --since '2h ago'", "logs", {"services": ["ce"], "lines": 5, "since": "2h ago"}),
        ("logs ce db -gX -i 20", "logs", {"services": ["ce", "db"], "grep": "X", "ignore_case": True, "lines": 20}),
        ("logs ce --grep=-x=1 --lines 999", "logs", {"services": ["ce"], "grep": "-x=1", "lines": 100}),
        ("apply --dry-run", "apply", {"dry_run": True}),
        ("mute ce 1h -- -v is noisy", "mute", {"service": "ce", "duration": "1h", "reason": "-v is noisy"}),
        ("hold db 2h -- --help", "hold", {"service": "db", "duration": "2h", "reason": "--help"}),
        ("tree", "tree", {}),
        ("status\nrestart ce", "status", {"services": []}),
    ],
)
def test_a_line_is_a_request(text: str, verb: str, args: dict[str, object]) -> None:
    line = chatline.parse(text)
    assert isinstance(line, chatline.Line)
    assert (line.verb.name, line.args) == (verb, args)


@pytest.mark.parametrize(
    ("text", "says"),
    [
        ("restrat ce", "did you mean 'restart'"),
        ("shutdown", "shutdown is not there from afar, only at the site: amonsup shutdown"),
        ("reset ce", "reset is not there from afar"),
        ("help scale", "scale is not there from afar"),
        ("shutdwn", "did you mean 'shutdown'? That is only at the site."),
        ("xyzzy", "I do not know 'xyzzy'; 'help' lists what I know"),
        ("restart ,", "which service"),
        ("restart", "which service"),
        ("show", "which service"),
        ("hold db", "hold: duration is missing; help hold tells more"),
        ("help me", "I do not know 'me'"),
        ("show a b", "too many words"),
        ("logs ce --sinc 2h", "no option '--sinc'; did you mean --since?"),
        ("logs ce --save x", "no option '--save'"),
        ("logs ce -f", "no option '-f'"),
        ("logs ce --cursor x:1", "no option '--cursor'"),
        ("logs ce -n", "-n needs a value"),
        ("logs ce -n five", "a number is expected, not 'five'"),
        ("logs ce --ignore-case=1", "takes no value"),
        ("status --watch", "status: no option '--watch'; there are --all"),
        ("tree --all", "tree: no option '--all'"),
        ("say 'it", "not understood"),
        ("x" * 501, "at most"),
        ("status " + "a " * 60, "at most"),
    ],
)
def test_what_is_no_request_is_answered_with_help(text: str, says: str) -> None:
    wrong = chatline.parse(text)
    assert isinstance(wrong, chatline.Wrong)
    assert says in wrong.text


@pytest.mark.parametrize("text", ["", "   ", "help", "HELP", "?", "@grid help"])
def test_help_is_help(text: str) -> None:
    assert chatline.parse(text) == chatline.Help()


@pytest.mark.parametrize("text", ["help hold", "Help HOLD db", "hold --help", "hold db 2h --help", "hold -h", "? hold"])
def test_help_with_a_verb_is_of_that_verb(text: str) -> None:
    asked = chatline.parse(text)
    assert isinstance(asked, chatline.Help)
    assert asked.verb is load("hold")


def test_help_of_a_verb_says_how_it_is_used_in_chat() -> None:
    hold, logs = load("hold"), load("logs")
    assert hold is not None
    assert logs is not None
    assert chatline.help_of(hold, Role.OPERATOR).splitlines() == [
        "hold SERVICE DURATION [REASON]",
        hold.summary,
        "SERVICE: a name, @TAG, or all",
        "DURATION: how long: 30m, 2h, 1d; at most 30d",
        "REASON: why, for whoever looks at status",
    ]
    assert chatline.help_of(hold, Role.VIEWER).endswith("It needs the role operator; yours is viewer.")
    lines = chatline.help_of(logs, Role.READER).splitlines()
    assert lines[0] == "logs SERVICE... [OPTIONS]"
    assert "-S, --since T: captured since then: 10m, 2h ago, today, 15:30, RFC 3339" in lines
    assert not [line for line in lines if line.startswith(("-f", "--follow", "--save", "--cursor"))]


@pytest.mark.parametrize("name", chatline.VERBS)
def test_what_help_says_of_a_verb_is_understood(name: str) -> None:
    verb = load(name)
    assert verb is not None
    words, flags = options.of(verb)
    for flag in flags:
        for spelling in flag.spelling.partition(" ")[0].rstrip(",").split(", "):
            given = [spelling] if " " not in flag.spelling.rpartition("--")[2] else [spelling, "1"]
            assert options.take(verb, given)[1], (name, spelling)
    line = [name, *("x" for word in words if not word.usage.startswith("["))]
    assert isinstance(chatline.parse(" ".join(line)), chatline.Line)


def test_help_lists_what_somebody_may_use() -> None:
    listed = [line.partition(":")[0] for line in chatline.help_text(Role.VIEWER).splitlines()[:-1]]
    assert listed == ["status", "show", "events", "tree"]
    assert len(chatline.help_text(Role.ADMIN).splitlines()) == len(chatline.VERBS) + 1


@given(st.text(max_size=600))
def test_no_text_is_too_strange(text: str) -> None:
    chatline.parse(text)
