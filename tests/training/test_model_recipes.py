"""Every model's recipes on its chat template: prompts, parser, rewards, and two steps of each with a tiny model."""

from __future__ import annotations

import json
from importlib import util
from pathlib import Path
from typing import Any

import pytest

pytest.importorskip("torch", reason="needs the train extra")
pytest.importorskip("trl", reason="needs the train extra")

from rlvr.data.generator import GeneratorOptions, generate
from rlvr.errors import UsageError
from rlvr.parsers import detect, get_parser
from rlvr.prompts import render, takes_tools
from rlvr.rewards import Context, judge, load_composition
from rlvr.training.dataset import Rendered, grpo_rows
from rlvr.training.recipe import load_recipe
from rlvr.training.run import train
from rlvr.types import Example

_spec = util.spec_from_file_location("model_recipes", Path(__file__).with_name("model_recipes.py"))
assert _spec is not None
assert _spec.loader is not None
made = util.module_from_spec(_spec)
import sys  # noqa: E402

sys.modules["model_recipes"] = made  # a dataclass looks its module up
_spec.loader.exec_module(made)

CASES: tuple[Any, ...] = made.CASES
RECIPES = [(case, path) for case in CASES for path in made.recipes_of(case)]
by_folder = pytest.mark.parametrize("case", CASES, ids=lambda c: c.folder)


@pytest.fixture(scope="module")
def folder(tmp_path_factory: pytest.TempPathFactory) -> Any:
    """The tiny model of a case, made once."""
    root, there = tmp_path_factory.mktemp("models"), {}

    def of(case: Any) -> Path:
        if case.folder not in there:
            there[case.folder] = made.write_model(case, root / case.folder)
        return there[case.folder]

    return of


@pytest.fixture(scope="module")
def examples() -> dict[str, list[Example]]:
    """Examples of every category in English and Chinese."""
    options = {lang: GeneratorOptions(languages={lang: 1}, tools_offered={1: 0.5, 2: 0.5}) for lang in ("en", "zh")}
    return {lang: list(generate("train", 60, 8, option)) for lang, option in options.items()}


def test_every_folder_of_models_has_a_case_and_its_stages() -> None:
    folders = {p.parent.name for p in (made.ROOT / "recipes").glob("*/*.yaml")} - {"accelerate", "verl"}
    assert folders == {case.folder for case in CASES}
    for case in CASES:
        names = {p.stem for p in made.recipes_of(case)}
        assert {"stage1", "stage2"} <= names
        if "taiwan" in case.folder:
            assert "warmup" in names, "it has never seen a call"


@by_folder
def test_the_recipes_parser_reads_what_the_template_asks_for(case: Any) -> None:
    tokenizer = made.tokenizer_of(case)
    assert takes_tools(tokenizer) == case.takes_tools
    if case.takes_tools:
        assert detect(tokenizer) == case.parser
    else:
        with pytest.raises(UsageError):
            detect(tokenizer)
    assert {load_recipe(p)[0].parser for p in made.recipes_of(case)} == {case.parser}


@by_folder
def test_a_prompt_shows_the_tools_and_begins_once(case: Any, examples: dict[str, list[Example]]) -> None:
    """One beginning-of-sequence token, though the template writes one and the tokenizer adds one."""
    tokenizer = made.tokenizer_of(case)
    chosen = tuple(e for lang in case.languages for e in examples[lang][:6])
    prompts = tuple(render(e, tokenizer, case.parser) for e in chosen)
    rows = grpo_rows(Rendered(chosen, prompts, 0, 0), tokenizer)
    for example, prompt, row in zip(chosen, prompts, rows, strict=True):
        assert all(json.dumps(t.name) in prompt.text for t in example.tools)
        assert example.query in prompt.text
        assert not prompt.reasoning_opened
        ids = tokenizer(row["prompt"])["input_ids"]
        assert ids == list(prompt.token_ids)
        if tokenizer.bos_token_id is not None:
            assert ids.count(tokenizer.bos_token_id) == 1
            assert ids[0] == tokenizer.bos_token_id
        assert tokenizer.decode(ids) == prompt.text


@by_folder
@pytest.mark.parametrize("stage", ["stage1", "stage2"])
def test_right_completions_earn_more_than_wrong_ones(case: Any, stage: str, examples: dict[str, list[Example]]) -> None:
    """Right calls (several where several are wanted) against refusals, under the recipe's composition."""
    recipe, _ = load_recipe(made.ROOT / "recipes" / case.folder / f"{stage}.yaml")
    composition = load_composition(str(recipe.composition), stage=recipe.stage)
    parser = get_parser(case.parser)
    functions = composition.reward_functions(parser=case.parser)
    refusal = {"en": "Sorry, I can't do that with the tools I have.", "zh": "抱歉，目前的工具無法完成這個請求。"}
    counts: dict[int, int] = {}
    for lang in case.languages:
        for example in examples[lang]:
            calls = [c.canonical() for c in example.ground_truth]
            counts[len(calls)] = counts.get(len(calls), 0) + 1
            right = parser.render(calls) if calls else refusal[lang]
            wrong = refusal[lang] if calls else parser.render([_any_call(example)])
            read = parser.parse(right, tools=example.tools)
            assert judge(read, Context.of(example)).right, (right, read)
            assert not judge(parser.parse(wrong, tools=example.tools), Context.of(example)).right
            row = {
                "tools": [json.dumps([t.to_json() for t in example.tools])] * 2,
                "ground_truth": [json.dumps([c.to_json() for c in example.ground_truth])] * 2,
                "expects": [example.expects] * 2,
                "lang": [lang] * 2,
            }
            scores = [f([right, wrong], **row) for f in functions]
            good, bad = (
                sum(w * (s[i] or 0.0) for s, w in zip(scores, composition.weights(), strict=True)) for i in (0, 1)
            )
            assert good >= bad + 0.1, (right, wrong)
    assert min(counts.get(0, 0), counts.get(1, 0), sum(n for k, n in counts.items() if k > 1)) > 0, counts


def _any_call(example: Example) -> Any:
    from rlvr.types import ToolCall

    return ToolCall(example.tools[0].name, {})


F1 = next(c for c in CASES if c.folder.endswith("f1-reasoning"))


@pytest.mark.parametrize("lang", ["en", "zh"])
def test_f1_reasons_first_and_then_calls_several_tools(lang: str, examples: dict[str, list[Example]]) -> None:
    """Reasoning within its budget costs nothing, calls inside it are none, and what is never closed made no call."""
    parser = get_parser("hermes")
    composition = load_composition("function_calling_reasoning", stage="stage2")
    example = next(e for e in examples[lang] if len(e.ground_truth) > 1)
    written = parser.render([c.canonical() for c in example.ground_truth])
    thought = {"en": "Two things are asked for.", "zh": "使用者要做兩件事。"}[lang]
    told = {
        "tools": [json.dumps([t.to_json() for t in example.tools])] * 4,
        "ground_truth": [json.dumps([c.to_json() for c in example.ground_truth])] * 4,
        "expects": [example.expects] * 4,
        "lang": [lang] * 4,
    }
    texts = [
        written,
        f"<think>\n{thought}\n</think>\n{written}",
        f"<think>\n{written}\n</think>\n",
        f"<think>\n{thought}\n{written}",
    ]
    assert parser.parse(texts[1], tools=example.tools).calls == parser.parse(written, tools=example.tools).calls
    assert len(parser.parse(texts[1], tools=example.tools).calls) == len(example.ground_truth)
    columns = [f(texts, **told) for f in composition.reward_functions(parser="hermes")]
    totals = [
        sum(w * (c[i] or 0.0) for c, w in zip(columns, composition.weights(), strict=True)) for i in range(len(texts))
    ]
    assert totals[1] == pytest.approx(totals[0])
    assert max(totals[2:]) < totals[0] - 0.1


def test_f1_shows_earlier_calls_and_results_in_its_own_form(examples: dict[str, list[Example]]) -> None:
    example = examples["zh"][0]
    call = {"type": "function", "function": {"name": example.tools[0].name, "arguments": {"城市": "台北"}}}
    messages = (*example.messages, {"role": "assistant", "content": "", "tool_calls": [call, call]})
    messages += ({"role": "tool", "content": "晴"}, {"role": "user", "content": "謝謝，那明天呢？"})
    later = Example("b", "", "multi_turn", messages, example.tools, (), "any", {"lang": "zh"})
    text = render(later, made.tokenizer_of(F1), "hermes").text
    assert text.count("<tool_call>\n{") == 3, "the form in the system turn, and two calls"
    assert "台北" in text, "not as escapes: a model would learn to write them"
    assert "<tool_response>\n晴\n</tool_response>" in text


def test_qwen3_with_thinking_off_closes_an_empty_block_before_the_answer(examples: dict[str, list[Example]]) -> None:
    case = next(c for c in CASES if c.folder == "qwen3-1.7b")
    tokenizer = made.tokenizer_of(case)
    message = [{"role": "user", "content": "?"}]
    texts = [
        tokenizer.apply_chat_template(message, tokenize=False, add_generation_prompt=True, **told)
        for told in ({}, {"enable_thinking": True}, {"enable_thinking": False})
    ]
    assert texts[0] == texts[1]
    assert texts[2] == texts[0] + "<think>\n\n</think>\n\n"


def test_the_recipes_without_thinking_turn_it_off() -> None:
    named = [path for _, path in RECIPES if path.stem.endswith("-no-thinking")]
    assert len(named) == 4
    for path in named:
        assert getattr(load_recipe(path)[0], "thinking", False) is False


SMALL = [
    "precision=fp32",
    "max_minutes=null",
    "data.max_prompt_tokens=6000",
    "trl.max_steps=2",
    "trl.per_device_train_batch_size=4",
    "trl.gradient_accumulation_steps=1",
    "trl.save_steps=100",
]


def small(recipe: Any, mapping: dict[str, Any], model: Path, data: Path) -> list[str]:
    """Overrides of a recipe: the model, where it reads and how much of everything, and nothing else."""
    out = [*SMALL, f"model={model}"]
    out += ["engine={}"] if "engine" in mapping else []  # of an engine that is not used here
    if recipe.kind == "grpo":
        out += ["rollout=transformers", "trl.max_completion_length=6", "trl.num_generations=2"]
    places = [("data", recipe.data)]
    if recipe.selection is not None:
        out += ["selection.every=2", "selection.data.max_prompt_tokens=6000"]
        places.append(("selection.data", recipe.selection.data))
    for where, options in places:
        for i, source in enumerate(options.sources):
            out.append(f"{where}.sources.{i}.count={8 if where == 'data' else 24}")
            if source.source == "parquet":
                out.append(f"{where}.sources.{i}.path={data}")
            elif source.source == "jsonl":
                out.append(f"{where}.sources.{i}.path={data.with_name('rows.jsonl')}")
    return out


@pytest.fixture(scope="module")
def legal_data(tmp_path_factory: pytest.TempPathFactory) -> Path:
    """What the legal model's data recipe builds, fewer rows of it; and rows of our form beside it."""
    pytest.importorskip("pyarrow", reason="needs the data extra")
    from rlvr.cli import main
    from rlvr.data.write import write_jsonl

    out = tmp_path_factory.mktemp("data") / "legal"
    argv = ["data", "build", "llama-3.2-taiwan-legal-3b/data", "--out", str(out)]
    for told in ("sources.0.count=150", "negatives.count=40", "heldout.share=0.1"):
        argv += ["--set", told]
    assert main(argv) == 0
    several = GeneratorOptions(categories={"simple": 1, "parallel": 1}, tools_offered={1: 1})
    write_jsonl(generate("train", 40, 3, several), out.with_name("rows.jsonl"))
    return out


def test_the_legal_rows_refuse_by_domain_in_chinese(legal_data: Path) -> None:
    from rlvr.data.mixture import read_parquet

    rows = list(read_parquet(legal_data, "train"))
    kinds = [(r.meta.get("negative") or {}).get("kind") for r in rows]
    assert kinds.count("domain_mismatch") >= 10
    assert all(r.expects == "refuse" for r, kind in zip(rows, kinds, strict=True) if kind)
    assert sum(r.lang == "zh" for r in rows) > 0.7 * len(rows)


def _id(pair: Any) -> str:
    return f"{pair[0].folder}/{pair[1].stem}"


# One recipe a model is always run, its first stage; the rest with the slow tests.
ALWAYS = ("stage1",)
STEPS = [
    pytest.param(case, path, id=_id((case, path)), marks=() if path.stem in ALWAYS else (pytest.mark.slow,))
    for case, path in RECIPES
]


@pytest.mark.parametrize(("case", "path"), STEPS)
def test_two_steps_of_a_recipe(case: Any, path: Path, folder: Any, legal_data: Path, tmp_path: Path) -> None:
    recipe, mapping = load_recipe(path)
    final = train(*load_recipe(path, small(recipe, mapping, folder(case), legal_data)), tmp_path / "run")
    record = json.loads((tmp_path / "run" / "run.json").read_text())
    assert record["steps"] == 2
    rows = [json.loads(x) for x in (tmp_path / "run" / "metrics.jsonl").read_text().splitlines()]
    assert all(r["loss"] is not None for r in rows if "loss" in r)
    assert [r["step"] for r in rows if "loss" in r] == [1, 2]
    weights = final / ("adapter_model.safetensors" if recipe.lora and not recipe.lora.merged else "model.safetensors")
    assert weights.is_file()
    if recipe.kind == "grpo":
        assert "rewards/correctness/mean" in next(r for r in rows if "loss" in r)
        looked = [r["step"] for r in rows if "selection/strict" in r]
        assert looked in ([[2], [0, 2]] if recipe.selection else [[]])
