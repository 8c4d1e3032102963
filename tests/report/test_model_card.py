"""The model card: what stands in it, what is said to be not known, and that the hub's own classes read it back."""

from __future__ import annotations

import json
import random
import shutil
from collections import Counter
from pathlib import Path
from typing import Any

import pytest
import yaml

pytest.importorskip("huggingface_hub", reason="needs the train or data extra")

from rlvr.cli import main
from rlvr.errors import DataError, UsageError
from rlvr.evaluation.judging import judge_generation
from rlvr.evaluation.metrics import CALLING, NO_CALL, find
from rlvr.evaluation.store import EvalStore, fingerprint
from rlvr.report.model_card import make_card
from rlvr.report.model_card.data import derive
from rlvr.report.model_card.facts import read_chain
from rlvr.report.model_card.limits import limits
from rlvr.report.model_card.results import changes, read_suite
from tests.report.conftest import make_examples, say

BASE = "smollm2-135m"


def build_stage(
    folder: Path, model: str, *, kind: str = "grpo", began: str = "2026-01-01T02:00:00Z", **run: Any
) -> Path:
    """A finished run as training leaves it, its weights being a few bytes that nobody else has."""
    (folder / "final").mkdir(parents=True)
    (folder / "data").mkdir()
    recipe: dict[str, Any] = {"kind": kind, "name": folder.name, "model": model, "parser": "hermes", "seed": 5}
    recipe |= {"data": {"sources": [{"source": "jsonl", "path": "/home/me/secret/train.jsonl"}]}}
    recipe |= {"trl": {"learning_rate": 1e-5, "beta": 0.0}}
    if kind == "grpo":
        recipe |= {"composition": "function_calling", "stage": "stage1", "selection": {"every": 5}}
    (folder / "recipe.yaml").write_text(yaml.safe_dump(recipe), encoding="utf-8")
    info = {"stage": folder.name, "kind": kind, "model": model, "seed": 5, "started": began, "steps": 12}
    info |= {"finished": began.replace("00:00Z", "30:00Z"), "seconds": 660.0, "precision": "fp32", "rollout": "vllm"}
    info |= {"versions": {"rlvr": "0.1.0", "trl": "1.16.0"}, "data": {"dropped_too_long": 3}, **run}
    (folder / "run.json").write_text(json.dumps(info), encoding="utf-8")
    rows = [
        {
            "source": "mine",
            "category": c,
            "ground_truth": [1] if c == "simple" else [],
            "meta": {"lang": lang, "license": "Apache-2.0"},
        }
        for c, lang in (("simple", "en"), ("simple", "vi"), ("simple", "en"), ("irrelevance", "en"))
    ]
    (folder / "data" / "train.jsonl").write_text("".join(json.dumps(r) + "\n" for r in rows), encoding="utf-8")
    (folder / "final" / "config.json").write_text("{}")
    (folder / "final" / "model.safetensors").write_bytes(str(folder).encode())
    return folder


@pytest.fixture
def chain(tmp_path: Path) -> Path:
    """warmup → stage1 → stage2, the last with what a selection recorded. Returns the folder of the three."""
    runs = tmp_path / "runs"
    build_stage(runs / "warmup", BASE, kind="warmup", began="2026-01-01T01:00:00Z")
    build_stage(runs / "stage1", "runs/elsewhere/warmup", began="2026-01-01T02:00:00Z")
    selected = {"step": 10, "strict": 0.75, "n": 100, "why": ["strict, the highest: step 10 of 5, 10"]}
    build_stage(runs / "stage2", "runs/elsewhere/stage1/final", began="2026-01-01T03:00:00Z", selected=selected)
    return runs


SKILLS = {"base": (0.9, {"vi": 0.2}), "stage1": (0.8, {}), "stage2": (0.75, {"vi": 0.05, "zh": 0.1})}


def build_eval(
    folder: Path, chain: Path, labels: tuple[str, ...] = ("base", "stage1", "stage2"), per_slice: int = 20
) -> Path:
    examples = make_examples(per_slice)
    store = EvalStore(folder)
    settings = {"seed": 0, "data": "/home/me/held.jsonl", "data_sha256": "ab" * 32, "examples": len(examples)}
    store.open({**settings, "parser": "hermes", "matching": "typed"}, examples, {"rlvr": "0.1.0", "vllm": "1"})
    for label in labels:
        path = BASE if label == "base" else str(chain / label / "final")
        store.register(label, path, fingerprint(path))
        rng, (skill, by_lang) = random.Random(7), SKILLS[label]
        store.append(
            [
                judge_generation(
                    e, say(e, by_lang.get(e.lang or "", skill), False, rng), model=label,
                    completion_tokens=20, prompt_tokens=90, truncated=False,
                )
                for e in examples
            ]
        )  # fmt: skip
    return folder


@pytest.fixture
def card_of(chain: Path, tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> Any:
    monkeypatch.setenv("RLVR_CACHE", str(tmp_path / "cache"))
    return lambda *evals, **more: make_card(chain, list(evals), **more)


def test_the_hub_reads_back_what_was_measured(card_of: Any, chain: Path, tmp_path: Path) -> None:
    from huggingface_hub import ModelCard

    evaluated = build_eval(tmp_path / "eval", chain)
    card = card_of(evaluated)
    back = ModelCard(card.text)
    assert back.data.to_dict() == card.data.to_dict()
    front = back.data
    assert (front.base_model, front.base_model_relation) == ("HuggingFaceTB/SmolLM2-135M-Instruct", "finetune")
    assert (front.license, front.library_name, front.pipeline_tag) == ("apache-2.0", "transformers", "text-generation")
    assert (front.language, front.model_name) == (["en", "vi"], "SmolLM2-135M-Instruct-stage2")
    assert {"function-calling", "grpo"} <= set(front.tags)
    suite = read_suite(evaluated, card.chain)
    told = {(r.dataset_config, r.metric_type): r for r in front.eval_results}
    for category, metric, figure in (
        (CALLING, "accuracy", "strict_accuracy"),
        (NO_CALL, "false_calls", "false_calls"),
        ("simple", "accuracy", "strict_accuracy"),
    ):
        row = find(suite.table, "stage2", category)
        assert row is not None
        measured = row.figures[figure]
        result = told[category, metric]
        assert result.metric_value == measured.value  # unrounded
        assert f"n {measured.n}, 95% interval {measured.low:.4g} to {measured.high:.4g}" in result.metric_name
        assert (result.dataset_type, result.dataset_revision) == ("held", "ab" * 32)
        assert result.dataset_args["matching"] == "typed"


def test_two_evaluations_stay_two(card_of: Any, chain: Path, tmp_path: Path) -> None:
    from huggingface_hub import ModelCard

    one = build_eval(tmp_path / "one", chain)
    other = build_eval(tmp_path / "two", chain, ("stage2",), per_slice=6)
    results = ModelCard(card_of(one, other).text).data.eval_results
    calling = [r.metric_value for r in results if r.dataset_config.startswith(CALLING) and r.metric_type == "accuracy"]
    assert len(calling) == 2
    assert len({(r.dataset_config, r.metric_type) for r in results}) == len(results)


def test_limits_say_plainly_what_is_worse(card_of: Any, chain: Path, tmp_path: Path) -> None:
    evaluated = build_eval(tmp_path / "eval", chain)
    card = card_of(evaluated)
    suite = read_suite(evaluated, card.chain)
    lines = limits(card.chain, [suite], [])
    silent = find(suite.table, "stage2", NO_CALL)
    assert silent is not None
    assert lines[0].startswith("On held.jsonl it calls in ")
    assert f"of the {silent.n} examples where nothing fits" in lines[0]
    assert any(line.startswith("**Chinese**: on held.jsonl calls are right in") for line in lines)
    (worse,) = [line for line in lines if line.startswith("**Worse than base**")]
    assert "Chinese -" in worse
    fell = {c.what: c.difference for c in suite.changes if c.before == "base"}
    assert fell["zh"].high is not None
    assert fell["zh"].high < 0
    names = {"en": "English", "vi": "Vietnamese", "zh": "Chinese"}
    lower = next((line for line in lines if line.startswith("Lower than base")), "")
    for what, change in fell.items():
        assert change.value is not None
        told = f"{names.get(what, what)} {100 * change.value:+.1f}"
        assert (told in worse) == (change.value < 0 and change.excludes_zero)
        assert (told in lower) == (change.value < 0 and not change.excludes_zero)
    assert any("whether something wrong was paid for is not known" in line for line in lines)
    assert all(line in card.text for line in lines)


def test_changes_by_hand() -> None:
    class Record:
        def __init__(self, name: str, category: str, right: bool) -> None:
            self.id, self.category, self.lang, self.right, self.judged = name, category, "en", right, True

    before = [Record(str(i), "simple" if i < 10 else "parallel", i < 8) for i in range(14)]
    after = [Record(str(i), "simple" if i < 10 else "parallel", i < 2 or i >= 10) for i in range(14)]
    found = {c.what: c.difference for c in changes(before, after, "base")}  # type: ignore[arg-type]
    assert (found["simple"].value, found["simple"].n) == (pytest.approx(-0.6), 10)
    assert (found["parallel"].value, found["parallel"].n) == (1.0, 4)
    assert found["simple"].high is not None
    assert found["simple"].high < 0


def test_the_chain_the_data_and_the_rewards_stand_in_the_text(card_of: Any, tmp_path: Path) -> None:
    text = card_of().text
    assert "Stages: warmup → stage1 → stage2." in text
    assert "| stage2 | grpo | stage1 | 12 | 11.0 min | step 10: 75.0 [65.7, 82.5]% right of 100" in text
    assert "- stage2, why step 10: strict, the highest: step 10 of 5, 10" in text
    assert "| warmup | warmup | HuggingFaceTB/SmolLM2-135M-Instruct |" in text
    assert "| stage1 | mine | Apache-2.0 | 4 | 100.0 |" in text
    assert "4 rows, 25.0% of which want no call; 3 more were dropped as too long. Languages: en 3, vi 1." in text
    assert "| correctness | 1 | 1 |" in text
    assert "| trl.learning_rate | 1e-05 | 1e-05 | 1e-05 |" in text
    assert "rlvr train stage2.yaml --model runs/stage1 --out runs/stage2" in text
    assert "| trl | 1.16.0 | 1.16.0 | 1.16.0 |" in text
    assert "…/secret/train.jsonl" in text
    assert "/home/me" not in text
    assert "**Not evaluated.**" in text
    assert "model-index" not in text


def test_weights_are_those_that_the_samples_recorded(card_of: Any, chain: Path) -> None:
    pytest.importorskip("pyarrow", reason="needs the train or data extra")
    from rlvr.training.sample_table import TableInfo, write_part

    info = TableInfo("function_calling", "stage1", {"format": 0.25, "mine": 3.0}, aggregation="normalize_then_sum")
    write_part(chain / "stage2", "step", 1, [], info)
    text = card_of().text
    assert "| mine | – | 3 |" in text
    assert "| format | 0.2 | 0.25 |" in text
    assert "aggregation normalize_then_sum, scale_rewards group. Weights from: the run's samples." in text


def test_what_is_not_here_is_not_known(card_of: Any, chain: Path, capsys: pytest.CaptureFixture[str]) -> None:
    shutil.rmtree(chain / "warmup")
    (chain / "stage2" / "data" / "train.jsonl").unlink()
    card = make_card(chain / "stage2")
    assert (card.data.get("license"), card.data.get("base_model"), card.chain.lost) == (
        None,
        None,
        "runs/elsewhere/warmup",
    )
    assert "What stage1 began from (warmup) is not here" in card.text
    assert "| stage2 | not known | not known | – | – |" in card.text
    assert "a model that is not known here" in card.text
    assert main(["card", str(chain / "stage2")]) == 0
    told = capsys.readouterr()
    assert told.out.strip() == str(chain / "stage2" / "final" / "README.md")
    assert "left open: licence: Not known: data or stages" in told.err
    assert "Name it with --base OWNER/NAME" in told.err
    named = make_card(chain / "stage2", base="org/model", licence="mit")
    assert (named.data.base_model, named.data.license) == ("org/model", "mit")
    assert "As its publisher states." in named.text


def test_a_run_that_took_the_parents_place_is_not_the_parent(chain: Path) -> None:
    facts = json.loads((chain / "warmup" / "run.json").read_text())
    (chain / "warmup" / "run.json").write_text(json.dumps({**facts, "finished": "2026-01-01T09:00:00Z"}))
    assert read_chain(chain / "stage2").lost == "runs/elsewhere/warmup"


@pytest.mark.parametrize(
    ("base", "data", "found"),
    [
        ("Apache-2.0", {"Apache-2.0": 3, "apache-2.0": 1}, "apache-2.0"),
        ("llama3.2", {"llama3.2": 1}, "llama3.2"),
        ("Apache-2.0", {"MIT": 3}, None),
        ("Apache-2.0", {"Apache-2.0": 3, "": 1}, None),
        (None, {"Apache-2.0": 3}, None),
        ("Some words", {"Some words": 3}, None),
    ],
)
def test_a_licence_is_derived_or_not_known(base: str | None, data: dict[str, int], found: str | None) -> None:
    licence = derive(base, [Counter(data)])
    assert licence.hub_id == found
    for name, n in data.items():
        assert f"{name or 'none stated'} ({n} rows)" in licence.why
    assert derive(base, [Counter(data)], whole=False).hub_id is None


def test_audits_and_guards_are_told(card_of: Any, chain: Path, tmp_path: Path) -> None:
    audit = {
        "target": "mine at stage1",
        "examples": 42,
        "completions": 900,
        "counts": {"false_reward": 2, "contract": 0},
    }
    (tmp_path / "audit.json").write_text(json.dumps(audit))
    facts = json.loads((chain / "stage1" / "run.json").read_text())
    fired = {"guard": "entropy", "step": 9, "what": "it says one thing", "deed": "the learning rate is lowered"}
    (chain / "stage1" / "run.json").write_text(json.dumps({**facts, "guards": [fired]}))
    findings = [
        {"check": "lengths", "severity": "warning", "found": "a tenth is\ncut"},
        {"check": "memory", "severity": "note", "found": "fits"},
        {"check": "audit", "severity": "note", "found": "nothing found"},
    ]
    (chain / "stage2" / "preflight.json").write_text(json.dumps({"findings": findings}))
    text = card_of(audits=[tmp_path / "audit.json"]).text
    assert "**The audit of mine at stage1** (900 adversarial completions of 42 examples) found 2 false reward" in text
    assert "**A guard fired in stage1** at step 9: entropy, it says one thing; the learning rate is lowered." in text
    assert "Preflight of stage2, warning (lengths): a tenth is cut" in text
    assert "Preflight of stage2, note (audit): nothing found" in text
    assert "(memory)" not in text
    (tmp_path / "audit.json").write_text("[1]")
    with pytest.raises(DataError, match="is not what `rlvr audit --json` writes"):
        card_of(audits=[tmp_path / "audit.json"])


def test_an_adapter_is_one_until_it_is_merged(card_of: Any, chain: Path, tmp_path: Path) -> None:
    final = chain / "stage2" / "final"
    (final / "config.json").unlink()
    (final / "adapter_config.json").write_text("{}")
    card = card_of()
    assert (card.data.library_name, card.data.base_model_relation) == ("peft", "adapter")
    assert "--enable-lora" in card.text
    merged = tmp_path / "merged"
    merged.mkdir()
    (merged / "config.json").write_text("{}")
    card = card_of(out=merged / "README.md")
    assert (card.data.library_name, card.data.base_model_relation) == ("transformers", "finetune")


def test_bad_input(chain: Path, tmp_path: Path, capsys: pytest.CaptureFixture[str]) -> None:
    def fails(*argv: str) -> str:
        assert main(["card", *argv]) == 2
        told = capsys.readouterr().err
        assert "Traceback" not in told
        return told

    stage2 = str(chain / "stage2")
    assert "no such run folder" in fails(str(tmp_path / "nowhere"))
    assert "is no run folder" in fails(str(chain / "stage2" / "final"))
    assert "no such evaluation folder" in fails(stage2, "--eval", str(tmp_path / "nowhere"))
    assert "holds no evaluation records" in fails(stage2, "--eval", str(chain))
    other = build_eval(tmp_path / "eval", chain, ("base", "stage1"), per_slice=1)
    assert "none of its models (base, stage1) has these weights" in fails(stage2, "--eval", str(other))
    assert "is a folder" in fails(stage2, "--out", str(tmp_path))
    assert "expected plain words" in fails(stage2, "--name", "a|b")
    facts = json.loads((chain / "stage2" / "run.json").read_text())
    (chain / "stage2" / "run.json").write_text(json.dumps({**facts, "finished": None}))
    assert "has not finished" in fails(stage2)
    (chain / "stage2" / "run.json").write_text("{")
    assert "run.json: cannot be read" in fails(stage2)
    (chain / "stage2" / "run.json").write_text(json.dumps(facts))
    (chain / "stage2" / "recipe.yaml").write_text("a: [")
    assert "recipe.yaml: cannot be read" in fails(stage2)
    build_stage(chain / "other", "org/model")
    shutil.copy(chain / "stage1" / "recipe.yaml", chain / "stage2" / "recipe.yaml")
    with pytest.raises(UsageError, match="several stages in it are the last"):
        make_card(chain)
