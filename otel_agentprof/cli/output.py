"""Where text goes: how wide, how colourful and in which letters, and the writing of it."""

from __future__ import annotations

import argparse
import os
import sys
from contextlib import contextmanager
from dataclasses import dataclass
from pathlib import Path
from typing import TYPE_CHECKING, Final, TextIO

from otel_agentprof import environment
from otel_agentprof.errors import AgentProfError
from otel_agentprof.report import text
from otel_agentprof.report.formats import FORMATS

if TYPE_CHECKING:
    from collections.abc import Container, Iterable, Iterator

    from otel_agentprof.report.aggregate import Aggregate
    from otel_agentprof.report.report import Report

DEFAULT_WIDTH: Final = 100  # where no terminal says otherwise: what still fits an issue or a chat
_ENDINGS: Final = {
    ".perfetto.json": "perfetto",
    ".speedscope.json": "speedscope",
    ".json": "json",
    ".md": "markdown",
    ".html": "html",
    ".htm": "html",
    ".folded": "folded",
}


@dataclass(frozen=True, slots=True)
class Output:
    """One place to write a report to, in one format.

    Attributes:
        path: The file; None for the stream.
        width: Cells in a line, for text.
    """

    format: str
    stream: TextIO
    path: Path | None
    width: int
    color: bool
    is_ascii: bool

    def rendered(self, report: Report) -> str:
        """Return a report as it is to be written here."""
        if self.format != "text":
            return FORMATS[self.format](report, width=self.width, color=False)
        from otel_agentprof.report import terminal  # noqa: PLC0415 - only where something is drawn

        return terminal.render(report, width=self.width, color=self.color, ascii=self.is_ascii)

    def rendered_aggregate(self, found: Aggregate) -> str:
        """Return what many traces have in common as it is to be written here."""
        if self.format == "json":
            from otel_agentprof.report import json_text  # noqa: PLC0415 - only where something is written

            return json_text.dump(found.to_dict())
        if self.format == "markdown":
            from otel_agentprof.report import aggregate_markdown  # noqa: PLC0415 - likewise

            return aggregate_markdown.render(found)
        from otel_agentprof.report import aggregate_text  # noqa: PLC0415 - likewise

        return aggregate_text.render(found, width=self.width, color=self.color, ascii=self.is_ascii)

    def write(self, text: str) -> None:
        """Write text.

        Raises:
            AgentProfError: The file or the stream cannot be written.
            BrokenPipeError: Nobody reads the stream any more.
        """
        if self.path is not None:
            write_file(self.path, (text,))
        else:
            with written(self.stream):
                self._write_stream(text)

    def _write_stream(self, text: str) -> None:
        if self.format == "text" or not hasattr(self.stream, "buffer"):
            self.stream.write(text)
        else:  # data is UTF-8, whatever the terminal's letters are
            self.stream.flush()
            self.stream.buffer.write(text.encode())


def output_for(args: argparse.Namespace, *, stream: TextIO | None = None, path: str | None) -> Output:
    """Return where and how to write, from ``--format``, ``--width``, ``--ascii``, the file and the stream."""
    stream = sys.stdout if stream is None else stream
    is_terminal = path is None and stream.isatty()
    chosen = args.format or _format_of(path or "", getattr(args, "formats", FORMATS))
    return Output(
        format=chosen,
        stream=stream,
        path=Path(path) if path else None,
        width=getattr(args, "width", None) or _width(stream, is_terminal=is_terminal),
        color=path is None and environment.is_color_wanted(is_terminal=is_terminal),
        is_ascii=getattr(args, "ascii", False) or (path is None and not _draws(stream)),
    )


def _format_of(path: str, formats: Container[str]) -> str:
    """Return the format that the end of a file's name tells, out of those that there are."""
    endings = (ending for ending, format_ in _ENDINGS.items() if format_ in formats)
    return next((_ENDINGS[ending] for ending in endings if path.lower().endswith(ending)), "text")


def add_arguments(parser: argparse.ArgumentParser, *, formats: tuple[str, ...]) -> None:
    """Add the arguments that :func:`output_for` reads."""
    parser.set_defaults(formats=formats)
    parser.add_argument(
        "--format",
        choices=formats,
        metavar="FORMAT",
        help=f"one of {', '.join(formats)}; default: text, or as the file's ending says",
    )
    parser.add_argument("--width", type=_cells, metavar="N", help="cells in a line; default: the terminal's")
    parser.add_argument("--ascii", action="store_true", help="draw with ASCII characters only")


def say(line: str) -> None:
    """Tell the user something: one line on stderr, with nothing in it that could steer a terminal."""
    shown = f"agentprof: {text.clean(line)}\n"
    try:
        sys.stderr.write(shown)
    except OSError:  # there is nobody to tell
        silence(sys.stderr)
    except UnicodeEncodeError:  # stderr escapes what it cannot write, but for one that somebody replaced
        sys.stderr.write(shown.encode("ascii", "backslashreplace").decode("ascii"))


def check_writable(path: str) -> None:
    """Make an empty file, so that a wrong name is told before the work and not after it.

    Raises:
        AgentProfError: The file cannot be written.
    """
    write_file(Path(path), ())


def write_file(path: Path, parts: Iterable[str]) -> None:
    """Write a file of some pieces of text.

    Raises:
        AgentProfError: The file cannot be written.
    """
    try:
        with path.open("w", encoding="utf-8", errors="replace", newline="\n") as file:
            file.writelines(parts)
    except (OSError, ValueError) as error:  # ValueError: a NUL in the path
        raise _unwritable(repr(str(path)), error) from error


@contextmanager
def written(stream: TextIO) -> Iterator[None]:
    """Write to a stream in here; at the end it has left this process.

    Raises:
        AgentProfError: It cannot be written.
        BrokenPipeError: Nobody reads it any more.
    """
    try:
        yield
        stream.flush()
    except OSError as error:
        silence(stream)
        if isinstance(error, BrokenPipeError):
            raise
        raise _unwritable("the output", error) from error


def _unwritable(what: str, error: Exception) -> AgentProfError:
    why = getattr(error, "strerror", None) or str(error)
    return AgentProfError(f"cannot write {what}: {why[:1].lower()}{why[1:]}")


def silence(stream: TextIO) -> None:
    """Let go of what a stream that cannot be written still holds: it would fail again at exit."""
    null = os.open(os.devnull, os.O_WRONLY)
    os.dup2(null, stream.fileno())
    os.close(null)


def _width(stream: TextIO, *, is_terminal: bool) -> int:
    if (asked := environment.columns()) is not None:
        return asked
    try:
        return (os.get_terminal_size(stream.fileno()).columns if is_terminal else 0) or DEFAULT_WIDTH
    except (OSError, ValueError):
        return DEFAULT_WIDTH


def _draws(stream: TextIO) -> bool:
    """Return whether a stream can write the glyphs of the drawing and any name beside them."""
    return (getattr(stream, "encoding", None) or "utf-8").lower().startswith("utf")


def _cells(text: str) -> int:
    if not (text.isascii() and text.isdigit() and int(text)):
        raise argparse.ArgumentTypeError(f"{text!r} is no number of cells")
    return int(text)
