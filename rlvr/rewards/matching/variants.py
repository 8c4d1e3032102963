"""Forms of one Chinese character that count as the same, as data: read once, when first needed."""

from __future__ import annotations

from functools import lru_cache
from pathlib import Path
from typing import Any

from rlvr.errors import ConfigError


def fold_variants(text: str) -> str:
    """Write each character of the table in its first form.

    >>> fold_variants("臺北車站裏") == fold_variants("台北車站裡")
    True
    """
    return text if text.isascii() else text.translate(_table())


@lru_cache(maxsize=1)
def _table() -> dict[int, str]:
    import yaml

    path = Path(__file__).with_name("variants.yaml")
    return read_table(yaml.safe_load(path.read_text(encoding="utf-8")), path.name)


def read_table(groups: object, where: str) -> dict[int, str]:
    """The table as `str.translate` wants it. Raises `ConfigError` where an entry is no two or more forms, or where a
    form stands twice."""
    out: dict[int, str] = {}
    problems: list[str] = []
    seen: set[str] = set()
    lists = list(groups.values()) if isinstance(groups, dict) else [groups]
    entries: list[Any] = [e for group in lists for e in (group if isinstance(group, list) and group else [group])]
    for entry in entries:
        if not isinstance(entry, str) or len(entry) < 2:
            problems.append(f"{where}: got {entry!r:.40}, expected two or more forms of one character.")
            continue
        problems += [
            f"{where}: {form} stands twice." for i, form in enumerate(entry) if form in seen or form in entry[:i]
        ]
        seen.update(entry)
        out.update({ord(form): entry[0] for form in entry[1:]})
    if problems:
        raise ConfigError(problems)
    return out
