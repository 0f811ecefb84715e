"""What keeps a session down, in a line with what to do about it: for status, the log and check --online; pure."""

from __future__ import annotations

_CERTIFICATE = (
    ("expired", "renew it on the server; or is this machine's clock wrong?"),
    ("not yet valid", "is this machine's clock right?"),
    ("mismatch", "it must name the domain of the account"),
    ("self-signed", "ca_file: names the authority to believe, if it is one of your own"),
    ("self signed", "ca_file: names the authority to believe, if it is one of your own"),
    ("issuer", "ca_file: names the authority to believe, if it is one of your own"),
)

NO_ENCRYPTION = "the server offers no encryption; it must have STARTTLS, or somebody in between takes it away"
NO_SCRAM = "the server offers no login that is safe (SCRAM); it must have SCRAM-SHA-1 at least"
IN_USE = "the account is in use elsewhere; each site needs an account of its own"
ELSEWHERE = "the server sends us to another host, which may be a trick; name it in host:"
GOES_DOWN = "the server goes down"
LOOK_CLOSER = "amonsup check --online tells at which step"


def certificate(text: str) -> str:
    """What the ssl module says of one."""
    remedy = next((remedy for word, remedy in _CERTIFICATE if word in text.lower()), "")
    return f"{text}; {remedy}" if remedy else text


def login(condition: str, jid: str, password_file: str) -> str:
    """A login that was refused."""
    return f"refused: {condition}; is there an account {jid}, and is {password_file} its password?"


def unreachable(text: str) -> str:
    """No connection, for whatever reason the system has."""
    return f"{text}; {LOOK_CLOSER}"
