"""Conversion: a GGUF file becomes a folder that loads, with the same weights and a tokenizer made right."""

from __future__ import annotations

import shutil
from pathlib import Path
from typing import Any

import pytest

from rlvr.models import check_model_folder
from rlvr.models.convert import CHAT_TEMPLATE, EOS, convert_gguf, rewrite_tokenizer

SIZE, HEADS, KV_HEADS, WIDE, LAYERS = 32, 2, 1, 64, 2
TOKENS = ["<|endoftext|>", "<|im_start|>", "<|im_end|>"]


def write_gguf(path: Path) -> dict[str, Any]:
    """A tiny Llama as GGUF, in float32; returns its tensors by their GGUF names."""
    gguf = pytest.importorskip("gguf", reason="needs the train extra")
    import numpy as np
    from tokenizers import pre_tokenizers

    vocabulary = [*TOKENS, *sorted(pre_tokenizers.ByteLevel.alphabet()), "he", "ll"]
    writer = gguf.GGUFWriter(str(path), "llama")
    writer.add_context_length(128)
    writer.add_embedding_length(SIZE)
    writer.add_block_count(LAYERS)
    writer.add_feed_forward_length(WIDE)
    writer.add_head_count(HEADS)
    writer.add_head_count_kv(KV_HEADS)
    writer.add_rope_dimension_count(SIZE // HEADS)
    writer.add_rope_freq_base(10000.0)
    writer.add_layer_norm_rms_eps(1e-5)
    writer.add_vocab_size(len(vocabulary))
    writer.add_tokenizer_model("gpt2")
    writer.add_tokenizer_pre("smollm")
    writer.add_token_list(vocabulary)
    writer.add_token_types([3] * len(TOKENS) + [1] * (len(vocabulary) - len(TOKENS)))
    writer.add_token_merges(["h e", "l l"])
    writer.add_bos_token_id(1)
    writer.add_eos_token_id(2)
    rng = np.random.default_rng(0)
    key_size = SIZE // HEADS * KV_HEADS
    shapes: dict[str, tuple[int, ...]] = {"token_embd.weight": (len(vocabulary), SIZE), "output_norm.weight": (SIZE,)}
    for i in range(LAYERS):
        shapes |= {
            f"blk.{i}.attn_norm.weight": (SIZE,),
            f"blk.{i}.attn_q.weight": (SIZE, SIZE),
            f"blk.{i}.attn_k.weight": (key_size, SIZE),
            f"blk.{i}.attn_v.weight": (key_size, SIZE),
            f"blk.{i}.attn_output.weight": (SIZE, SIZE),
            f"blk.{i}.ffn_norm.weight": (SIZE,),
            f"blk.{i}.ffn_gate.weight": (WIDE, SIZE),
            f"blk.{i}.ffn_up.weight": (WIDE, SIZE),
            f"blk.{i}.ffn_down.weight": (SIZE, WIDE),
        }
    tensors = {name: rng.standard_normal(shape, dtype=np.float32) for name, shape in shapes.items()}
    for name, tensor in tensors.items():
        writer.add_tensor(name, tensor)
    writer.write_header_to_file()
    writer.write_kv_data_to_file()
    writer.write_tensors_to_file()
    writer.close()
    return tensors


@pytest.fixture(scope="module")
def converted(tmp_path_factory: pytest.TempPathFactory) -> tuple[Path, dict[str, Any]]:
    pytest.importorskip("transformers", reason="needs the train extra")
    folder = tmp_path_factory.mktemp("gguf")
    tensors = write_gguf(folder / "tiny.gguf")
    convert_gguf(folder / "tiny.gguf", folder / "out")
    return folder / "out", tensors


def test_the_folder_is_complete_and_bfloat16(converted: tuple[Path, dict[str, Any]]) -> None:
    import torch
    from transformers import AutoModelForCausalLM

    folder, tensors = converted
    check_model_folder(folder)
    model = AutoModelForCausalLM.from_pretrained(folder)
    assert model.dtype == torch.bfloat16
    assert not hasattr(model.config, "quantization_config")
    kept = model.model.embed_tokens.weight.float()
    assert torch.allclose(kept, torch.from_numpy(tensors["token_embd.weight"]), atol=0.02, rtol=0.01)
    down = model.model.layers[1].mlp.down_proj.weight.float()
    assert torch.allclose(down, torch.from_numpy(tensors["blk.1.ffn_down.weight"]), atol=0.02, rtol=0.01)


def test_generation_stops_at_the_end_of_a_turn(converted: tuple[Path, dict[str, Any]]) -> None:
    from transformers import AutoModelForCausalLM, AutoTokenizer

    folder, _ = converted
    tokenizer = AutoTokenizer.from_pretrained(folder)
    model = AutoModelForCausalLM.from_pretrained(folder)
    end = tokenizer.convert_tokens_to_ids(EOS)
    assert tokenizer.eos_token == tokenizer.pad_token == EOS
    assert tokenizer.eos_token_id == model.generation_config.eos_token_id == model.config.eos_token_id == end
    assert tokenizer.chat_template == CHAT_TEMPLATE
    assert tokenizer.padding_side == "left"


def test_a_folder_of_the_hub_gets_the_same_tokenizer(tiny_model: Path, tmp_path: Path) -> None:
    from transformers import AutoTokenizer

    folder = Path(shutil.copytree(tiny_model, tmp_path / "m"))
    before = AutoTokenizer.from_pretrained(folder)
    before.eos_token, before.chat_template = "<|endoftext|>", "{{ messages }}"
    before.save_pretrained(folder)
    rewrite_tokenizer(folder)
    after = AutoTokenizer.from_pretrained(folder)
    assert (after.eos_token, after.pad_token, after.chat_template) == (EOS, EOS, CHAT_TEMPLATE)
    assert after.decode(after("hello <|im_end|>", add_special_tokens=False)["input_ids"]) == "hello <|im_end|>"


def test_the_chat_template_writes_tools_calls_and_results(tiny_model: Path) -> None:
    from transformers import AutoTokenizer

    tokenizer = AutoTokenizer.from_pretrained(tiny_model)
    tool = {"type": "function", "function": {"name": "f", "description": "Đo", "parameters": {"type": "object"}}}
    call = {"type": "function", "function": {"name": "f", "arguments": {"a": "Hà Nội"}}}
    messages = [
        {"role": "system", "content": "Be brief."},
        {"role": "user", "content": "hi"},
        {"role": "assistant", "content": "", "tool_calls": [call, call]},
        {"role": "tool", "content": "1"},
        {"role": "tool", "content": "2"},
        {"role": "assistant", "content": "Done.", "reasoning_content": "Hm."},
        {"role": "user", "content": "ok"},
    ]
    text = tokenizer.apply_chat_template(messages, tools=[tool], add_generation_prompt=True, tokenize=False)
    written = '<tool_call>\n{"name": "f", "arguments": {"a": "Hà Nội"}}\n</tool_call>'
    assert text == (
        "<|im_start|>system\nBe brief.\nCall functions to answer. Functions:\n<tools>\n"
        '{"name":"f","description":"Đo","parameters":{"type":"object"}}\n</tools>\n'
        'For each call write <tool_call>\n{"name": ..., "arguments": {...}}\n</tool_call>. '
        "If no function fits, say so in the user's language and call none.<|im_end|>\n"
        "<|im_start|>user\nhi<|im_end|>\n"
        f"<|im_start|>assistant\n{written}\n{written}<|im_end|>\n"
        "<|im_start|>user\n<tool_response>\n1\n</tool_response>\n<tool_response>\n2\n</tool_response><|im_end|>\n"
        "<|im_start|>assistant\n<think>\nHm.\n</think>\nDone.<|im_end|>\n"
        "<|im_start|>user\nok<|im_end|>\n<|im_start|>assistant\n"
    )
    plain = tokenizer.apply_chat_template(messages[1:2], add_generation_prompt=True, tokenize=False)
    assert plain == "<|im_start|>user\nhi<|im_end|>\n<|im_start|>assistant\n"
