"""One message, one line. Decoding never raises anything but LineError."""

from __future__ import annotations

import msgspec

from amonsup.wire.messages import MAX_ID, Request, ServerMessage

_encoder = msgspec.json.Encoder()
_requests = msgspec.json.Decoder(Request)
_answers: msgspec.json.Decoder[ServerMessage] = msgspec.json.Decoder(ServerMessage)


class LineError(Exception):
    """The peer sent what is not a message of this protocol; the text says what is wrong with it."""


def encode(message: ServerMessage | Request) -> bytes:
    """The message with its newline."""
    return _encoder.encode(message) + b"\n"


def decode_request(line: bytes) -> Request:
    try:
        request = _requests.decode(line)
    except (msgspec.MsgspecError, RecursionError, UnicodeDecodeError) as error:
        raise LineError(str(error)) from None
    if not 0 < len(request.id) <= MAX_ID or not request.id.isprintable():
        raise LineError(f"id: 1 to {MAX_ID} printable characters are allowed")
    return request


def decode_answer(line: bytes) -> ServerMessage:
    try:
        return _answers.decode(line)
    except (msgspec.MsgspecError, RecursionError, UnicodeDecodeError) as error:
        raise LineError(str(error)) from None
