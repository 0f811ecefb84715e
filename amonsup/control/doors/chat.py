"""Chat as a door: `restart ce` in a message, answered in words. For clients that know no commands and no forms.

Answered are people with a role; strangers get nothing, not even an error. Errors, headlines, receipts and our own
words are never answered, so two programs cannot talk each other to death. A mutating verb answers twice.
"""

from __future__ import annotations

from amonsup.config.roles import Role
from amonsup.control.core import chatline, wording
from amonsup.control.core.records import Priority, Said, bare
from amonsup.control.core.turns import MOST_PER_PERSON, STRANGERS
from amonsup.control.desk import Desk, Door, Speaker
from amonsup.control.doors import answers
from amonsup.control.xmpp import stanzas
from amonsup.wire.messages import Accepted, Caller
from amonsup.wire.turned_away import Reason

ANSWER_TTL_S = 600.0


class Chat(Door):
    """One-to-one messages. What is said in rooms goes through rooms.py."""

    def __init__(self, desk: Desk) -> None:
        self._desk = desk

    def said(self, speaker: Speaker, said: Said) -> bool:
        person = bare(said.sender)
        if said.kind not in ("chat", "normal") or not said.body.strip() or said.is_replacement:
            return False
        if person == bare(speaker.jid):
            return True  # our own words on another device
        caller = self._desk.caller(said.sender, "chat", said.age_s)
        if self._desk.role_of(person) is Role.NONE:
            self._refuse(person, said.body, caller)
        elif not self._desk.serve(person, self._answer(speaker, said, caller)):
            self._desk.turned_away(person, Reason.BUSY)
            text = f"busy: {MOST_PER_PERSON} requests of yours are under way; not carried out: {said.body[:60]}"
            speaker.send(stanzas.message(said.sender, text), Priority.ANSWER, ANSWER_TTL_S)
        return True

    def _refuse(self, person: str, text: str, caller: Caller) -> None:
        """A stranger's command: refused, and put on record, by the supervisor; the stranger hears nothing."""
        line = chatline.parse(text)
        if not isinstance(line, chatline.Line):
            self._desk.turned_away(person, Reason.WORDS)
        elif not self._desk.serve(STRANGERS, self._desk.supervisor.request(line.verb.name, line.args, caller)):
            self._desk.turned_away(person, Reason.BUSY)

    async def _answer(self, speaker: Speaker, said: Said, caller: Caller) -> None:
        def tell(text: str, priority: Priority = Priority.ANSWER) -> None:
            speaker.send(stanzas.message(said.sender, text), priority, ANSWER_TTL_S, is_kept=True)

        line = chatline.parse(said.body)
        if isinstance(line, chatline.Help):
            role = self._desk.role_of(said.sender)
            tell(chatline.help_of(line.verb, role) if line.verb else chatline.help_text(role))
        elif isinstance(line, chatline.Wrong):
            tell(line.text)
        else:
            verb = line.verb

            def accepted(message: Accepted) -> None:
                tell(wording.accepted(verb.name, message.targets))

            words = await answers.ask(self._desk, verb, line.args, caller, accepted)
            tell(words.text, answers.priority(verb))
