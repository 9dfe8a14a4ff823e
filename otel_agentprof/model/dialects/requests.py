"""Which calls ask for the same, and which prompts begin with the same parts, by whatever a span tells of it.

Our own spans carry keyed hashes. Spans of other tracers tell it only where they captured content:

    gen_ai.input.messages  ai.prompt.messages  input.value ...      documents
    llm.input_messages.0.message.content  gen_ai.prompt.0.content   flattened: OpenInference, OpenLLMetry

Content that is masked, cut off or only outlined says nothing: calls that merely look alike are not the same.
"""

from __future__ import annotations

import re
from collections import defaultdict
from collections.abc import Mapping
from functools import lru_cache, partial
from itertools import accumulate
from typing import TYPE_CHECKING, Any, Final, NamedTuple

from otel_agentprof import semconv
from otel_agentprof.model.dialects.calls import operation_of
from otel_agentprof.model.dialects.table import KEYS
from otel_agentprof.model.dialects.values import first_text, parsed
from otel_agentprof.model.json_writer import json_writer

if TYPE_CHECKING:
    from collections.abc import Sequence

    from otel_agentprof.model.span import Span
    from otel_agentprof.semconv import Role

_ARGUMENTS: Final = (
    semconv.TOOL_CALL_ARGUMENTS,
    "gen_ai.tool.args",
    "gcp.vertex.agent.tool_call_args",
    "ai.toolCall.args",
    "traceloop.entity.input",
    "langfuse.observation.input",
    "mlflow.spanInputs",
    "gen_ai.prompt",
    "input.value",
)
_MESSAGES: Final = (
    semconv.INPUT_MESSAGES,
    "ai.prompt.messages",
    "ai.values",
    "gen_ai.prompt",
    "langfuse.observation.input",
    "mlflow.spanInputs",
    "gcp.vertex.agent.llm_request",
    "traceloop.entity.input",
    "input.value",
)
_FLAT_FIRST: Final = frozenset(  # one of them is there where messages are flattened
    {
        "llm.input_messages.0.message.role",
        "llm.input_messages.0.message.content",
        "gen_ai.prompt.0.role",
        "gen_ai.prompt.0.content",
        "embedding.embeddings.0.embedding.text",
    }
)
# A span with none of these tells nothing of what was asked.
TELLING: Final = frozenset(
    {semconv.REQUEST_FINGERPRINT, semconv.PROMPT_CHAIN, *_ARGUMENTS, *_MESSAGES, *_FLAT_FIRST}
)
_BEFORE_MESSAGES: Final = (semconv.TOOL_DEFINITIONS, semconv.SYSTEM_INSTRUCTIONS)
_SETTINGS: Final = (
    semconv.REQUEST_MAX_TOKENS,
    semconv.REQUEST_TEMPERATURE,
    semconv.REQUEST_TOP_P,
    semconv.REQUEST_TOP_K,
    semconv.REQUEST_SEED,
    semconv.REQUEST_CHOICE_COUNT,
    semconv.REQUEST_STOP_SEQUENCES,
    "llm.invocation_parameters",
)
_FLAT: Final = re.compile(
    r"(?:llm\.input_messages\.(\d+)\.message|gen_ai\.prompt\.(\d+)|embedding\.embeddings\.(\d+)\.embedding)\.(.+)"
)
_FLAT_STARTS: Final = ("llm.input_messages.", "gen_ai.prompt.", "embedding.embeddings.")
_FLAT_RESULT: Final = "vector"  # an embedding's answer stands beside its text
_LISTS: Final = ("messages", "contents", "input", "prompt")  # where a request has its messages
_INSTRUCTIONS: Final = ("tools", "system", "instructions", "config")  # and what comes before them
_BLOCKS: Final = ("parts", "content")
_OUTLINE: Final = frozenset({"role", "type", "id", "name", "finish_reason", "tool_call_id", "call_id"})
_MASK, _MASKED_OBJECT = "REDACTED", "<not serializable>"
_CUT: Final = ("...", "\u2026")
_ADK_HIDDEN: Final = frozenset({"gcp.vertex.agent.tool_call_args", "gcp.vertex.agent.llm_request"})
_WRITE: Final = json_writer(separators=(", ", ": "), default=repr)
_MOST_NODES: Final = 1_000  # that are looked at for something said
_FIRST: Final = 8  # of a chain: these and the last ones, as on our own spans
_LAST: Final = 24
_MOST_DIGITS: Final = 4_000  # of all sizes of a chain; Python makes no number of much more


class Chain(NamedTuple):
    """The first parts of a prompt, shortest first, in the order in which providers cache.

    That is tools, instructions, messages. The model is not among them. Of a long prompt the middle may be
    missing. Two columns and no pairs: chains are many and long, and most are looked into, not through.

    Attributes:
        parts: Of each part what is equal for prompts that are equal up to its end.
        sizes: How many characters that are, from the start: numbers, or the digits of them, see :meth:`size`.
    """

    parts: Sequence[str] = ()
    sizes: Sequence[int] | Sequence[str] = ()

    def size(self, place: int) -> int:
        """Return how many characters there are up to the end of a part."""
        return int(self.sizes[place])


_NO_CHAIN: Final = Chain()
_made_chain: Final = partial(tuple.__new__, Chain)  # what Chain() comes down to, without a Python frame


class Request(NamedTuple):
    """What a call asks for.

    Attributes:
        fingerprint: Equal for calls that ask for the same: our own keyed hash, else a value made from
            captured content: the tool and its arguments, or the model, its settings and the messages. The two
            kinds never equal each other. None where nothing is known of it.
        chain: The first parts of its captured prompt; nothing where that is not known. What our own span
            tells of it is in :func:`written_chain_of`.
    """

    fingerprint: str | None = None
    chain: Chain = _NO_CHAIN


_UNKNOWN: Final = Request()
_request: Final = partial(tuple.__new__, Request)  # what Request() comes down to, without a Python frame


def request_of(span: Span, role: Role) -> Request:
    """Return what a call asks for, as far as its span tells.

    Args:
        span: A call.
        role: What it is; only tools, LLM calls and embeddings ask for something.
    """
    attributes = span.attributes
    own = attributes.get(semconv.REQUEST_FINGERPRINT)
    fingerprint = own if isinstance(own, str) and own else None
    names = _names(tuple(attributes))
    if fingerprint is None and not names.are_telling:
        return _UNKNOWN
    if role == "tool":
        return _request((fingerprint or _tool_fingerprint(span, names), _NO_CHAIN))
    if role not in semconv.LEAF_ROLES:
        return _request((fingerprint, _NO_CHAIN))
    has_written = attributes.get(semconv.PROMPT_CHAIN) is not None
    chain = _NO_CHAIN if fingerprint is not None and has_written else _chain(_prompt(span, names))
    if fingerprint is None and chain.parts:
        settings = _canonical([(key, attributes[key]) for key in names.settings])
        if settings is not None:
            model = first_text(attributes, KEYS["model"]) or ""
            # The last part of the chain tells the whole prompt.
            fingerprint = f"{chain.parts[-1]} {role} {settings} {model}"
    return _request((fingerprint, _NO_CHAIN if has_written else chain))


def written_chain_of(span: Span) -> Chain:
    """Return the chain that our own span tells, in words in a text or in lists; nothing for other spans."""
    find = span.attributes.get
    chain, sizes = find(semconv.PROMPT_CHAIN), find(semconv.PROMPT_SIZES)
    if isinstance(chain, str) and isinstance(sizes, str):
        parts, digits = chain.split(), sizes.split()
        # Not made numbers yet: of most chains only two sizes are ever asked for.
        is_sound = "".join(digits).isdecimal() and len(sizes) < _MOST_DIGITS and len(parts) == len(digits)
        return _made_chain((parts, digits)) if is_sound else _NO_CHAIN
    if not isinstance(chain, list | tuple) or not isinstance(sizes, list | tuple):
        return _NO_CHAIN
    if set(map(type, chain)) != {str} or set(map(type, sizes)) != {int}:
        return _NO_CHAIN
    return _made_chain((chain, sizes)) if len(chain) == len(sizes) and min(sizes) >= 0 else _NO_CHAIN


def _tool_fingerprint(span: Span, names: _Names) -> str | None:
    arguments = _arguments(span.attributes, names)
    if arguments is None:
        return None
    # Of this process only, as nobody else sees it; Python's own keyed hash takes an eighth of the time.
    return f"content:{hash((arguments, operation_of(span, 'tool')))}"


def _chain(parts: list[str]) -> Chain:
    prefixes, prefix = [], 0
    for part in parts:
        prefix = hash((prefix, part))
        prefixes.append(f"content:{prefix}")
    sizes = list(accumulate(map(len, parts)))
    if len(parts) > _FIRST + _LAST:
        return Chain(prefixes[:_FIRST] + prefixes[-_LAST:], sizes[:_FIRST] + sizes[-_LAST:])
    return Chain(prefixes, sizes)


def _arguments(attributes: Mapping[str, Any], names: _Names) -> str | None:
    for key in names.arguments:
        found = _content(attributes[key])
        if found is None or found == "" or (not found and key in _ADK_HIDDEN):
            continue
        if isinstance(found, (dict, Mapping)) and "inputs" in found:
            found = found["inputs"]  # LangChain under OpenLLMetry: beside it stand ids of the run
        return _canonical(found)
    return None


def _prompt(span: Span, names: _Names) -> list[str]:
    """Return the canonical parts of a captured prompt; none where any of it is not known."""
    attributes = span.attributes
    messages = _messages(span, names)
    before = [_content(attributes[key]) for key in names.before_messages]
    if not messages or None in before:
        return []
    parts = [_canonical(part) for part in (*before, *messages)]
    known = [part for part in parts if part is not None]
    return known if len(known) == len(parts) and all(map(_is_told, messages)) else []


def _messages(span: Span, names: _Names) -> list[Any]:
    if names.are_flat:
        return _flat_messages(span, names)
    for key in names.messages:
        found = _content(span.attributes[key])
        if found:
            return _listed(found)
    return []


def _listed(found: Any) -> list[Any]:
    if isinstance(found, list | tuple):
        return list(found)
    if isinstance(found, Mapping):
        for name in _LISTS:
            inner = found.get(name)
            if inner:
                before = [{key: found[key]} for key in _INSTRUCTIONS if found.get(key)]
                return [*before, *(inner if isinstance(inner, list | tuple) else [inner])]
    return [found]


def _flat_messages(span: Span, names: _Names) -> list[Any]:
    """Return messages from their scattered fields; none where one is missing."""
    if span.dropped_attributes:
        return []
    messages = []
    for fields in names.flat:
        message: dict[str, Any] = {}
        for key, name in fields:
            message[name] = field = _content(span.attributes[key])
            if field is None:
                return []
        messages.append(message)
    return messages


class _Names(NamedTuple):
    """Which attributes of a span tell what was asked, the best first.

    Attributes:
        flat: By message, the attributes that hold a field of it, and the field's name; none where a message
            is missing.
    """

    are_telling: bool
    are_flat: bool
    arguments: tuple[str, ...]
    before_messages: tuple[str, ...]
    messages: tuple[str, ...]
    flat: tuple[tuple[tuple[str, str], ...], ...]
    settings: tuple[str, ...]


@lru_cache(maxsize=64)  # calls of one kind have the same attributes; names only, no values
def _names(keys: tuple[str, ...]) -> _Names:
    present = frozenset(keys)
    arguments, before, messages, settings = (
        tuple([key for key in known if key in present])
        for known in (_ARGUMENTS, _BEFORE_MESSAGES, _MESSAGES, _SETTINGS)
    )
    are_flat = not _FLAT_FIRST.isdisjoint(present)
    return _Names(
        are_telling=not TELLING.isdisjoint(present),
        are_flat=are_flat,
        arguments=arguments,
        before_messages=before,
        messages=messages,
        flat=_flat(keys) if are_flat else (),
        settings=settings,
    )


def _flat(keys: tuple[str, ...]) -> tuple[tuple[tuple[str, str], ...], ...]:
    found: defaultdict[int, list[tuple[str, str]]] = defaultdict(list)
    for key in keys:
        match = _FLAT.fullmatch(key) if key.startswith(_FLAT_STARTS) else None
        if match is not None and match[4] != _FLAT_RESULT:
            found[int(match[1] or match[2] or match[3])].append((key, match[4]))
    is_whole = len(found) == max(found, default=-1) + 1
    return tuple([tuple(found[number]) for number in sorted(found)]) if is_whole else ()


def _content(value: Any) -> Any:
    """Return what a value says; None for what is masked or cut off."""
    if not isinstance(value, str):
        return value
    if _MASK in value or _MASKED_OBJECT in value:
        return None
    text = value.strip()
    if text[:1] in {"{", "["}:
        return parsed(text)
    return None if text.endswith(_CUT) else value


def _is_told(message: Any) -> bool:
    """Return whether a message is more than an outline: tracers that hide content keep roles and types."""
    if not isinstance(message, (dict, Mapping)):  # the tuple: a union is made anew each time
        return bool(message)
    for name in _BLOCKS:
        blocks = message.get(name)
        if blocks and isinstance(blocks, (list, tuple)):
            return all(map(_says_something, blocks))
    return isinstance(message.get("content"), str) or _says_something(message)


def _says_something(node: Any) -> bool:
    todo, seen = [node], 0
    while todo and seen < _MOST_NODES:
        node = todo.pop()
        seen += 1
        if isinstance(node, Mapping):
            todo.extend(value for name, value in node.items() if _is_content(name))
        elif isinstance(node, list | tuple):
            todo.extend(node)
        elif node is not None:
            return True
    return False


def _is_content(name: Any) -> bool:
    # The last word of a flattened name: message_content.type, tool_calls.0.tool_call.id
    return isinstance(name, str) and name.rpartition(".")[2] not in _OUTLINE


def _canonical(value: Any) -> str | None:
    try:
        return "".join(_WRITE(value, 0))
    except (TypeError, ValueError, RecursionError):  # odd keys, a value that contains itself
        return None
