"""One key for a row's licence, `meta["license"]`; older rows, and the generator's frozen bytes, are read too."""

from __future__ import annotations

import pytest

from rlvr.data.build.feeds import understood
from rlvr.data.build.recipe import SourceChoice
from rlvr.data.build.record import to_texts
from rlvr.data.build.shards import ShardStats
from rlvr.data.generator import GeneratorOptions, generate
from rlvr.data.license import license_of, with_license
from rlvr.data.rows import Row


@pytest.mark.parametrize("split", ["train", "heldout"])
@pytest.mark.parametrize("two_step", [0.0, 1.0])
def test_a_build_of_the_generator_has_the_one_key(split: str, two_step: float) -> None:
    choice = SourceChoice("builtin", count=3, split=split)
    for made in generate(split, 3, 0, GeneratorOptions(two_step=two_step)):
        result = understood(choice, made)
        assert result is not None
        ((example,), _) = result
        assert (example.meta["license"], "licence" in example.meta) == ("Apache-2.0", False)
        assert license_of(made.meta) == "Apache-2.0"


@pytest.mark.parametrize(
    ("meta", "license_"), [({"licence": "MIT"}, "MIT"), ({"license": "CC0-1.0"}, "CC0-1.0"), ({}, "")]
)
def test_a_file_of_an_older_version_is_read(meta: dict[str, str], license_: str) -> None:
    (old,) = generate("train", 1, 0)
    row = {**old.to_json(), "meta": {"lang": "en", **meta}}
    result = understood(SourceChoice("jsonl", "a.jsonl"), Row("a.jsonl:1", row))
    assert result is not None
    ((example,), _) = result
    assert example.meta.get("license", "") == license_
    assert "licence" not in example.meta


def test_rows_are_counted_under_their_licence_whatever_its_key() -> None:
    (old,) = generate("heldout", 1, 0)
    stats = ShardStats("heldout", 0)
    stats.add(list(to_texts(old)), 5)
    assert [key[-1] for key in stats.counts] == ["Apache-2.0"]


def test_what_a_row_states_is_kept() -> None:
    assert with_license({"license": "MIT", "licence": "CC0-1.0", "a": 1}, "Apache-2.0") == {"license": "MIT", "a": 1}
    assert with_license({"a": 1}) == {"a": 1}
    given = {"licence": "MIT"}
    assert with_license(given) == {"license": "MIT"}
    assert given == {"licence": "MIT"}
