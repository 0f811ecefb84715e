"""One command from its words to its exit status; the only place where an error is shown."""

from __future__ import annotations

import gc
import os
import sys
import time
from collections.abc import Mapping

from amonsup.cli import arguments
from amonsup.cli.errors import DONE, FAILED, INTERRUPTED, WRONG_USE, CommandError, UsageError
from amonsup.cli.output import Output
from amonsup.verbs.verb import Kind


def run(words: list[str]) -> int:
    """Never raises."""
    if words[:1] == ["__complete"]:
        from amonsup.cli import complete

        return complete.run(words[1:], os.environ, sys.stdout)
    output = Output(sys.stdout, sys.stderr, os.environ, is_json="--json" in words)
    try:
        return _command(words, os.environ, output)
    except UsageError as error:
        if not error.advice:
            from amonsup.cli import manual

            error.advice = manual.advice(error.verb)
        return output.error(error)
    except CommandError as error:
        return output.error(error)
    except KeyboardInterrupt:
        return INTERRUPTED
    except Exception as error:  # noqa: BLE001 - boundary: a person gets a line, not a traceback
        if os.environ.get("AMONSUP_DEBUG") == "1":
            import traceback

            traceback.print_exc()
        text = f"unexpected {type(error).__name__}: {error} (AMONSUP_DEBUG=1 shows where); please report it"
        return output.error(CommandError("unexpected", text, FAILED))


def _command(words: list[str], environ: Mapping[str, str], output: Output) -> int:
    asked = arguments.read(words)
    verb = asked.verb
    if asked.version or asked.help or verb is None:
        return _about(asked, output)
    if verb.kind is Kind.LOCAL and verb.name != "top":
        from amonsup.cli import local

        return local.run(verb, asked.args, asked.config, environ, output)

    if verb.kind is Kind.READING:
        from amonsup.cli import logs

        site = logs.Site(asked.socket, asked.config, environ)
        return logs.run(verb, asked.args, site, asked.timeout or 0.0, output)

    from amonsup.cli import ask
    from amonsup.cli.conversation import Conversation
    from amonsup.cli.progress import NEVER, Progress

    path = asked.socket
    if not path:
        from amonsup.cli import local

        path = local.socket_path(asked.config, environ)
    if verb.name == "top":
        from amonsup.cli.top import entry

        return entry.run(path, environ, output)
    progress = Progress(output.progress_stream if verb.kind is Kind.OPERATION else None, time.monotonic)
    patience_s = NEVER if verb.kind is Kind.OPERATION else ask.READ_TIMEOUT_S
    conversation = Conversation(path, progress, asked.timeout or patience_s)
    if asked.args.get("since"):
        from amonsup.cli import asked_moments

        asked.args = asked_moments.absolute(asked.args)
    if asked.args.pop("watch", False):
        from amonsup.cli import watch

        gc.enable()
        return watch.run(verb, asked.args, conversation, output)
    if asked.args.get("follow"):
        gc.enable()
        return ask.follow(verb, asked.args, conversation, output)
    return ask.ask(verb, asked.args, conversation, output, is_waiting=not asked.no_wait)


def _about(asked: arguments.Invocation, output: Output) -> int:
    if asked.version:
        from amonsup import __version__

        output.text(f"amonsup {__version__}\n")
        return DONE
    if asked.verb is None and not asked.help:
        raise CommandError("usage", "no verb given", WRONG_USE, "amonsup --help lists them")
    from amonsup.cli import manual

    output.page(manual.of_verb(asked.verb) if asked.verb is not None else manual.general())
    return DONE
