"""Help: one page for all, one for each verb, generated from the declarations in amonsup/verbs."""

from __future__ import annotations

import textwrap
from collections.abc import Iterable

from amonsup import __version__, verbs
from amonsup.cli.arguments import OWN, VERSION, Grammar, Option, grammar
from amonsup.verbs.page import Block, Cell, Page, Table, Tone, line
from amonsup.verbs.verb import Verb

_WIDTH = 100

_STATUS = (
    ("0", "done"),
    ("1", "the operation failed"),
    ("2", "wrong use, or invalid configuration"),
    ("3", "no daemon there"),
    ("4", "refused"),
    ("5", "no answer in time"),
)
_EXAMPLES = (
    ("amonsup status", "what runs, and what is wrong"),
    ("amonsup restart ce @grid", "these services, and wait until they are up"),
    ("amonsup apply --dry-run", "what an edit of conf.d would change"),
    ("amonsup --json status | jq '.[] | select(.state == \"fatal\").name'", "for scripts"),
)
_FILES = (
    ("amonsup.yaml", "the site: -c FILE, else $AMONSUP_CONFIG, ./amonsup.yaml, /etc/amonsup/amonsup.yaml"),
    (
        "conf.d/*.yaml",
        "the services, beside it; `amonsup schema` for an editor, `amonsup check` before an apply",
    ),
)
_ENVIRONMENT = (
    ("AMONSUP_CONFIG", "the amonsup.yaml to use"),
    ("NO_COLOR", "no colours; a pipe never gets any"),
    ("AMONSUP_DEBUG", "1: an unexpected error shows its traceback"),
)


def general() -> Page:
    return [
        line(
            Cell("amonsup", Tone.STRONG),
            f" {__version__}: asks and commands amonsupd, the process supervisor.",
        ),
        line("Services keep running whatever becomes of the daemon, of this command or of your session."),
        line(),
        *_section("usage", [line("  amonsup [OPTIONS] VERB [ARGUMENTS]"), line("  amonsup VERB --help")]),
        *_verbs(),
        line("SERVICE is a name, @TAG or all."),
        line(),
        *_section("options, before or behind the verb", [_options((*OWN, VERSION))]),
        *_section("examples", [_table(_EXAMPLES)]),
        *_section("files", [_table(_FILES)]),
        *_section("environment", [_table(_ENVIRONMENT)]),
        *_section("exit status", [_table(_STATUS)])[:-1],
    ]


def of_verb(verb: Verb) -> Page:
    known = grammar(verb)
    page: Page = [line(Cell(f"amonsup {verb.name}", Tone.STRONG), f": {verb.summary}"), line()]
    page += _section("usage", [line(f"  {usage(verb, known)}")])
    if known.places:
        page += _section("arguments", [_table((place.metavar, place.help) for place in known.places)])
    page += _section("options", [_options((*known.options, *OWN))])
    for paragraph in verb.details.split("\n") if verb.details else ():
        page += [line(text) for text in textwrap.wrap(paragraph, _WIDTH)] or [line()]
    return page if verb.details else page[:-1]


def usage(verb: Verb, known: Grammar | None = None) -> str:
    """One line: amonsup stop [--kill] [--no-wait] SERVICE..."""
    known = known or grammar(verb)
    parts = ["amonsup", verb.name]
    parts += [f"[{'|'.join(option.spellings)}{_value(option)}]" for option in known.options]
    parts += [place.metavar if place.is_required else f"[{place.metavar}]" for place in known.places]
    return " ".join(parts)


def advice(verb: Verb | None) -> str:
    """What stands below a complaint about the command line."""
    if verb is None:
        return "amonsup --help lists the verbs"
    known = grammar(verb)
    words = usage(verb, known)
    if len(words) > _WIDTH:
        words = usage(verb, Grammar((), known.places)).replace(f" {verb.name}", f" {verb.name} [OPTIONS]", 1)
    return f"usage: {words}\namonsup {verb.name} --help says more"


def _value(option: Option) -> str:
    return f" {option.metavar}" if option.type is not bool else ""


def _verbs() -> Page:
    """Group by group, in columns of one width."""
    summaries = {verb.name: verb.summary for verb in verbs.load_all()}
    width = max(len(name) for name in summaries)
    page: Page = []
    for title, names in verbs.GROUPS:
        page += _section(title, [_table((name.ljust(width), summaries[name]) for name in names)])
    return page


def _section(title: str, blocks: list[Block]) -> Page:
    return [line(Cell(f"{title}:", Tone.STRONG)), *blocks, line()]


def _options(options: tuple[Option, ...]) -> Table:
    return _table((", ".join(option.spellings) + _value(option), option.help) for option in options)


def _table(pairs: Iterable[tuple[str, str]]) -> Table:
    """Two columns without a header, indented."""
    rows = tuple((Cell(f"  {left}"), Cell(right)) for left, right in pairs)
    return Table(("", ""), rows)
