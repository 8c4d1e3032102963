"""GGUF to safetensors, and a tokenizer made right: eos, pad, and a chat template that takes tools.

transformers de-quantizes a GGUF file when it loads it, but the model it returns still says that it is quantized and
cannot be saved: its state is copied into a fresh model of the same configuration.
"""

from __future__ import annotations

from pathlib import Path
from typing import Any

EOS = "<|im_end|>"

# ChatML with Hermes tool calls. Tools are written as bare JSON objects, one a line, to keep prompts short.
CHAT_TEMPLATE = """\
{%- set ns = namespace(system='') -%}
{%- if messages and messages[0]['role'] == 'system' -%}
{%- set ns.system = messages[0]['content'] -%}
{%- endif -%}
{%- if tools -%}
{{- '<|im_start|>system\\n' -}}
{%- if ns.system -%}{{- ns.system ~ '\\n' -}}{%- endif -%}
{{- 'Call functions to answer. Functions:\\n<tools>\\n' -}}
{%- for tool in tools -%}
{{- (tool.function if tool.function is defined else tool) | tojson(separators=(',', ':')) -}}{{- '\\n' -}}
{%- endfor -%}
{{- '</tools>\\nFor each call write <tool_call>\\n{"name": ..., "arguments": {...}}\\n</tool_call>. ' -}}
{{- 'If no function fits, say so in the user\\'s language and call none.<|im_end|>\\n' -}}
{%- elif ns.system -%}
{{- '<|im_start|>system\\n' ~ ns.system ~ '<|im_end|>\\n' -}}
{%- endif -%}
{%- for message in messages -%}
{%- if message['role'] == 'system' -%}
{%- elif message['role'] == 'assistant' -%}
{{- '<|im_start|>assistant\\n' -}}
{%- if message.reasoning_content -%}
{{- '<think>\\n' ~ message.reasoning_content ~ '\\n</think>\\n' -}}
{%- endif -%}
{{- message['content'] or '' -}}
{%- for call in message.tool_calls or [] -%}
{%- set fn = call.function if call.function is defined else call -%}
{%- if message['content'] or not loop.first -%}{{- '\\n' -}}{%- endif -%}
{{- '<tool_call>\\n{"name": ' ~ (fn.name | tojson) ~ ', "arguments": ' -}}
{{- (fn.arguments if fn.arguments is string else fn.arguments | tojson) ~ '}\\n</tool_call>' -}}
{%- endfor -%}
{{- '<|im_end|>\\n' -}}
{%- elif message['role'] == 'tool' -%}
{%- if loop.first or loop.previtem['role'] != 'tool' -%}{{- '<|im_start|>user\\n' -}}{%- endif -%}
{{- '<tool_response>\\n' ~ message['content'] ~ '\\n</tool_response>' -}}
{{- '<|im_end|>\\n' if loop.last or loop.nextitem['role'] != 'tool' else '\\n' -}}
{%- else -%}
{{- '<|im_start|>' ~ message['role'] ~ '\\n' ~ message['content'] ~ '<|im_end|>\\n' -}}
{%- endif -%}
{%- endfor -%}
{%- if add_generation_prompt -%}
{{- '<|im_start|>assistant\\n' -}}
{%- endif -%}
"""


def convert_gguf(gguf: Path, out: Path) -> None:
    """Write the model of a GGUF file as a transformers folder (bfloat16 safetensors) with a right tokenizer."""
    import torch
    from transformers import AutoConfig, AutoModelForCausalLM, AutoTokenizer
    from transformers.utils import logging as hf_logging

    hf_logging.disable_progress_bar()
    folder, name = str(gguf.parent), gguf.name
    loaded = AutoModelForCausalLM.from_pretrained(folder, gguf_file=name, dtype=torch.float32)
    config = AutoConfig.from_pretrained(folder, gguf_file=name)
    if hasattr(config, "quantization_config"):
        del config.quantization_config
    fresh = AutoModelForCausalLM.from_config(config, dtype=torch.float32)
    fresh.load_state_dict(loaded.state_dict())
    tokenizer = AutoTokenizer.from_pretrained(folder, gguf_file=name)
    _mend(tokenizer)
    eos = tokenizer.convert_tokens_to_ids(EOS)
    fresh.config.eos_token_id = fresh.config.pad_token_id = eos
    fresh.generation_config.eos_token_id = fresh.generation_config.pad_token_id = eos
    fresh.to(torch.bfloat16).save_pretrained(out)
    tokenizer.save_pretrained(out)


def rewrite_tokenizer(folder: Path) -> None:
    """Give the tokenizer of a folder that came from the hub the same eos, pad and chat template."""
    from transformers import AutoTokenizer

    tokenizer = AutoTokenizer.from_pretrained(folder)
    _mend(tokenizer)
    tokenizer.save_pretrained(folder)


def _mend(tokenizer: Any) -> None:
    tokenizer.eos_token = tokenizer.pad_token = EOS
    tokenizer.chat_template = CHAT_TEMPLATE
    for name, value in {"padding_side": "left", "clean_up_tokenization_spaces": False}.items():
        setattr(tokenizer, name, value)
        tokenizer.init_kwargs[name] = value  # an attribute alone would not be saved
