"""The signature of a reconciliation report: Ed25519, by a key of the installation, part by part.

A part is one of the report's fields. Its SHA-256 is that of its JSON with sorted keys, without blanks, in UTF-8. What
is signed is a line that says what this is, and the JSON, written so, of all parts' SHA-256. The events:

1. A value is changed, added or taken out: its part's SHA-256 is another one, and the part is named.
2. The SHA-256 is changed along with it: the signature does not hold.
3. Somebody signs the changed report anew, with a key of his own: it is not the key that was asked for, which is the
   installation's own where nothing else is said.
4. The file was cut, is another kind of file, or says a thing twice, so that two readers could see two things: it is
   not read at all.

The private key is derived from the installation's secret key and never written down.
"""

from __future__ import annotations

import base64
import hashlib
import json
from pathlib import Path
from typing import Any, NoReturn

import msgspec
from cryptography.exceptions import InvalidSignature
from cryptography.hazmat.primitives.asymmetric.ed25519 import Ed25519PrivateKey, Ed25519PublicKey

from slacktide.control.secret import derived_key
from slacktide.core.errors import InputError

_SAYS = b"slacktide reconciliation report 1\n"
_ALGORITHM = "Ed25519"
_PURPOSE = "signing of reports"


class ReportUnreadable(InputError):
    """{file} is no whole report of `slacktide move report NAME -o FILE.json`: {reason}. Take the file as it was written."""  # noqa: E501 -- the message is one sentence


class ReportChanged(InputError):
    """{file} is not what was signed: {what}. Ask for the file as it was written, or write it anew: slacktide move report {move} -o FILE.json."""  # noqa: E501 -- the message is one sentence


class OtherKey(InputError):
    """{file} was signed by {found}, and not by {expected}. If you have that key from who made the report, and not from the file: slacktide move report --verify {file} --key {found}."""  # noqa: E501 -- the message is one sentence


class PublicKey(msgspec.Struct, frozen=True):
    """A public key, as base64, and its fingerprint: that of `SHA256:` over the key's 32 bytes."""

    algorithm: str
    public_key: str
    fingerprint: str


def public_key(*, secret: str) -> PublicKey:
    """Give the installation's own public key."""
    return _shown(_private(secret).public_key())


def sign(report: dict[str, Any], *, secret: str) -> dict[str, Any]:
    """Give the report with its signature, as it is written to a file."""
    report = json.loads(_canonical(msgspec.to_builtins(report)))
    parts = {name: _hash(value) for name, value in report.items()}
    signature = _private(secret).sign(_SAYS + _canonical(parts))
    shown = msgspec.to_builtins(public_key(secret=secret))
    return {"report": report, "signature": {**shown, "parts": parts, "value": _base64(signature)}}


def read(file: Path) -> dict[str, Any]:
    """Read a signed report, of which nothing is proven yet. Raises ReportUnreadable."""
    try:
        found = json.loads(file.read_bytes(), object_pairs_hook=_once, parse_constant=_no_number)
        _canonical(found)
    except (OSError, ValueError, RecursionError) as error:
        raise ReportUnreadable(file=file, reason=" ".join(str(error).split())) from None
    if not isinstance(found, dict) or set(found) != {"report", "signature"}:
        raise ReportUnreadable(file=file, reason="it has not just a report and its signature")
    if not all(isinstance(part, dict) for part in (found["report"], found["signature"], _parts(found))):
        raise ReportUnreadable(file=file, reason="its report or its signature is not one")
    return found


def verify(signed: dict[str, Any], *, file: Path, expected: str) -> PublicKey:
    """Hold a report against its signature, and the key against the expected one (fingerprint or key); give the key.

    Raises ReportUnreadable, ReportChanged, OtherKey.
    """
    report, signature = signed["report"], signed["signature"]
    move = report.get("move", {}).get("name", "NAME") if isinstance(report.get("move"), dict) else "NAME"
    try:
        key = Ed25519PublicKey.from_public_bytes(base64.b64decode(signature["public_key"], validate=True))
        value = base64.b64decode(signature["value"], validate=True)
    except (KeyError, TypeError, ValueError):
        raise ReportUnreadable(file=file, reason="its signature is not one") from None
    shown = _shown(key)
    if expected not in (shown.fingerprint, shown.public_key):
        raise OtherKey(file=file, found=shown.fingerprint, expected=expected)
    try:
        key.verify(value, _SAYS + _canonical(_parts(signed)))
    except InvalidSignature:
        raise ReportChanged(file=file, what="the signature does not hold for its parts", move=move) from None
    wrong = _changed(report, _parts(signed))
    if wrong or {**signature, **msgspec.to_builtins(shown)} != signature:
        what = f"changed after it was signed: {', '.join(wrong) or 'the key beside it'}"
        raise ReportChanged(file=file, what=what, move=move)
    return shown


def _changed(report: dict[str, Any], parts: dict[str, Any]) -> list[str]:
    """Name the parts that are not what was signed, those that are missing and those that came."""
    return sorted(
        name
        for name in report.keys() | parts.keys()
        if name not in report or name not in parts or _hash(report[name]) != parts[name]
    )


def _parts(signed: dict[str, Any]) -> Any:
    return signed["signature"].get("parts") if isinstance(signed["signature"], dict) else None


def _private(secret: str) -> Ed25519PrivateKey:
    return Ed25519PrivateKey.from_private_bytes(derived_key(secret, purpose=_PURPOSE))


def _shown(key: Ed25519PublicKey) -> PublicKey:
    raw = key.public_bytes_raw()
    fingerprint = _base64(hashlib.sha256(raw).digest()).rstrip("=")
    return PublicKey(_ALGORITHM, _base64(raw), f"SHA256:{fingerprint}")


def _base64(data: bytes) -> str:
    return base64.b64encode(data).decode()


def _canonical(value: Any) -> bytes:
    return json.dumps(value, sort_keys=True, separators=(",", ":"), ensure_ascii=False, allow_nan=False).encode()


def _hash(value: Any) -> str:
    return hashlib.sha256(_canonical(value)).hexdigest()


def _once(pairs: list[tuple[str, Any]]) -> dict[str, Any]:
    found = dict(pairs)
    if len(found) != len(pairs):
        _twice([name for name, _ in pairs])
    return found


def _twice(names: list[str]) -> NoReturn:
    twice = next(name for name in names if names.count(name) > 1)
    message = f"it says {twice!r} twice"
    raise ValueError(message)


def _no_number(text: str) -> NoReturn:
    message = f"{text} is no number"
    raise ValueError(message)
