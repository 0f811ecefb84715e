"""completion: what a shell needs to complete our command lines."""

from __future__ import annotations

from typing import Annotated

import msgspec

from amonsup.config.specs import Role
from amonsup.verbs.page import Page, line
from amonsup.verbs.verb import Kind, Verb, describe


class Arguments(msgspec.Struct, frozen=True, forbid_unknown_fields=True):
    shell: Annotated[str, describe("bash, zsh or fish", metavar="SHELL", choice="bash|zsh|fish")]


class CompletionResult(msgspec.Struct, frozen=True):
    """The answer, and its --json."""

    shell: str
    script: str


def page(result: CompletionResult) -> Page:
    return [line(text) for text in result.script.splitlines()]


VERB = Verb(
    name="completion",
    role=Role.NONE,
    kind=Kind.LOCAL,
    summary="Print what makes bash, zsh or fish complete verbs, options, services and tags.",
    details=(
        "bash, in ~/.bashrc:   source <(amonsup completion bash)\n"
        "zsh, in ~/.zshrc, after compinit:   source <(amonsup completion zsh)\n"
        "fish:   amonsup completion fish > ~/.config/fish/completions/amonsup.fish\n"
        "Services and tags are asked of the running daemon; without one, verbs and options are completed."
    ),
    arguments=Arguments,
    answer=CompletionResult,
    page=page,
)
