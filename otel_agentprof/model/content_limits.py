"""How much content a span takes: what is too long is cut and says so, binary data is left out and named.

    "data:image/png;base64,iVBOR..."      "[image/png, 2,250,000 bytes: left out]"
    a text of 5,000,000 characters        its first 65,536, "[cut: 5,000,000 characters in all]"
    400 messages of 1,500,000 characters  texts cut shorter; the newest messages that fit

What comes out is JSON, whatever was cut: the limit of OpenTelemetry's SDK cuts in the middle of it.
"""

from __future__ import annotations

import json
import re
from functools import partial
from typing import Any, Final

MOST_OF_TEXT: Final = 64 * 1024  # characters of one text
MOST_OF_ATTRIBUTE: Final = 1024 * 1024  # characters of all that one attribute holds
_SHORTER: Final = (8 * 1024, 1024)  # of one text, where all are too much
_PLACES: Final = frozenset(
    {"b64_json", "bytes", "data", "encrypted_content", "file_data", "image_data", "result"}
)
_KINDS: Final = ("mime_type", "mimeType", "media_type", "format")
_MAY_BE_BINARY: Final = re.compile(
    r";base64,|\"(?:b64_json|bytes|data|encrypted_content|file_data|image_data|result)\": ?\"[^\"]"
)
_URL: Final = re.compile(r"data:([^,;]*)[^,]*;base64,")
_BASE64: Final = re.compile(r"[A-Za-z0-9+/_-]+={0,2}")
_MIXED: Final = re.compile(r"(?=.*[0-9])(?=.*[A-Z])(?=.*[a-z])")  # not a word, nor one letter many times
_LEAST: Final = 256  # characters from which on such a text is no word


def within_limits(text: str) -> str:
    """Return JSON as it is, or with what is binary left out and what is too long cut."""
    length = len(text)
    if (
        length <= MOST_OF_ATTRIBUTE
        and _MAY_BE_BINARY.search(text) is None
        and (length <= MOST_OF_TEXT or _longest(text) <= MOST_OF_TEXT)
    ):
        return text
    shortened = _shortened(text, MOST_OF_TEXT)
    for most in _SHORTER:
        if len(shortened) <= MOST_OF_ATTRIBUTE:
            return shortened
        shortened = _shortened(shortened, most)
    return shortened if len(shortened) <= MOST_OF_ATTRIBUTE else _newest(shortened)


def _longest(text: str) -> int:
    """Return the length of the longest string in JSON, as it is written; all in C, whatever is in it."""
    return max(map(len, text.replace("\\\\", "/").replace('\\"', "'").split('"')))


def cut(text: str) -> str:
    """Return content that is a text and no JSON, cut where it is too long."""
    return _short(text, MOST_OF_TEXT)


def left_out(kind: str, size: int) -> str:
    """Return what stands in the place of so many bytes."""
    return f"[{kind}, {size:,} bytes: left out]"


def _shortened(text: str, most: int) -> str:
    # By the decoder's hook: values nest as deep as they like, and no stack of ours does.
    value = json.loads(text, object_hook=partial(_with_short_texts, most=most))
    holder = _with_short_texts({"": value}, most=most)
    return json.dumps(holder[""], ensure_ascii=False)


def _with_short_texts(fields: dict[str, Any], *, most: int) -> dict[str, Any]:
    for name, value in fields.items():
        if value.__class__ is str:
            if name in _PLACES and _is_binary(name, value, fields):
                fields[name] = left_out(_kind(fields), _bytes_of(value))
            else:
                fields[name] = _short(value, most)
        elif value.__class__ is list:
            fields[name] = [_short(item, most) if item.__class__ is str else item for item in value]
    return fields


def _short(text: str, most: int) -> str:
    if (url := _URL.match(text)) is not None:
        return left_out(url[1] or "data", _bytes_of(text[url.end() :]))
    if len(text) <= most:
        return text
    before = _CUT.search(text)  # once more, and shorter: the length is still that of the whole
    length = before[1] if before else f"{len(text):,}"
    if before and before.start() <= most:
        return text
    return f"{text[:most]} [cut: {length} characters in all]"


_CUT: Final = re.compile(r" \[cut: ([0-9,]+) characters in all\]\Z")


def _is_binary(name: str, value: str, fields: dict[str, Any]) -> bool:
    if name == "result" and fields.get("type") != "image_generation_call":
        return False
    if _BASE64.fullmatch(value) is None:
        return False
    if any(kind in fields for kind in _KINDS) and len(value) % 4 == 0:
        return True
    return len(value) >= _LEAST and _MIXED.match(value) is not None


def _kind(fields: dict[str, Any]) -> str:
    named = [fields[kind] for kind in _KINDS if isinstance(fields.get(kind), str)]
    return named[0] if named else "data"


def _bytes_of(base64: str) -> int:
    return len(base64.rstrip("=")) * 3 // 4


def _newest(text: str) -> str:
    """Return the last items of a list that fit, behind a note; what is no list, cut as a text."""
    value = json.loads(text)
    kept: list[str] = []
    room = MOST_OF_ATTRIBUTE - _LEAST
    for item in reversed(value if isinstance(value, list) else []):
        written = json.dumps(item, ensure_ascii=False)
        room -= len(written) + 2
        if room < 0:
            break
        kept.append(written)
    if not kept:
        return json.dumps(_short(text, MOST_OF_TEXT), ensure_ascii=False)
    said = f"[cut: the first {len(value) - len(kept):,} of {len(value):,} items are left out]"
    note = json.dumps({"role": "note", "parts": [{"type": "text", "content": said}]})
    return f"[{', '.join([note, *reversed(kept)])}]"
