"""The models of `recipes/` in small: their architecture, random, their chat template, a tokenizer made here."""

from __future__ import annotations

import json
from collections.abc import Iterator
from dataclasses import dataclass
from functools import cache
from pathlib import Path
from typing import Any

ROOT = Path(__file__).resolve().parents[2]
VOCABULARY = 1500
CHATML = ("<|endoftext|>", "<|im_start|>", "<|im_end|>")
LLAMA = ("<|begin_of_text|>", "<|end_of_text|>", "<|start_header_id|>", "<|end_header_id|>", "<|eot_id|>")


@dataclass(frozen=True)
class ModelCase:
    """One folder of `recipes/`: `template` is a file of TRL's wheel, `fixture:NAME` one of ours, empty for a base
    model.

    `takes_tools`: the template writes them itself; else they stand in rlvr's system prompt.
    """

    folder: str
    architecture: str
    template: str
    parser: str
    takes_tools: bool
    languages: tuple[str, ...] = ("en", "zh")


CASES = (
    ModelCase("smollm2-135m", "llama", "own", "hermes", True),
    ModelCase("qwen3-0.6b", "qwen3", "qwen3", "hermes", True),
    ModelCase("qwen3-1.7b", "qwen3", "qwen3", "hermes", True),
    ModelCase("llama-3.2-3b", "llama", "llama3_2", "llama3_json", True),
    ModelCase("llama-3.2-3b-f1-reasoning", "llama", "fixture:f1_reasoning", "hermes", True),
    ModelCase("llama-3.2-taiwan-3b", "llama", "", "hermes", False),
    ModelCase("llama-3.2-taiwan-legal-3b", "llama", "llama3", "hermes", False),
    ModelCase("llama-3-taiwan-70b", "llama", "llama3", "hermes", False),
)


def template_text(name: str) -> str | None:
    """A chat template by its name; `None` for a base model's."""
    if not name:
        return None
    if name == "own":
        from rlvr.models.convert import CHAT_TEMPLATE

        return CHAT_TEMPLATE
    if name.startswith("fixture:"):
        return (ROOT / "tests" / "fixtures" / f"{name.removeprefix('fixture:')}.jinja").read_text(encoding="utf-8")
    import trl

    return (Path(trl.__file__).parent / "chat_templates" / f"{name}.jinja").read_text(encoding="utf-8")


def words() -> Iterator[str]:
    """What a tokenizer is trained on here: prompts and calls of the generator, so that prompts are short."""
    from rlvr.data.generator import generate
    from rlvr.prompts import HERMES_SYSTEM_PROMPT

    for example in generate("train", 150, 4):
        yield HERMES_SYSTEM_PROMPT.format(tools=json.dumps([t.to_json() for t in example.tools], ensure_ascii=False))
        yield example.query


@cache
def core_tokenizer(special: tuple[str, ...]) -> str:
    """A byte-level tokenizer as JSON, trained in a second."""
    from tokenizers import Tokenizer, decoders, models, pre_tokenizers, trainers

    core = Tokenizer(models.BPE())
    core.pre_tokenizer = pre_tokenizers.ByteLevel(add_prefix_space=False)
    core.decoder = decoders.ByteLevel()
    alphabet = pre_tokenizers.ByteLevel.alphabet()
    trainer = trainers.BpeTrainer(
        vocab_size=VOCABULARY, special_tokens=list(special), initial_alphabet=alphabet, show_progress=False
    )
    core.train_from_iterator(words(), trainer)
    return str(core.to_str())


def tokenizer_of(case: ModelCase) -> Any:
    """A tokenizer with the case's special tokens and template. Llama's puts its first token before every text."""
    from tokenizers import Tokenizer
    from tokenizers.processors import TemplateProcessing
    from transformers import PreTrainedTokenizerFast

    chatml = case.template in ("own", "qwen3")
    core = Tokenizer.from_str(core_tokenizer(CHATML if chatml else LLAMA))
    if not chatml:
        begin = LLAMA[0]
        core.post_processor = TemplateProcessing(
            single=f"{begin} $A", special_tokens=[(begin, core.token_to_id(begin))]
        )
    end = "<|im_end|>" if chatml else "<|eot_id|>" if case.template else "<|end_of_text|>"
    return PreTrainedTokenizerFast(
        tokenizer_object=core,
        bos_token=None if chatml else LLAMA[0],
        eos_token=end,
        pad_token=end if chatml else "<|end_of_text|>",
        chat_template=template_text(case.template),
        padding_side="left",
        clean_up_tokenization_spaces=False,
    )


def write_model(case: ModelCase, folder: Path) -> Path:
    """A model folder of the case's architecture: 2 layers, 32 wide, random."""
    import torch
    from transformers import AutoModelForCausalLM, LlamaConfig, Qwen3Config

    tokenizer = tokenizer_of(case)
    config = (Qwen3Config if case.architecture == "qwen3" else LlamaConfig)(
        vocab_size=len(tokenizer),
        hidden_size=32,
        intermediate_size=64,
        num_hidden_layers=2,
        num_attention_heads=2,
        num_key_value_heads=1,
        head_dim=16,
        max_position_embeddings=8192,
        # The large Llama has a head of its own; the others share the embeddings.
        tie_word_embeddings="70b" not in case.folder,
        bos_token_id=tokenizer.bos_token_id,
        eos_token_id=tokenizer.eos_token_id,
        pad_token_id=tokenizer.pad_token_id,
    )
    with torch.random.fork_rng(devices=[]):
        torch.manual_seed(0)
        model = AutoModelForCausalLM.from_config(config)
    model.to(torch.bfloat16).save_pretrained(folder)
    tokenizer.save_pretrained(folder)
    return folder


def recipes_of(case: ModelCase) -> list[Path]:
    """The training recipes of a folder, the warm-up first."""
    from rlvr.strict import read_yaml

    found = [p for p in sorted((ROOT / "recipes" / case.folder).glob("*.yaml")) if read_yaml(p).get("kind") != "data"]
    return sorted(found, key=lambda p: ("warmup" not in p.stem, p.stem))
