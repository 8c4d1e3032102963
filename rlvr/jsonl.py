"""JSON lines, plain or gzipped, in bounded memory; whatever is wrong is a `DataError` that names file and line."""

from __future__ import annotations

import json
import os
from collections.abc import Callable, Iterable, Iterator, Sequence
from pathlib import Path
from typing import Any, BinaryIO

from rlvr.errors import DataError, RunError
from rlvr.paths import write_whole


def read_lines(path: Path) -> Iterator[tuple[str, str]]:
    """Yield ("file:line", text) of each line that is not blank; a byte-order mark at the beginning is passed over.

    Raises `DataError` where the file cannot be read, is damaged, or is no UTF-8.
    """
    import zlib  # gzip and zlib cost the import of the rewards some milliseconds

    number = 0
    try:
        with _open(path) as handle:
            for number, line in enumerate(handle, 1):
                if line.strip():
                    yield f"{path}:{number}", line.decode("utf-8-sig" if number == 1 else "utf-8")
    except UnicodeDecodeError as error:
        raise DataError(f"{path}:{number}", f"not valid UTF-8: {error.reason} at byte {error.start}") from None
    except (OSError, EOFError, zlib.error) as error:
        where = f"{path}:{number + 1}" if number else str(path)
        raise DataError(where, f"cannot be read: {getattr(error, 'strerror', None) or error}") from error


def loads(text: str, where: str, what: str = "", parse_constant: Callable[[str], Any] | None = None) -> Any:
    """`json.loads`, whose errors (nesting too deep among them) are a `DataError` at `where`, about `what`."""
    try:
        return json.loads(text, parse_constant=parse_constant)
    except (ValueError, RecursionError) as error:
        raise DataError(where, f"{what} is not valid JSON: {_fault(error)}".removeprefix(" is ")) from None


def _fault(error: Exception) -> str:
    """What `json.loads` found, for a text that is one line of a file or a field of it."""
    if isinstance(error, json.JSONDecodeError):
        return f"{error.msg} at character {error.pos + 1}"
    return "an integer with too many digits" if "int_max_str_digits" in str(error) else str(error)


def read_objects(path: Path) -> Iterator[tuple[str, dict[str, Any]]]:
    """Yield ("file:line", object) of each line. Raises `DataError` on a line that holds something else."""
    for where, line in read_lines(path):
        try:
            row = loads(line, where)
        except DataError as error:
            raise DataError(where, f"{error.what}; every line must be one JSON object") from None
        if not isinstance(row, dict):
            raise DataError(where, f"got {type(row).__name__}, expected an object: every line must be one")
        yield where, row


def _open(path: Path) -> Any:
    if path.suffix != ".gz":
        return path.open("rb")
    import gzip

    return gzip.open(path, "rb")


def append_lines(path: Path, lines: Sequence[str]) -> None:
    """Append lines to a file that a process may have been killed while writing: a cut last line is cut off first."""
    with path.open("ab+") as file:
        _cut_unfinished(file)
        file.write("".join(f"{line}\n" for line in lines).encode())


def _cut_unfinished(file: BinaryIO) -> None:
    """Cut off a last line without its end."""
    end = file.seek(0, os.SEEK_END)
    if end:
        file.seek(end - 1)
        if file.read(1) != b"\n":
            file.seek(0)
            file.truncate(file.read().rfind(b"\n") + 1)


def is_utf8(text: str) -> bool:
    """Whether text has a form in UTF-8, which half a surrogate pair has not.

    >>> is_utf8("臺北"), is_utf8("\\ud83d")
    (True, False)
    """
    try:
        text.encode("utf-8")
    except UnicodeEncodeError:
        return False
    return True


def dumps(value: Any, indent: int | None = None, ascii_only: bool = False) -> str:
    """JSON that can be written as UTF-8: readable, but escaped where a completion holds half a surrogate pair.

    `ascii_only`: escaped, for an output of another encoding.

    >>> dumps({"a": "é"}), dumps(["\\ud83d"])
    ('{"a": "é"}', '["\\\\ud83d"]')
    """
    text = json.dumps(value, ensure_ascii=ascii_only, indent=indent)
    return text if is_utf8(text) else json.dumps(value, indent=indent)


def append_flushed(path: Path, values: Iterable[Any]) -> None:
    """Append values, and flush them to the disk; a last line that was cut is cut off first. Raises `RunError` where the
    disk does not take them."""
    data = _lines(values)
    try:
        with path.open("ab+") as file:
            _cut_unfinished(file)
            file.write(data)
            file.flush()
            os.fsync(file.fileno())
    except OSError as error:
        raise RunError(
            f"{path}: cannot be written ({error.strerror or error}). What was written before is kept: make room and "
            "run the same command again to go on from there."
        ) from error


def replace_flushed(path: Path, values: Iterable[Any]) -> None:
    """Replace the file by these values in one step: a kill leaves the old file or the new one. Raises `RunError`."""
    write_whole(path, _lines(values), flush=True)


def _lines(values: Iterable[Any]) -> bytes:
    return "".join(dumps(value) + "\n" for value in values).encode("utf-8")
