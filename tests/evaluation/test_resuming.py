"""An evaluation that is killed goes on without generating twice; figures do not depend on the order of anything."""

from __future__ import annotations

import json
import os
import random
import signal
import subprocess
import sys
import time
from dataclasses import replace
from pathlib import Path
from typing import Any

import pytest

from rlvr.evaluation import ModelSpec, evaluate, write_summary
from rlvr.types import Example

# An engine that writes down what it is asked before it answers; with a second argument it hangs at that chunk.
SCRIPT = """
import sys, time
from pathlib import Path
from rlvr.evaluation import ModelSpec, evaluate
from rlvr.prompts import RenderedPrompt
from rlvr.rollouts import Generation
from rlvr.types import Example

root, hangs = Path(sys.argv[1]), int(sys.argv[2])

class Engine:
    backend, tokenizer, chunks = "fake", None, 0
    def generate(self, prompts, **options):
        self.chunks += 1
        with (root / "asked.txt").open("a") as file:
            file.write("".join(p.text + "\\n" for p in prompts) + "--\\n")
        if self.chunks == hangs:
            time.sleep(60)
        return [[Generation("No " + p.text, (1, 2), False)] for p in prompts]
    def set_model(self, path): ...
    def close(self): ...

examples = [Example(f"e{i:02}", "s", "irrelevance", ({"role": "user", "content": "q"},), (), ()) for i in range(20)]
evaluate([ModelSpec("m", "org/m")], examples[::-1], lambda path: Engine(), out_dir=root / "out", chunk_size=6,
         render=lambda example, tokenizer, parser: RenderedPrompt(example.id, (1,)))
"""


def test_a_killed_evaluation_asks_for_nothing_twice_that_was_answered(tmp_path: Path) -> None:
    """Four chunks of 6, 6, 6, 2; SIGKILL in the third. What is asked again is what was on its way, and no more."""
    script = tmp_path / "evaluate.py"
    script.write_text(SCRIPT)
    asked = tmp_path / "asked.txt"
    command = [sys.executable, str(script), str(tmp_path)]
    with subprocess.Popen([*command, "3"]) as process:
        end = time.monotonic() + 120
        while not asked.exists() or asked.read_text().count("--") < 3:
            assert process.poll() is None
            assert time.monotonic() < end
            time.sleep(0.02)
        os.kill(process.pid, signal.SIGKILL)
    chunks = asked.read_text().split("--\n")[:-1]
    assert len((tmp_path / "out" / "records.jsonl").read_text().splitlines()) == 12
    asked.unlink()
    subprocess.run([*command, "0"], check=True, timeout=120)
    again = asked.read_text().split("--\n")[:-1]
    ids = [f"e{i:02}" for i in range(20)]
    assert "".join([*chunks[:2], *again]).split() == ids, "once each, in the order of the ids"
    assert again[0] == chunks[2]
    asked.unlink()
    whole = tmp_path / "whole"
    whole.mkdir()
    subprocess.run([*command[:-1], str(whole), "0"], check=True, timeout=120)
    for name in ("records.jsonl", "summary.json", "table.md", "evaluation.json"):
        assert (tmp_path / "out" / name).read_bytes() == (whole / "out" / name).read_bytes()


def test_the_order_of_the_records_decides_no_figure(
    fake: Any, examples: list[Example], make_model: Any, plain: Any, tmp_path: Path
) -> None:
    fake.say = lambda model, i: f"{model} {'word ' * (int(i[-1]) + len(model))}"
    specs = [ModelSpec("a", make_model("a")), ModelSpec("bb", make_model("bb"))]
    out = tmp_path / "out"
    evaluate(specs, examples, fake.factory, out_dir=out, render=plain)
    files = [out / "summary.json", out / "table.md"]
    before = [f.read_bytes() for f in files]
    lines = (out / "records.jsonl").read_text().splitlines(keepends=True)
    for seed in range(3):
        random.Random(seed).shuffle(lines)
        (out / "records.jsonl").write_text("".join(lines))
        for file in files:
            file.unlink()
        write_summary(out)
        assert [f.read_bytes() for f in files] == before


def test_the_order_of_judging_decides_no_record(examples: list[Example], right_call: str) -> None:
    from rlvr.evaluation.judging import judge_generation

    said = [right_call, "No.", "Sorry, I can't.", right_call[:-5], right_call * 2, "", "<think>a"]
    work = list(zip(examples, said, strict=True))

    def judged(order: list[Any]) -> dict[str, Any]:
        made = [
            judge_generation(e, text, model="m", completion_tokens=1, prompt_tokens=1, truncated=False)
            for e, text in order
        ]
        return {r.id: r.to_json() for r in made}

    first = judged(work)
    assert len({json.dumps(r["scores"]) for r in first.values()}) > 2
    for seed in range(3):
        random.Random(seed).shuffle(work)
        assert judged(work) == first


def test_records_are_not_read_again_for_each_chunk_or_model(
    fake: Any, examples: list[Example], make_model: Any, plain: Any, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    """As often for seven chunks of three models as for one of one: reading them for each would be quadratic."""
    from rlvr.evaluation import store

    read = store.read_records
    counts: list[int] = []
    for models, size in ((1, 128), (3, 1)):
        count = 0

        def counted(path: Path) -> Any:
            nonlocal count
            count += 1
            return read(path)

        monkeypatch.setattr(store, "read_records", counted)
        specs = [ModelSpec(f"m{i}", make_model(f"m{i}")) for i in range(models)]
        evaluate(specs, examples, fake.factory, out_dir=tmp_path / str(models), render=plain, chunk_size=size)
        counts.append(count)
    assert counts[0] == counts[1] <= 4


@pytest.mark.parametrize("cut", [6, 12])
def test_a_record_that_was_cut_is_made_again_and_none_is_lost(
    fake: Any, examples: list[Example], make_model: Any, plain: Any, tmp_path: Path, cut: int
) -> None:
    """A full disk may end the file inside the first record of a chunk: there are as many ends of lines as records."""
    many = [replace(e, id=f"{e.id}-{n}") for n in range(3) for e in examples][:13]
    specs, out = [ModelSpec("a", make_model("a"))], tmp_path / "out"
    evaluate(specs, many, fake.factory, out_dir=out, render=plain, chunk_size=6)
    records = out / "records.jsonl"
    whole = records.read_bytes()
    lines = whole.splitlines(keepends=True)
    records.write_bytes(b"".join(lines[:cut]) + lines[cut][:40])
    evaluate(specs, many, fake.factory, out_dir=out, render=plain, chunk_size=6)
    assert sorted(records.read_bytes().splitlines()) == sorted(whole.splitlines())


def test_versions_are_those_that_made_the_records(
    fake: Any, examples: list[Example], make_model: Any, plain: Any, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    def go(version: str, *names: str, fail_after: int | None = None) -> dict[str, Any]:
        monkeypatch.setattr("rlvr.evaluation.run.versions", lambda: {"rlvr": version})
        specs = [ModelSpec(name, make_model(name, weights=name.encode())) for name in names]
        fake.fail_after, out = fail_after, tmp_path / "out"
        try:
            evaluate(specs, examples, fake.factory, out_dir=out, render=plain, chunk_size=3)
        except KeyboardInterrupt:
            assert fail_after is not None
        return dict(json.loads((out / "evaluation.json").read_text()))

    def of_models(told: dict[str, Any]) -> dict[str, str]:
        return {m["label"]: m["versions"]["rlvr"] for m in told["models"]}

    assert go("1", "a")["versions"] == {"rlvr": "1"}
    assert go("2", "a")["versions"] == {"rlvr": "1"}, "nothing was generated again"
    told = json.loads((tmp_path / "out" / "evaluation.json").read_text())
    del told["models"][0]["versions"]  # as folders were written before models had theirs
    (tmp_path / "out" / "evaluation.json").write_text(json.dumps(told))
    assert go("2", "a")["versions"] == {"rlvr": "1"}
    later = go("3", "a", "b", fail_after=len(fake.batches) + 1)
    assert (of_models(later), later["versions"]) == ({"a": "1", "b": "3"}, {"rlvr": "1 and 3"})
    after = go("4", "a", "b")
    assert (of_models(after), after["versions"]) == ({"a": "1", "b": "3 and 4"}, {"rlvr": "1 and 3 and 4"})
