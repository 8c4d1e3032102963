"""Evaluating with a fake generator: one engine, resuming, and folders that belong to one setting."""

from __future__ import annotations

import json
from collections.abc import Callable, Sequence
from pathlib import Path
from typing import Any

import pytest

from rlvr.errors import DataError, RunError, UsageError
from rlvr.evaluation import EvalRecord, ModelSpec, evaluate, read_records, write_summary
from rlvr.evaluation.store import EvalStore, fingerprint
from rlvr.training.lock import hold
from rlvr.types import Example

MakeExample = Callable[..., Example]
MakeModel = Callable[..., Path]


@pytest.fixture
def examples(example: MakeExample) -> list[Example]:
    return [example(i, call=i % 2 == 0) for i in range(7)]


@pytest.fixture
def start(fake: Any, plain: Any, examples: list[Example], tmp_path: Path) -> Callable[..., list[EvalRecord]]:
    def go(models: Sequence[ModelSpec], **options: Any) -> list[EvalRecord]:
        given = {"out_dir": tmp_path / "eval", "chunk_size": 3, "render": plain} | options
        return evaluate(models, given.pop("examples", examples), fake.factory, **given)

    return go


@pytest.fixture
def two(make_model: MakeModel) -> list[ModelSpec]:
    return [
        ModelSpec("base", make_model("base", weights=b"0")),
        ModelSpec("tuned", make_model("tuned", config='{"hidden_size": 8, "dtype": "bfloat16"}', weights=b"1")),
    ]


def test_one_engine_serves_all_checkpoints(start: Any, fake: Any, two: list[ModelSpec]) -> None:
    fake.say = lambda model, i: "no" if model == "base" else f"{model} {i}"
    records = start(two)
    assert fake.starts == ["base"]
    assert fake.switches == ["tuned"]
    assert fake.closed == 1
    assert [(r.model, r.id) for r in records] == [(m.label, f"ex-{i:03}") for m in two for i in range(7)]
    assert records[0].completion == "no"
    assert records[-1].completion == "tuned ex-006"


def test_another_architecture_gets_another_engine(start: Any, fake: Any, make_model: MakeModel) -> None:
    models = [ModelSpec("a", make_model("a")), ModelSpec("b", make_model("b", config='{"hidden_size": 16}'))]
    start(models)
    assert fake.starts == ["a", "b"]
    assert fake.switches == []
    assert fake.closed == 2


@pytest.mark.parametrize("file", ["tokenizer.json", "chat_template.jinja", "tokenizer_config.json"])
def test_another_tokenizer_or_template_gets_another_engine(
    start: Any, fake: Any, two: list[ModelSpec], file: str
) -> None:
    text = "{{ messages }}" if file.endswith("jinja") else '{"chat_template": "x", "model": 1}'
    (Path(two[1].path) / file).write_text(text)
    start(two)
    assert fake.starts == ["base", "tuned"]


def test_hub_ids_get_an_engine_each(start: Any, fake: Any) -> None:
    start([ModelSpec("a", "org/a"), ModelSpec("b", "org/b")])
    assert fake.starts == ["a", "b"]


def test_prompts_go_in_order_of_ids_whatever_the_order_given(
    start: Any, fake: Any, two: list[ModelSpec], examples: list[Example]
) -> None:
    start(two[:1], examples=examples[::-1])
    assert [batch for _, batch in fake.batches] == [
        ("ex-000", "ex-001", "ex-002"),
        ("ex-003", "ex-004", "ex-005"),
        ("ex-006",),
    ]


def test_an_interrupted_evaluation_goes_on_and_gives_the_same(
    start: Any, fake: Any, two: list[ModelSpec], tmp_path: Path
) -> None:
    whole = start(two, out_dir=tmp_path / "whole")
    batches = list(fake.batches)
    fake.batches.clear()
    fake.fail_after = 4  # three batches of base, one of tuned
    with pytest.raises(KeyboardInterrupt):
        start(two)
    assert fake.closed == 2, "the engine is closed also when interrupted"
    assert len(read_records(tmp_path / "eval" / "records.jsonl")) == 7 + 3
    # A kill in the midst of the second batch's writing leaves a whole record and a cut line.
    path = tmp_path / "eval" / "records.jsonl"
    lines = (tmp_path / "whole" / "records.jsonl").read_text().splitlines()
    with path.open("a") as file:
        file.write(lines[10] + "\n" + lines[11][:40])
    done = list(fake.batches)
    fake.fail_after, fake.starts = None, []
    said: list[str] = []
    resumed = start(two, progress=said.append)
    assert resumed == whole
    assert fake.starts == ["tuned"], "a complete model is skipped"
    assert "base: complete, 7 examples; skipped" in said
    assert done + fake.batches[len(done) :] == batches, "the batches are those of an evaluation never stopped"
    assert path.read_text() == (tmp_path / "whole" / "records.jsonl").read_text()


def test_a_complete_evaluation_starts_no_engine(start: Any, fake: Any, two: list[ModelSpec]) -> None:
    first = start(two)
    fake.starts.clear()
    assert start(two) == first
    assert fake.starts == []


def test_changed_weights_are_evaluated_anew(start: Any, fake: Any, two: list[ModelSpec], make_model: MakeModel) -> None:
    start(two)
    make_model("tuned", config='{"hidden_size": 8, "dtype": "bfloat16"}', weights=b"2")
    fake.say = lambda model, i: "new"
    said: list[str] = []
    records = start(two, progress=said.append)
    assert {r.completion for r in records if r.model == "tuned"} == {"new"}
    assert "new" not in {r.completion for r in records if r.model == "base"}
    assert any("weights changed" in line for line in said)


def test_models_added_later_stand_beside_those_there(start: Any, two: list[ModelSpec], tmp_path: Path) -> None:
    start(two[:1])
    assert {r.model for r in start(two[1:])} == {"tuned"}
    summary = json.loads((tmp_path / "eval" / "summary.json").read_text())
    assert [m["label"] for m in summary["models"]] == ["base", "tuned"]
    assert summary["comparisons"][0]["before"] == "base"


@pytest.mark.parametrize(
    ("change", "message"),
    [
        ({"matching": "bfcl"}, "matching: 'typed' there, 'bfcl' now"),
        ({"max_new_tokens": 8}, "max_new_tokens: 256 there, 8 now"),
        ({"extra_settings": {"rollout": "vllm"}}, "rollout: None there, 'vllm' now"),
    ],
)
def test_a_folder_belongs_to_one_setting(
    start: Any, two: list[ModelSpec], change: dict[str, Any], message: str
) -> None:
    start(two[:1])
    with pytest.raises(UsageError, match=message) as caught:
        start(two[:1], **change)
    assert caught.value.exit_code == 2


def test_other_data_under_the_same_ids_is_refused(
    start: Any, two: list[ModelSpec], example: MakeExample, examples: list[Example]
) -> None:
    start(two[:1])
    with pytest.raises(UsageError, match="data_sha256"):
        start(two[:1], examples=[*examples[:-1], example(6, lang="vi")])


def test_long_prompts_are_left_out_counted_and_remembered(
    start: Any, fake: Any, two: list[ModelSpec], example: MakeExample, tmp_path: Path
) -> None:
    data = [example(i) for i in (1, 2, 1000)]  # the question's number lengthens the fake prompt
    said: list[str] = []
    records = start(two[:1], examples=data, max_prompt_tokens=20, progress=said.append)
    assert [r.id for r in records] == ["ex-001", "ex-002"]
    assert "base: 1 of 3 prompts exceed 20 tokens and are left out" in said
    assert json.loads((tmp_path / "eval" / "summary.json").read_text())["models"][0]["dropped"] == 1
    fake.starts.clear()
    assert start(two[:1], examples=data, max_prompt_tokens=20) == records
    assert fake.starts == []


def test_nothing_left_after_dropping_is_an_error(start: Any, fake: Any, two: list[ModelSpec]) -> None:
    with pytest.raises(UsageError, match="every prompt exceeds 1 tokens"):
        start(two[:1], max_prompt_tokens=1)
    assert fake.closed == 1


def test_a_command_that_failed_before_its_first_record_leaves_the_folder_free(
    start: Any, two: list[ModelSpec], tmp_path: Path
) -> None:
    """The error says to change a setting: the changed command must not be refused for the setting it changed."""
    with pytest.raises(UsageError, match="Give a larger --max-model-len"):
        start(two, max_prompt_tokens=1)
    with pytest.raises(UsageError, match="base: every prompt is too long for it"):
        start(two, max_prompt_tokens=1)
    assert len(start(two, max_prompt_tokens=100)) == 14, "nothing is left out that was too long then"
    assert not list((tmp_path / "eval").glob(".lock"))
    with pytest.raises(UsageError, match="max_prompt_tokens: 100 there, 101 now"):
        start(two, max_prompt_tokens=101)


def test_steps_of_running_dialogues_keep_a_folder_to_its_settings(
    start: Any, two: list[ModelSpec], tmp_path: Path
) -> None:
    with pytest.raises(UsageError):
        start(two, max_prompt_tokens=1)
    (tmp_path / "eval" / "steps-0.jsonl").write_text("{}\n")
    with pytest.raises(UsageError, match="other settings"):
        start(two, max_prompt_tokens=100)


def test_two_processes_do_not_write_into_one_folder(start: Any, two: list[ModelSpec], tmp_path: Path) -> None:
    with hold(tmp_path / "eval"), pytest.raises(UsageError, match="another run is writing here"):
        start(two)


@pytest.mark.parametrize(
    ("options", "error", "message"),
    [
        ({"examples": []}, UsageError, "no example"),
        ({"max_new_tokens": 0}, UsageError, "max_new_tokens must be at least 1"),
        ({"chunk_size": 0}, UsageError, "chunk_size must be at least 1"),
        ({"parser": "hermess"}, UsageError, "hermes"),
        ({"matching": "type"}, UsageError, "typed"),
    ],
)
def test_bad_arguments_are_told_before_an_engine_starts(
    start: Any, fake: Any, two: list[ModelSpec], options: dict[str, Any], error: type[Exception], message: str
) -> None:
    with pytest.raises(error, match=message):
        start(two, **options)
    assert fake.starts == []


def test_labels_and_ids_must_be_unique(start: Any, two: list[ModelSpec], example: MakeExample) -> None:
    with pytest.raises(UsageError, match="no model"):
        start([])
    with pytest.raises(UsageError, match="label 'base' is given to two models"):
        start([two[0], two[0]])
    with pytest.raises(DataError, match="ex-001: two examples"):
        start(two, examples=[example(1), example(1)])


def test_records_without_settings_are_not_overwritten(start: Any, two: list[ModelSpec], tmp_path: Path) -> None:
    (tmp_path / "eval").mkdir()
    (tmp_path / "eval" / "records.jsonl").write_text("something of someone\n")
    with pytest.raises(UsageError, match=r"without evaluation\.json"):
        start(two)
    assert (tmp_path / "eval" / "records.jsonl").read_text() == "something of someone\n"


def test_broken_settings_are_named(start: Any, two: list[ModelSpec], tmp_path: Path) -> None:
    (tmp_path / "eval").mkdir()
    (tmp_path / "eval" / "evaluation.json").write_text('{"settings": {}')
    with pytest.raises(DataError, match=r"evaluation\.json"):
        start(two)


def test_a_full_disk_keeps_what_was_written(
    start: Any, fake: Any, two: list[ModelSpec], tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    real = EvalStore.append
    count = 0

    def append(self: EvalStore, records: Sequence[EvalRecord]) -> None:
        nonlocal count
        count += 1
        if count == 2:
            raise RunError("No space left on device")
        real(self, records)

    monkeypatch.setattr(EvalStore, "append", append)
    with pytest.raises(RunError):
        start(two)
    assert len(read_records(tmp_path / "eval" / "records.jsonl")) == 3
    assert fake.closed == 1


@pytest.mark.usefixtures("two_bytes_left")
def test_a_summary_that_cannot_be_written_is_a_run_error(tmp_path: Path) -> None:
    from rlvr.evaluation.store import write_json

    with pytest.raises(RunError, match="File too large"):
        write_json(tmp_path / "x.json", {})
    assert not list(tmp_path.iterdir())


def test_the_summary_and_the_tables(start: Any, two: list[ModelSpec], tmp_path: Path) -> None:
    start(two)
    tables = write_summary(tmp_path / "eval")
    assert [t.title for t in tables] == ["By model", "Paired comparison", "By category and language", "Efficiency"]
    text = (tmp_path / "eval" / "table.md").read_text()
    assert "| base |" in text
    assert "### Paired comparison" in text
    summary = json.loads((tmp_path / "eval" / "summary.json").read_text())
    assert summary["settings"]["seed"] == 0
    assert summary["rows"][0]["figures"]["strict_accuracy"]["n"] == 7
    with pytest.raises(UsageError, match="no evaluation records"):
        write_summary(tmp_path / "nothing")


def test_the_same_evaluation_gives_the_same_bytes(start: Any, two: list[ModelSpec], tmp_path: Path) -> None:
    for name in ("one", "other"):
        start(two, out_dir=tmp_path / name)
    for file in ("records.jsonl", "examples.jsonl", "table.md", "summary.json"):
        assert (tmp_path / "one" / file).read_bytes() == (tmp_path / "other" / file).read_bytes()


def test_a_fingerprint_sees_one_changed_weight_file_and_no_optimizer(make_model: MakeModel) -> None:
    folder = make_model("m", weights=bytes(3_000_000))
    first = fingerprint(folder)
    (folder / "optimizer.pt").write_bytes(b"x")
    (folder / "look.json").write_text("{}")
    assert fingerprint(folder) == first
    (folder / "model.safetensors").write_bytes(bytes(2_999_000) + b"1" * 1000)
    assert fingerprint(folder) != first
    assert fingerprint("org/name") == "org/name"


def test_an_engine_serves_models_of_the_same_end_tokens_alone(
    fake: Any, examples: list[Example], make_model: Any, plain: Any, tmp_path: Path
) -> None:
    """vLLM reads them once, when it starts."""
    ends = {"a": 2, "b": [2], "c": [2, 5]}
    folders = {name: make_model(name, weights=name.encode()) for name in ends}
    for name, ids in ends.items():
        (folders[name] / "generation_config.json").write_text(json.dumps({"eos_token_id": ids}))
    specs = [ModelSpec(name, folder) for name, folder in folders.items()]
    evaluate(specs, examples, fake.factory, out_dir=tmp_path / "out", render=plain)
    assert (fake.starts, fake.switches) == (["a", "c"], ["b"])
