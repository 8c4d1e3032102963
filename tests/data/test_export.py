"""`rlvr data export --to verl`: rows in verl's documented form, the prompts that rlvr trains on, the same rewards."""

from __future__ import annotations

import json
from collections.abc import Iterator
from pathlib import Path
from typing import Any

import pytest

pa = pytest.importorskip("pyarrow", reason="needs the data extra")

import pyarrow.parquet as pq  # noqa: E402

from rlvr.cli import main  # noqa: E402
from rlvr.data import export  # noqa: E402
from rlvr.data.export import export_verl, read_examples, verl_schema  # noqa: E402
from rlvr.data.generator import generate  # noqa: E402
from rlvr.data.plain_turns import plain_turns  # noqa: E402
from rlvr.data.write import write_jsonl  # noqa: E402
from rlvr.errors import DataError  # noqa: E402
from rlvr.integrations import verl  # noqa: E402
from rlvr.parsers import get_parser  # noqa: E402
from rlvr.prompts import render  # noqa: E402
from rlvr.rewards import score  # noqa: E402
from rlvr.types import Example, Tool, ToolCall  # noqa: E402


@pytest.fixture(scope="module")
def examples() -> list[Example]:
    return list(generate("train", 60, 5))


def rows(path: Path) -> list[dict[str, Any]]:
    return pq.read_table(path).to_pylist()


def test_a_row_has_verls_columns_and_the_tools_stand_in_the_prompt(tmp_path: Path, examples: list[Example]) -> None:
    """verl renders `prompt` without tools of the row's own: what is not in the messages is not seen."""
    assert export_verl(examples, tmp_path / "train.parquet") == 60
    written = rows(tmp_path / "train.parquet")
    assert list(written[0]) == ["data_source", "prompt", "ability", "reward_model", "extra_info"]
    for example, row in zip(examples, written, strict=True):
        assert (row["data_source"], row["ability"], row["reward_model"]["style"]) == ("rlvr", example.category, "rule")
        assert set(row["prompt"][0]) == {"role", "content"}
        assert [t["role"] for t in row["prompt"]] == ["system", *(m["role"] for m in example.messages)]
        assert all(json.dumps(t.name) in row["prompt"][0]["content"] for t in example.tools)
        assert row["prompt"][-1]["content"] == example.query
        assert json.loads(row["extra_info"]["tools"]) == [t.to_json() for t in example.tools]
    assert [r["extra_info"]["index"] for r in written] == list(range(60))
    assert {r["extra_info"]["split"] for r in written} == {"train"}


def test_exported_rows_earn_what_the_direct_score_gives(tmp_path: Path, examples: list[Example]) -> None:
    """Right calls, wrong ones, refusals and broken markup, for every row, read back from the disk."""
    export_verl(examples, tmp_path / "train.parquet")
    write = get_parser("hermes").render
    said = set()
    for example, row in zip(examples, rows(tmp_path / "train.parquet"), strict=True):
        gold = [c.canonical() for c in example.ground_truth]
        first = ToolCall(example.tools[0].name, {})
        right = write(gold) if gold else "No."
        for text in (right, write([first]), "Sorry, I can't do that with these tools.", "<tool_call>{"):
            for stage in ("stage1", "stage2"):
                direct = score(
                    text,
                    tools=[t.to_json() for t in example.tools],
                    ground_truth=[c.to_json() for c in example.ground_truth],
                    expects=example.expects,
                    lang=example.lang,
                    query=example.query,
                    stage=stage,
                )
                truth = row["reward_model"]["ground_truth"]
                numbers = verl.compute_score(row["data_source"], text, truth, row["extra_info"], stage=stage)
                assert numbers["score"] == pytest.approx(direct.total)
                assert numbers["acc"] == float(direct.verdict.right)
                said.add(round(direct.total, 2))
    assert len(said) > 6, "every completion earned about the same: the test would show little"


class Chat:
    """A tokenizer of one template; `before` is what it writes before the tools."""

    bos_token = None

    def __init__(self, template: str) -> None:
        self.chat_template = template

    def apply_chat_template(self, conversation: Any, tools: Any = None, **_: Any) -> str:
        from transformers.utils.chat_template_utils import render_jinja_template

        rendered, _ = render_jinja_template([conversation], tools=tools, chat_template=self.chat_template,
                                            add_generation_prompt=True)  # fmt: skip
        return str(rendered[0])

    def __call__(self, text: str, **_: Any) -> dict[str, list[int]]:
        return {"input_ids": [ord(c) for c in text]}


def trl_template(name: str) -> str:
    trl = pytest.importorskip("trl", reason="needs the train extra")
    return (Path(trl.__file__).parent / "chat_templates" / f"{name}.jinja").read_text(encoding="utf-8")


@pytest.mark.parametrize("template", ["qwen3", "qwen2_5", "own"])
def test_with_a_tokenizer_verl_renders_the_very_prompt_that_rlvr_trains_on(
    examples: list[Example], template: str
) -> None:
    from rlvr.models.convert import CHAT_TEMPLATE

    tokenizer = Chat(CHAT_TEMPLATE if template == "own" else trl_template(template))
    for example in examples[:20]:
        turns = plain_turns(example, tokenizer=tokenizer)
        assert tokenizer.apply_chat_template(turns) == render(example, tokenizer).text
        assert turns[0]["role"] == "system"
        assert turns != plain_turns(example), "the template's own words stand there, not rlvr's"


def test_a_dialogue_with_calls_keeps_its_prompt(examples: list[Example]) -> None:
    tokenizer = Chat(trl_template("qwen3"))
    tool = Tool("get_weather", "", {"type": "object", "properties": {"city": {"type": "string"}}})
    call = {"type": "function", "function": {"name": "get_weather", "arguments": {"city": "Hà Nội"}}}
    messages = (
        {"role": "system", "content": "Be brief."},
        {"role": "user", "content": "Weather?"},
        {"role": "assistant", "content": "", "tool_calls": [call]},
        {"role": "tool", "content": "31 °C"},
        {"role": "user", "content": "And tomorrow?"},
    )
    example = Example("a", "", "multi_turn", messages, (tool,), (), "any", {})
    turns = plain_turns(example, tokenizer=tokenizer)
    assert tokenizer.apply_chat_template(turns) == render(example, tokenizer).text
    assert "Be brief." in turns[0]["content"]
    assert all(set(t) == {"role", "content"} for t in turns)


def test_a_template_that_puts_tools_elsewhere_is_refused_with_the_way_out(examples: list[Example]) -> None:
    with pytest.raises(DataError, match="Leave the tokenizer out"):
        plain_turns(examples[0], tokenizer=Chat(trl_template("llama3_2")))
    assert plain_turns(examples[0])[0]["role"] == "system"


def test_the_command_exports_a_file_and_refuses_what_it_cannot(
    tmp_path: Path, examples: list[Example], capsys: pytest.CaptureFixture[str]
) -> None:
    data, out = tmp_path / "a.jsonl.gz", tmp_path / "deep" / "train.parquet"
    write_jsonl(examples, data)
    assert main(["data", "export", str(data), "--to", "verl", "--out", str(out)]) == 0
    assert f"60 rows written to {out}" in capsys.readouterr().out
    assert pq.read_schema(out).equals(verl_schema())
    before = out.read_bytes()
    broken = tmp_path / "broken.jsonl"
    broken.write_text(data_line(examples[0]) + '{"messages": [{"role": "user", "content": "?"}], "tools": 3}\n')
    for argv, code, said in (
        ([str(data), "--out", str(out)], 2, "is there already"),
        ([str(tmp_path / "no.jsonl"), "--out", str(tmp_path / "b.parquet")], 2, "no such file or folder"),
        ([str(data), "--out", str(tmp_path), "--force"], 2, "is a folder"),
        ([str(data), "--parser", "hermse", "--out", str(tmp_path / "b.parquet")], 2, "Did you mean hermes"),
        ([str(broken), "--out", str(out), "--force"], None, "broken.jsonl:2"),
    ):
        found = main(["data", "export", argv[0], "--to", "verl", *argv[1:]])
        text = capsys.readouterr().err
        assert found == code if code is not None else found != 0
        assert said in text
        assert "Traceback" not in text
    assert out.read_bytes() == before, "what was there is unharmed"
    assert [p.name for p in out.parent.iterdir()] == [out.name]


def data_line(example: Example) -> str:
    return json.dumps(example.to_json(), ensure_ascii=False) + "\n"


def test_an_empty_file_is_refused(tmp_path: Path) -> None:
    (tmp_path / "a.jsonl").write_text("")
    with pytest.raises(DataError, match="no example to write"):
        export_verl(read_examples(tmp_path / "a.jsonl"), tmp_path / "out.parquet")
    assert not (tmp_path / "out.parquet").exists()


def test_few_rows_are_held_at_once(tmp_path: Path, examples: list[Example], monkeypatch: pytest.MonkeyPatch) -> None:
    """The source is asked for a group, the group is written, and only then is it asked for the next."""
    monkeypatch.setattr(export, "ROWS_AT_ONCE", 7)
    asked, written = [], []

    def source() -> Iterator[Example]:
        for example in examples:
            asked.append(example.id)
            yield example

    original = pq.ParquetWriter.write_table

    def write_table(self: Any, table: Any, *args: Any, **kwargs: Any) -> None:
        written.append((len(asked), table.num_rows))
        original(self, table, *args, **kwargs)

    monkeypatch.setattr(pq.ParquetWriter, "write_table", write_table)
    assert export_verl(source(), tmp_path / "a.parquet") == 60
    assert written == [(min(7 * (i + 1), 60), 7 if i < 8 else 4) for i in range(9)]
    assert pq.ParquetFile(tmp_path / "a.parquet").metadata.num_row_groups == 9


def test_half_a_surrogate_pair_is_told_by_its_row(tmp_path: Path, examples: list[Example]) -> None:
    broken = dict(json.loads(data_line(examples[0])), id="e-1", messages=[{"role": "user", "content": "a\ud83d"}])
    data = tmp_path / "d.jsonl"
    data.write_text(json.dumps(broken) + "\n")
    with pytest.raises(DataError, match="e-1: holds half a surrogate pair"):
        export_verl(read_examples(data), tmp_path / "out.parquet")
    assert not (tmp_path / "out.parquet").exists()
