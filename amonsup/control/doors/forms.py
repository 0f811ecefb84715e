"""Ad-hoc commands for people (XEP-0050): the verbs as a menu, a form where one is needed, the answer in a note.

Who may use a command is asked when they are listed, and again at every step; the supervisor has the last word. The
whole answer stands in the first note, because some clients show nothing else. A command that takes long is answered
after PATIENCE_S with how far it is; its end is then told as a message.
"""

from __future__ import annotations

import asyncio
from xml.etree.ElementTree import Element

from amonsup.config.roles import Role
from amonsup.control.core import chatline
from amonsup.control.core.forms import Field, Sessions, arguments, fields, needs_form
from amonsup.control.core.records import Asked, Priority, bare
from amonsup.control.core.turns import MOST_PER_PERSON, STRANGERS
from amonsup.control.desk import Desk, Door, Speaker
from amonsup.control.doors import answers
from amonsup.control.xmpp import stanzas
from amonsup.verbs import load
from amonsup.verbs.verb import Verb
from amonsup.wire.turned_away import Reason

PATIENCE_S = 20.0
TTL_S = 60.0
LATE_TTL_S = 600.0


class Forms(Door):
    """The commands node, and each command."""

    def __init__(self, desk: Desk) -> None:
        self._desk = desk
        self._sessions = Sessions()

    def asked(self, speaker: Speaker, asked: Asked) -> bool:
        namespace, _, tag = asked.payload.tag[1:].partition("}")
        node = asked.payload.get("node", "")
        if namespace == stanzas.COMMANDS and tag == "command" and asked.kind == "set":
            self._step(speaker, asked)
            return True
        is_about_us = node == stanzas.COMMANDS or (node in chatline.VERBS and namespace == stanzas.DISCO_INFO)
        if asked.kind != "get" or not is_about_us or self._desk.role_of(asked.sender) < Role.VIEWER:
            return False
        reply = stanzas.iq("result", asked.sender, asked.id)
        if namespace == stanzas.DISCO_ITEMS:
            self._list(speaker, asked, reply)
        elif namespace == stanzas.DISCO_INFO:
            self._describe(asked, reply, node)
        else:
            return False
        speaker.send(reply, Priority.ANSWER, TTL_S)
        return True

    # -- what there is --

    def _allowed(self, sender: str) -> list[Verb]:
        role = self._desk.role_of(sender)
        return [verb for name in chatline.VERBS if (verb := load(name)) is not None and role >= verb.role]

    def _list(self, speaker: Speaker, asked: Asked, reply: Element) -> None:
        query = stanzas.element(stanzas.DISCO_ITEMS, "query", reply, node=stanzas.COMMANDS)
        for verb in self._allowed(asked.sender):
            item = {"jid": speaker.jid, "node": verb.name, "name": f"{verb.name}: {verb.summary}"}
            stanzas.element(stanzas.DISCO_ITEMS, "item", query, **item)

    def _describe(self, asked: Asked, reply: Element, node: str) -> None:
        query = stanzas.element(stanzas.DISCO_INFO, "query", reply, node=node)
        kind = "command-list" if node == stanzas.COMMANDS else "command-node"
        name = "commands" if node == stanzas.COMMANDS else node
        stanzas.element(stanzas.DISCO_INFO, "identity", query, category="automation", type=kind, name=name)
        stanzas.element(stanzas.DISCO_INFO, "feature", query, var=stanzas.COMMANDS)
        stanzas.element(stanzas.DISCO_INFO, "feature", query, var=stanzas.FORMS)

    # -- a step --

    def _step(self, speaker: Speaker, asked: Asked) -> None:
        node, key = asked.payload.get("node", ""), asked.payload.get("sessionid", "")
        action = asked.payload.get("action", "execute") or "execute"
        verb = next((each for each in self._allowed(asked.sender) if each.name == node), None)
        if verb is None and node in chatline.VERBS:
            # Refused, and put on record, by the supervisor as well.
            self._have_refused(asked.sender, node)
        if self._desk.role_of(asked.sender) < Role.VIEWER:
            if node not in chatline.VERBS:
                self._desk.turned_away(bare(asked.sender), Reason.QUESTION)
            self._refuse(speaker, asked, "service-unavailable")
        elif verb is None:
            self._turn_down(speaker, asked, node)
        elif not key:
            self._begin(speaker, asked, verb, action)
        elif self._sessions.take(key, asked.sender, node, self._now()) is None:
            self._desk.turned_away(bare(asked.sender), Reason.FORM)
            self._refuse(speaker, asked, "bad-request", "this form is closed, or somebody else's")
        elif action == "cancel":
            self._end(speaker, asked, node, key, "canceled", "")
        elif action in ("execute", "next", "complete"):
            self._submit(speaker, asked, verb, key)
        else:
            self._refuse(speaker, asked, "bad-request", f"there is no {action[:20]} here")

    def _turn_down(self, speaker: Speaker, asked: Asked, node: str) -> None:
        """A command that is not for this person, or that there is not; people with a role are told which."""
        verb = load(node) if node in chatline.VERBS else None
        if verb is None:
            self._refuse(speaker, asked, "item-not-found", chatline.unknown(node))
        else:
            role = self._desk.role_of(asked.sender).name.lower()
            text = f"{node} needs the role {verb.role.name.lower()}; yours is {role}"
            self._refuse(speaker, asked, "forbidden", text)

    def _have_refused(self, sender: str, verb: str) -> None:
        who = bare(sender) if self._desk.role_of(sender) >= Role.VIEWER else STRANGERS
        if not self._desk.serve(who, self._desk.supervisor.request(verb, {}, self._desk.caller(sender, "form"))):
            self._desk.turned_away(bare(sender), Reason.BUSY)

    def _begin(self, speaker: Speaker, asked: Asked, verb: Verb, action: str) -> None:
        if action not in ("execute", "next", "complete"):
            self._refuse(speaker, asked, "bad-request", f"there is no {action[:20]} here")
        elif not needs_form(verb):
            self._serve(speaker, asked, verb, "", {})
        else:
            if not self._sessions.has_room(asked.sender, self._now()):
                self._desk.turned_away(bare(asked.sender), Reason.FORMS)
            session = self._sessions.open(asked.sender, verb.name, self._now())
            reply = stanzas.iq("result", asked.sender, asked.id)
            command = _command(reply, verb.name, session.id, "executing")
            actions = stanzas.element(stanzas.COMMANDS, "actions", command, execute="complete")
            stanzas.element(stanzas.COMMANDS, "complete", actions)
            _form(command, verb, fields(verb, tuple(self._desk.mirror.rows)))
            speaker.send(reply, Priority.ANSWER, TTL_S)

    def _submit(self, speaker: Speaker, asked: Asked, verb: Verb, key: str) -> None:
        values: dict[str, list[str]] = {}
        for field in asked.payload.iter(f"{{{stanzas.FORMS}}}field"):
            found = [value.text or "" for value in field.iter(f"{{{stanzas.FORMS}}}value")]
            values[field.get("var", "")] = found
        args = arguments(verb, values)
        if isinstance(args, str):
            self._end(speaker, asked, verb.name, key, "completed", args, kind="error")
        else:
            self._serve(speaker, asked, verb, key, args)

    def _serve(self, speaker: Speaker, asked: Asked, verb: Verb, key: str, args: dict[str, object]) -> None:
        if not self._desk.serve(bare(asked.sender), self._carry_out(speaker, asked, verb, key, args)):
            self._desk.turned_away(bare(asked.sender), Reason.BUSY)
            text = f"{MOST_PER_PERSON} requests of yours are under way; this one is not carried out"
            self._refuse(speaker, asked, "resource-constraint", text)

    async def _carry_out(self, speaker: Speaker, asked: Asked, verb: Verb, key: str, args: dict[str, object]) -> None:
        caller = self._desk.caller(asked.sender, "form")
        answer = asyncio.ensure_future(answers.ask(self._desk, verb, args, caller))
        try:
            done, _ = await asyncio.wait({answer}, timeout=PATIENCE_S)
            if done:
                words, urgency = answer.result(), answers.priority(verb)
                kind = "error" if words.is_error else "info"
                self._end(speaker, asked, verb.name, key, "completed", words.text, kind=kind, priority=urgency)
                return
            text = f"{verb.name} is under way; its end follows as a message"
            self._end(speaker, asked, verb.name, key, "completed", text)
            speaker.send(stanzas.message(asked.sender, (await answer).text), answers.priority(verb), LATE_TTL_S)
        finally:
            answer.cancel()  # if we are called off

    # -- answers --

    def _end(
        self,
        speaker: Speaker,
        asked: Asked,
        node: str,
        key: str,
        status: str,
        text: str,
        *,
        kind: str = "info",
        priority: Priority = Priority.ANSWER,
    ) -> None:
        reply = stanzas.iq("result", asked.sender, asked.id)
        command = _command(reply, node, key or "done", status)
        if text:
            stanzas.element(stanzas.COMMANDS, "note", command, text, type=kind)
        speaker.send(reply, priority, TTL_S)

    def _refuse(self, speaker: Speaker, asked: Asked, condition: str, text: str = "") -> None:
        kind = {"forbidden": "auth", "bad-request": "modify", "resource-constraint": "wait"}.get(condition, "cancel")
        speaker.send(stanzas.error_reply(asked, condition, kind, text), Priority.ANSWER, TTL_S)

    def _now(self) -> float:
        return asyncio.get_running_loop().time()


def _command(reply: Element, node: str, key: str, status: str) -> Element:
    return stanzas.element(stanzas.COMMANDS, "command", reply, node=node, sessionid=key, status=status)


def _form(command: Element, verb: Verb, wanted: list[Field]) -> None:
    form = stanzas.element(stanzas.FORMS, "x", command, type="form")
    stanzas.element(stanzas.FORMS, "title", form, verb.name)
    stanzas.element(stanzas.FORMS, "instructions", form, verb.summary)
    for field in wanted:
        label = field.label or field.var
        made = stanzas.element(stanzas.FORMS, "field", form, var=field.var, type=field.kind, label=label)
        if field.is_required:
            stanzas.element(stanzas.FORMS, "required", made)
        if field.is_ticked:
            stanzas.element(stanzas.FORMS, "value", made, "1")
        for option in field.options:
            choice = stanzas.element(stanzas.FORMS, "option", made, label=option)
            stanzas.element(stanzas.FORMS, "value", choice, option)
