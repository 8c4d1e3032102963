"""A small build, from sources to Parquet: what is in it is what the recipe asked for."""

from __future__ import annotations

import json
from collections import Counter
from pathlib import Path
from typing import Any

import pytest

from rlvr.data.build import How, read_manifest
from rlvr.data.build.record import tool_keys
from rlvr.data.mixture import DataOptions, SourceOptions, load_mixture
from rlvr.data.sources.jsonl import example_from_row
from rlvr.tools import normalise_tools
from tests.data.build.conftest import TINY, Build, digests, row, rows_of, write_rows


def _tools(rows: list[dict[str, Any]]) -> set[int]:
    return {key for r in rows for t in normalise_tools(r["tools"], "") for key in tool_keys(t)}


def test_the_columns_and_what_they_hold(made: Build, inputs: Path) -> None:
    made(negatives=None, calls_wanted=None, heldout=None)
    found = {r["id"]: r for r in rows_of(inputs / "out")}
    assert set(found) == {f"row-{i}" for i in [*range(60), *range(300, 318)]}
    seven, given = found["row-7"], row(7, family=2)
    assert list(seven) == ["id", "source", "category", "lang", "messages", "tools", "ground_truth", "expects", "meta"]
    assert seven["messages"] == given["messages"]
    assert seven["tools"] == given["tools"]
    assert seven["ground_truth"] == given["ground_truth"]
    assert (seven["source"], seven["category"], seven["lang"], seven["expects"]) == ("jsonl", "simple", "en", "any")
    assert seven["meta"]["license"] == "MIT"
    assert seven["meta"]["provenance"] == {"location": "a.jsonl", "row": "7"}
    assert (found["row-5"]["ground_truth"], found["row-5"]["expects"]) == ([], "clarify")


def test_every_row_reads_back_as_an_example_that_its_own_schema_accepts(made: Build, inputs: Path) -> None:
    made()
    for split in ("train", "heldout"):
        found = rows_of(inputs / "out", split)
        assert found
        for each in found:
            assert example_from_row(each, each["id"]).id == each["id"]


def test_the_share_of_calls_holds_exactly_in_each_split(made: Build, inputs: Path) -> None:
    manifest = made(calls_wanted=0.6)
    for split in ("train", "heldout"):
        found = rows_of(inputs / "out", split)
        calls = sum(bool(r["ground_truth"]) for r in found)
        assert found
        assert calls * 5 == len(found) * 3
        side = manifest["counts"]["calls_wanted"][split]
        assert (side["calls"], side["others"]) == (calls, len(found) - calls)
    # 48 calling rows of a.jsonl and 18 of b.jsonl, 12 without a call and 20 negatives: 66 and 32. Where 12 or 13 of
    # every 20 are left out for it, the counts say so.
    share = manifest["counts"]["calls_wanted"]
    lost = [share[s][name] for s in ("train", "heldout") for name in ("left_out_calls", "left_out_others")]
    assert sum(lost) + sum(manifest["counts"]["rows"].values()) == 66 + 32


def test_negatives_are_as_many_as_the_share_of_calls_needs(made: Build, inputs: Path) -> None:
    kinds = {"server_shuffle": 1, "domain_mismatch": 1}
    manifest = made(negatives={"kinds": kinds}, calls_wanted=0.6, heldout=None)
    # 66 calling rows want 44 others; 12 are there.
    assert manifest["counts"]["negatives"]["asked"] == 32
    assert manifest["counts"]["rows"]["train"] == 110


def test_the_heldout_split_shares_no_tool_with_training(made: Build, inputs: Path) -> None:
    manifest = made()
    train, heldout = rows_of(inputs / "out"), rows_of(inputs / "out", "heldout")
    assert _tools(train)
    assert _tools(heldout)
    assert not _tools(train) & _tools(heldout)
    asked = [{r["messages"][0]["content"].casefold() for r in rows} for rows in (train, heldout)]
    assert not asked[0] & asked[1]
    held = manifest["counts"]["heldout"]
    assert (held["of"], held["rows"], held["groups"], held["largest"]) == (78, 15, 26, 3)  # groups of 3: at most 15.6


def test_a_tool_under_another_name_is_held_out_with_its_rows_or_not_at_all(made: Build, inputs: Path) -> None:
    def renamed(number: int) -> dict[str, Any]:
        found = row(number)
        found["tools"] = [{**found["tools"][0], "name": f"xQ{number}"}]
        found["ground_truth"] = [{**found["ground_truth"][0], "name": f"xQ{number}"}]
        return {**found, "id": f"masked-{number}", "messages": [{"role": "user", "content": f"Other words {number}."}]}

    write_rows(inputs / "a.jsonl", [made_row for i in range(30) for made_row in (row(i), renamed(i))])
    made(sources=[{"source": "jsonl", "location": "a.jsonl"}], negatives=None, calls_wanted=None)
    held = {r["id"] for r in rows_of(inputs / "out", "heldout")}
    assert len(held) == 12  # a fifth of 60
    assert {i.removeprefix("row-") for i in held if i.startswith("row-")} == {
        i.removeprefix("masked-") for i in held if i.startswith("masked-")
    }


def test_negatives_say_what_they_are(made: Build, inputs: Path) -> None:
    manifest = made(calls_wanted=None, heldout=None)
    found = [r for r in rows_of(inputs / "out") if "negative" in r["meta"]]
    assert len(found) == 20
    counted = manifest["counts"]["negatives"]
    assert counted["kept"] == 20
    assert counted["asked_by_kind"] == {"domain_mismatch": 10, "server_shuffle": 10}
    assert counted["kept_by_kind"] == counted["by_kind"]
    assert sum(counted["by_kind"].values()) == 20
    assert counted["units"] == 7  # of 66 parents, 10 a unit: each rounds its own part of a kind
    for each in found:
        assert each["ground_truth"] == []
        assert each["expects"] == "refuse"
        assert each["category"] == "irrelevance"
        assert set(each["meta"]["negative"]) >= {"kind", "parent", "seed", "reason", "asked", "score"}
        assert each["meta"]["negative"]["asked"][0]["name"] not in {t["name"] for t in each["tools"]}
    kinds = Counter(r["meta"]["negative"]["kind"] for r in found)
    assert set(kinds) == {"server_shuffle", "domain_mismatch"}


def test_twins_stand_beside_their_negative_in_place_of_the_parent(made: Build, inputs: Path) -> None:
    negatives = {"count": 10, "kinds": {"server_shuffle": 1}, "twins": True}
    manifest = made(negatives=negatives, calls_wanted=None, heldout={"share": 0.2})
    for split in ("train", "heldout"):
        found = {r["id"]: r for r in rows_of(inputs / "out", split)}
        pairs = [(r, found[r["meta"]["twin"]["id"]]) for r in found.values() if "negative" in r["meta"]]
        assert pairs
        for negative, positive in pairs:
            assert negative["messages"] == positive["messages"]
            assert positive["ground_truth"] == negative["meta"]["negative"]["asked"]
            assert positive["ground_truth"][0]["name"] in {t["name"] for t in positive["tools"]}
            assert positive["meta"]["twin"]["id"] == negative["id"]
            assert negative["meta"]["negative"]["parent"] not in found
    assert manifest["counts"]["negatives"]["twins"] == 10
    assert sum(manifest["counts"]["rows"].values()) == 78 + 10


@pytest.mark.parametrize("take", ["first", "random"])
def test_counts_are_kept(made: Build, inputs: Path, take: str) -> None:
    sources = [
        {"source": "jsonl", "location": "a.jsonl", "count": 10, "take": take},
        {"source": "jsonl", "location": "b.jsonl", "count": 500},
    ]
    manifest = made(sources=sources, negatives=None, calls_wanted=None, heldout=None)
    ids = {r["id"] for r in rows_of(inputs / "out")}
    first = {f"row-{i}" for i in range(10)}
    of_a = {i for i in ids if int(i[4:]) < 100}
    assert len(of_a) == 10
    assert (of_a == first) == (take == "first")
    a, b = manifest["counts"]["sources"]
    assert (a["asked"], a["taken"], b["asked"], b["taken"]) == (10, 10, 500, 18)
    assert a["rows"] == (12 if take == "first" else 60)  # reading stops at the end of the chunk that was enough
    assert "18 of 500 examples asked for; there were no more" in (inputs / "out" / "README.md").read_text()


def test_shares_hold_where_a_source_is_too_short(made: Build, inputs: Path) -> None:
    sources = [
        {"source": "jsonl", "location": "a.jsonl", "share": 0.5},
        {"source": "jsonl", "location": "b.jsonl", "share": 0.4},
    ]
    negatives = {"share": 0.1, "kinds": {"server_shuffle": 1}}
    manifest = made(sources=sources, total=100, negatives=negatives, calls_wanted=None, heldout=None)
    # 50 and 40 of 100 were asked for, b has 18 of 40: 0.45 of everything.
    assert [s["taken"] for s in manifest["counts"]["sources"]] == [22, 18]  # 22.5, to even
    assert manifest["counts"]["negatives"]["asked"] == 4  # 10 * 40 / 90


def test_duplicates_are_left_out_across_sources_and_said(made: Build, inputs: Path) -> None:
    write_rows(
        inputs / "b.jsonl", [{**row(i, family=i // 3, calls=i % 5 != 0), "id": f"again-{i}"} for i in range(58, 62)]
    )
    manifest = made(negatives=None, calls_wanted=None, heldout=None)
    assert manifest["counts"]["rows"]["train"] == 62
    assert manifest["counts"]["sources"][1]["dropped"] == [["exact_duplicates", "duplicate", 2]]
    rejects = [json.loads(line) for line in (inputs / "out" / "rejects.jsonl").read_text().splitlines()]
    assert rejects == [
        {
            "source": "jsonl", "id": f"again-{n}", "where": f"b.jsonl:{n - 57}", "kind": "dropped",
            "code": "exact_duplicates: duplicate", "reason": f"the same as row-{n} (a.jsonl#{n})",
        }
        for n in (58, 59)
    ]  # fmt: skip


def test_a_near_duplicate_names_the_row_that_it_is_near_to(made: Build, inputs: Path) -> None:
    """Its own row stands in a file that is still being filled, and so does the one it repeats."""
    pytest.importorskip("datasketch", reason="needs the data extra")
    near = row(300, family=100)
    near["messages"][0]["content"] += "!!"
    write_rows(inputs / "b.jsonl", [row(310), {**near, "id": "row-300"}, {**near, "id": "near"}, row(312)])
    made(filters={"duplicates": "near", "near_threshold": 0.95}, negatives=None, calls_wanted=None, heldout=None)
    rejects = [json.loads(line) for line in (inputs / "out" / "rejects.jsonl").read_text().splitlines()]
    assert ("near", "b.jsonl:3", "nearly the same as row-300 (b.jsonl#1)") in [
        (r["id"], r["where"], r["reason"]) for r in rejects
    ]


def test_ids_that_stand_twice_are_told_apart(made: Build, inputs: Path) -> None:
    write_rows(inputs / "b.jsonl", [{**row(i), "id": "row-1"} for i in (400, 401)])
    made(negatives=None, calls_wanted=None, heldout=None)
    ids = [r["id"] for r in rows_of(inputs / "out")]
    assert len(set(ids)) == len(ids) == 62
    assert {"row-1", "row-1~1", "row-1~2"} <= set(ids)


def test_rejects_have_their_place_and_reason(made: Build, inputs: Path) -> None:
    wrong = row(400)
    wrong["ground_truth"][0]["arguments"] = {"place": "Hanoi"}
    (inputs / "b.jsonl").write_text(json.dumps(row(401)) + "\n{broken\n" + json.dumps(wrong) + "\n")
    manifest = made(negatives=None, calls_wanted=None, heldout=None)
    rejects = [json.loads(line) for line in (inputs / "out" / "rejects.jsonl").read_text().splitlines()]
    assert [(r["where"], r["kind"]) for r in rejects] == [("b.jsonl:2", "not_understood"), ("b.jsonl:3", "invalid")]
    assert "not valid JSON" in rejects[0]["reason"]
    assert "missing" in rejects[1]["reason"]
    source = manifest["counts"]["sources"][1]
    assert (source["rows"], source["examples"], source["kept"]) == (3, 1, 1)


def test_filters_drop_and_count(made: Build, inputs: Path) -> None:
    two_tools = {**row(401), "tools": [*row(401)["tools"], *row(402)["tools"]]}
    write_rows(inputs / "b.jsonl", [row(399), row(400, lang="zh"), two_tools])
    filters = {"tools": [1, 1], "languages": ["en"]}
    manifest = made(filters=filters, negatives=None, calls_wanted=None, heldout=None)
    assert manifest["counts"]["sources"][1]["dropped"] == [
        ["languages", "language", 1],
        ["tool_count", "too_many_tools", 1],
    ]
    assert manifest["counts"]["rows"]["train"] == 61


def test_the_generator_is_a_source_of_its_own_options(made: Build, inputs: Path) -> None:
    options = {"seed": 3, "languages": {"vi": 1}, "categories": {"simple": 1}}
    sources = [{"source": "builtin", "count": 5, "options": options}]
    manifest = made(sources=sources, negatives=None, calls_wanted=None, heldout=None)
    found = rows_of(inputs / "out")
    assert [(r["lang"], r["category"], r["meta"]["license"]) for r in found] == [("vi", "simple", "Apache-2.0")] * 5
    assert manifest["counts"]["sources"][0]["taken"] == 5


def test_a_source_of_which_nothing_is_left_is_an_error_that_says_why(made: Build, inputs: Path) -> None:
    from rlvr.errors import DataError

    with pytest.raises(
        DataError, match=r"sources\[0\] \(jsonl, a.jsonl\): gives no example: of 60 rows 60 dropped by tool_count"
    ):
        made(filters={"tools": [2, 5]})


def test_decontamination_against_a_file(made: Build, inputs: Path) -> None:
    write_rows(inputs / "held.jsonl", [{"id": "h1", "query": "RESERVE airplane seats, to airport number 1 please!"}])
    manifest = made(filters={"decontaminate": ["held.jsonl"]}, negatives=None, calls_wanted=None, heldout=None)
    assert manifest["counts"]["sources"][0]["dropped"] == [["decontaminate", "benchmark_query", 1]]
    reject = json.loads((inputs / "out" / "rejects.jsonl").read_text())
    assert reject["id"] == "row-1"
    assert "h1" in reject["reason"]
    assert {"file": "held.jsonl"}.items() <= manifest["inputs"][-1].items()


def test_difficulty_by_a_probe(made: Build, inputs: Path) -> None:
    rates = {f"row-{i}": (0.5 if i < 20 else 1.0) for i in range(40)}
    probed = [
        {"id": k, "category": "simple", "k": 4, "pass_rate": r, "zero_variance": r == 1} for k, r in rates.items()
    ]
    write_rows(inputs / "probe.jsonl", probed)
    difficulty = {"file": "probe.jsonl", "floor": 0.75}
    sources = [{"source": "jsonl", "location": "a.jsonl"}]
    negatives = {"count": 6, "kinds": {"server_shuffle": 1}}
    manifest = made(
        sources=sources, filters={"difficulty": difficulty}, negatives=negatives, calls_wanted=None, heldout=None
    )
    # 20 are in the band; the floor of 30 keeps 10 mastered ones; 20 of 60 were not probed. Negatives pass unprobed.
    assert manifest["counts"]["sources"][0]["dropped"] == [
        ["difficulty", "not_probed", 20],
        ["difficulty", "too_easy", 10],
    ]
    assert manifest["counts"]["rows"]["train"] == 30 + 6


def test_text_is_normalised_in_queries_and_arguments_alike(made: Build, inputs: Path) -> None:
    mixed = row(400, lang="zh")
    mixed["messages"][0]["content"] = "請幫我查iPhone在台北101的備註"
    mixed["ground_truth"][0]["arguments"]["remark"] = "台北101的備註"
    write_rows(inputs / "b.jsonl", [mixed])
    made(text={"spacing": True}, negatives=None, calls_wanted=None, heldout=None)
    found = next(r for r in rows_of(inputs / "out") if r["id"] == "row-400")
    assert "查 iPhone 在" in found["messages"][0]["content"]
    remark = found["ground_truth"][0]["arguments"]["remark"]
    assert remark == "台北 101 的備註"
    assert remark in found["messages"][0]["content"]


def test_prompts_are_counted_in_tokens_and_long_ones_dropped(made: Build, inputs: Path, tiny_model: Path) -> None:
    from rlvr.models.tokenizer import load_tokenizer
    from rlvr.prompts import render

    tokenizer = load_tokenizer(str(tiny_model))
    given = [json.loads(line) for line in (inputs / "a.jsonl").read_text().splitlines()]
    lengths = sorted(len(render(example_from_row(r, r["id"]), tokenizer).token_ids) for r in given)
    most = lengths[39]
    kept = sum(n <= most for n in lengths)
    assert 40 <= kept < 60
    filters = {"tokenizer": str(tiny_model), "max_prompt_tokens": most}
    manifest = made(
        how=How(sizes=TINY, load_tokenizer=load_tokenizer),
        sources=[{"source": "jsonl", "location": "a.jsonl"}],
        filters=filters, negatives=None, calls_wanted=None, heldout=None,
    )  # fmt: skip
    counts = manifest["counts"]
    assert counts["length_unit"] == "tokens"
    assert sum(line[-1] for line in counts["table"]) == sum(n for n in lengths if n <= most)
    assert counts["sources"][0]["dropped"] == [["prompt_length", "too_long", 60 - kept]]
    reject = json.loads((inputs / "out" / "rejects.jsonl").read_text().splitlines()[0])
    assert reject["reason"].endswith(f"tokens, at most {most}")


def test_the_order_is_mixed_and_depends_on_the_seed(made: Build, inputs: Path) -> None:
    for seed in (1, 2):
        made(f"out{seed}", seed=seed, negatives=None, calls_wanted=None, heldout=None)
    one, two = ([r["id"] for r in rows_of(inputs / f"out{s}")] for s in (1, 2))
    assert sorted(one) == sorted(two)
    assert one != two
    first = [int(i[4:]) < 100 for i in one[:26]]
    assert 10 < sum(first) < 26  # a third in, both sources were met


def test_the_files_are_of_the_size_asked_for_and_datasets_reads_them(made: Build, inputs: Path) -> None:
    datasets = pytest.importorskip("datasets", reason="needs the data extra")
    manifest = made(negatives=None, calls_wanted=None, heldout=None, rows_per_file=30)
    assert [(f["file"], f["rows"]) for f in manifest["files"]] == [
        ("data/train-00000-of-00003.parquet", 30),
        ("data/train-00001-of-00003.parquet", 30),
        ("data/train-00002-of-00003.parquet", 18),
    ]
    loaded = datasets.load_dataset(str(inputs / "out"), split="train", cache_dir=str(inputs / "cache"))
    assert loaded.num_rows == 78
    assert set(loaded.features) == {
        "id",
        "source",
        "category",
        "lang",
        "messages",
        "tools",
        "ground_truth",
        "expects",
        "meta",
    }


def test_a_training_recipe_reads_the_build(made: Build, inputs: Path) -> None:
    made()
    for split in ("train", "heldout"):
        mixture = load_mixture(DataOptions((SourceOptions("parquet", path="out", split=split, shuffle=False),)))
        assert [e.id for e in mixture] == [r["id"] for r in rows_of(inputs / "out", split)]
    some = load_mixture(DataOptions((SourceOptions("parquet", path="out", count=5, seed=1),)))
    assert len(some) == 5


def test_the_manifest_says_what_the_bytes_depend_on(made: Build, inputs: Path) -> None:
    manifest = made()
    assert read_manifest(inputs / "out") == json.loads(json.dumps(manifest))
    have = digests(inputs / "out")
    assert {f["file"]: f["sha256"] for f in manifest["files"]} == {
        k: v for k, v in have.items() if k.startswith("data/")
    }
    assert [i["file"] for i in manifest["inputs"]] == ["a.jsonl", "b.jsonl"]
    assert all(set(i) == {"file", "bytes", "sha256"} and len(i["sha256"]) == 64 for i in manifest["inputs"])
    assert set(manifest["versions"]) == {"rlvr", "pyarrow"}
    assert not [p for p in (inputs / "out").iterdir() if p.name.startswith(".")]


def test_progress_tells_rate_and_end(made: Build) -> None:
    seen: list[Any] = []
    made(how=How(sizes=TINY, say=seen.append))
    assert [p.step for p in seen[:1] + seen[-1:]] == ["read jsonl", "write Parquet"]
    assert {"make negatives", "read jsonl", "write Parquet"} == {p.step for p in seen}
    for progress in seen:
        assert progress.done == progress.fresh
        assert progress.total is None or progress.done <= progress.total
    done = [p.done for p in seen if p.step == "read jsonl"]
    assert done[:15] == list(range(4, 64, 4))


def test_progress_ends_where_there_is_enough(made: Build) -> None:
    """20 of 60 rows are asked for, and all are kept: reading ends after 20, though the file goes on."""
    seen: list[Any] = []
    sources = [{"source": "jsonl", "location": "a.jsonl", "count": 20}]
    made(how=How(sizes=TINY, say=seen.append), sources=sources, negatives=None, calls_wanted=None, heldout=None)
    read = [p for p in seen if p.step == "read jsonl"]
    assert [(p.done, p.note, p.ends) for p in read][-1] == (20, "20 of 20 kept", 20)
    assert {p.ends for p in read} == {20}
    assert read[0].seconds_left == pytest.approx(4 * read[0].seconds)


def test_rows_of_two_sources_with_one_id_stay_apart(made: Build, inputs: Path) -> None:
    """`b.jsonl` gets the ids of `a.jsonl`: no row is lost beside another's twin, and every tie is to its own query."""
    given = {"calls_wanted": None, "heldout": None, "negatives": {"count": 20, "twins": True}}
    apart = made("apart", **given)["counts"]
    rows = [json.loads(line) for line in (inputs / "b.jsonl").read_text().splitlines()]
    for number, clashing in enumerate(rows):
        clashing["id"] = json.loads((inputs / "a.jsonl").read_text().splitlines()[number])["id"]
    write_rows(inputs / "b.jsonl", rows)
    assert made("clash", **given)["counts"]["rows"] == apart["rows"]
    by_id = {r["id"]: r for r in rows_of(inputs / "clash")}
    assert len(by_id) == len(rows_of(inputs / "clash"))
    negatives = [r for r in by_id.values() if "negative" in r["meta"]]
    assert len(negatives) == 20
    for made_one in negatives:
        twin = by_id[made_one["meta"]["twin"]["id"]]
        assert twin["meta"]["twin"]["id"] == made_one["id"]
        assert _asked(twin) == _asked(made_one)


def _asked(found: dict[str, Any]) -> list[str]:
    return [m["content"] for m in found["messages"] if m["role"] == "user"]
