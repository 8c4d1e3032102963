"""YAML as people write it by hand: a key that stands twice is refused, and 5e-7 is a number."""

from __future__ import annotations

import re
from collections.abc import Hashable
from functools import lru_cache
from typing import Any

_MERGE = "tag:yaml.org,2002:merge"


class NotYamlError(ValueError):
    """A text that is no YAML: what is wrong, and the line, from 1, where the reader could tell it."""

    def __init__(self, what: str, line: int | None = None) -> None:
        self.line = line
        super().__init__(what)


def load_yaml(text: str) -> Any:
    """Read one YAML document. Raises `NotYamlError`.

    >>> load_yaml("a: 5e-7"), load_yaml("[1, on]")
    ({'a': 5e-07}, [1, True])
    """
    import yaml

    try:
        return yaml.load(text, Loader=_loader())
    except yaml.YAMLError as error:
        mark = getattr(error, "problem_mark", None)
        raise NotYamlError(str(getattr(error, "problem", None) or error), mark.line + 1 if mark else None) from error
    except (ValueError, AttributeError, RecursionError) as error:
        # What the loader lets through: a day that is no day, a tag on something else, a nesting too deep.
        raise NotYamlError(str(error) or type(error).__name__) from error


@lru_cache(maxsize=1)
def _loader() -> Any:
    import yaml

    class Loader(yaml.SafeLoader):
        """A SafeLoader that refuses a key given twice (YAML would keep the last) and reads 5e-7 as a number."""

        def construct_mapping(self, node: Any, deep: bool = False) -> Any:
            seen: set[Any] = set()
            for key_node, _ in node.value:
                if key_node.tag == _MERGE:
                    continue  # what is merged in may be given again
                key = self.construct_object(key_node, deep=True)
                if not isinstance(key, Hashable):
                    break  # the loader itself says what is wrong with it
                if key in seen:
                    raise yaml.constructor.ConstructorError(
                        None, None, f"key {key!r} stands twice", key_node.start_mark
                    )
                seen.add(key)
            return super().construct_mapping(node, deep=deep)

    # YAML 1.1 takes 5e-7 for a string, since it has no dot: the field writes learning rates like that.
    Loader.add_implicit_resolver(
        "tag:yaml.org,2002:float",
        re.compile(r"^[-+]?[0-9][0-9_]*(?:\.[0-9_]*)?[eE][-+]?[0-9]+$"),
        list("-+0123456789"),
    )
    return Loader
