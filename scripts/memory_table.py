"""Write the tables of docs/choosing.md: what models of known shape need of memory, by the page's formulas.

Run it after a formula or a shape changed: `python scripts/memory_table.py`. `--check` writes nothing, and exits with 1
where the page is not what it would write; the tests do the same.
"""

from __future__ import annotations

import sys
from dataclasses import dataclass
from pathlib import Path

PAGE = Path(__file__).resolve().parents[1] / "docs" / "choosing.md"
BEGIN, END = "<!-- {}-table -->", "<!-- /{}-table -->"
GB = 1e9


@dataclass(frozen=True)
class Shape:
    """A decoder's shape, as its config.json has it."""

    name: str
    layers: int
    hidden: int
    inner: int
    heads: int
    key_heads: int
    head_dim: int
    vocabulary: int
    tied: bool

    @property
    def linear_shapes(self) -> list[tuple[int, int]]:
        """(in, out) of a layer's linear maps: q, k, v, o, gate, up, down."""
        d, q, kv = self.hidden, self.heads * self.head_dim, self.key_heads * self.head_dim
        return [(d, q), (d, kv), (d, kv), (q, d), (d, self.inner), (d, self.inner), (self.inner, d)]

    @property
    def parameters(self) -> int:
        """Without the norms, which are less than a ten-thousandth."""
        layer = sum(a * b for a, b in self.linear_shapes)
        return self.layers * layer + self.vocabulary * self.hidden * (1 if self.tied else 2)

    def adapter(self, r: int) -> int:
        """Trained parameters of LoRA on every linear map of the layers."""
        return self.layers * r * sum(a + b for a, b in self.linear_shapes)

    @property
    def cache_per_token(self) -> int:
        """Bytes of keys and values of one token, in bf16."""
        return 2 * self.layers * self.key_heads * self.head_dim * 2

    def checkpointed(self, tokens: int, size: int = 4) -> int:
        """Activations with gradient checkpointing: every layer's input, and one layer's inside."""
        return self.layers * tokens * self.hidden * size + 34 * tokens * self.hidden

    def kept(self, tokens: int) -> int:
        """Activations without it: 34 bytes a token and hidden dimension in each layer."""
        return self.layers * 34 * tokens * self.hidden

    def logits(self, tokens: int) -> int:
        """fp32 logits of so many positions and their gradient, where nothing fuses the head."""
        return 2 * 4 * tokens * self.vocabulary


SHAPES = (
    Shape("Qwen3-0.6B", 28, 1024, 3072, 16, 8, 128, 151_936, True),
    Shape("Qwen3-1.7B", 28, 2048, 6144, 16, 8, 128, 151_936, True),
    Shape("Llama-3.2-3B", 28, 3072, 8192, 24, 8, 128, 128_256, True),
    Shape("Llama-3-70B", 80, 8192, 28_672, 64, 8, 128, 128_256, False),
)
MICRO_BATCH, PROMPT, COMPLETION = 8, 2048, 512
SEQUENCES, R = 64, 32


def _row(cells: list[str]) -> str:
    return "| " + " | ".join(cells) + " |"


def _gb(size: float) -> str:
    return f"{size / GB:.1f}" if size < 100 * GB else f"{size / GB:,.0f}"


def parts_table() -> str:
    """What each part of a run takes on one GPU that holds everything."""
    head = ["GB", "N", "weights, gradients, AdamW: 16 N", "LoRA: 2 N + 16 P", "activations, checkpointed",
            "activations, all kept", "logits, not fused", "engine's weights: 2 N", "KV cache"]  # fmt: skip
    lines = [_row(head), _row(["---"] * len(head))]
    tokens = MICRO_BATCH * (PROMPT + COMPLETION)
    for s in SHAPES:
        cells = [16 * s.parameters, 2 * s.parameters + 16 * s.adapter(R), s.checkpointed(tokens), s.kept(tokens)]
        cells += [s.logits(MICRO_BATCH * COMPLETION), 2 * s.parameters]
        cells.append(s.cache_per_token * SEQUENCES * (PROMPT + COMPLETION))
        lines.append(_row([s.name, f"{s.parameters / 1e9:.2f} B", *map(_gb, cells)]))
    return "\n".join(lines)


def spread_table() -> str:
    """Weights, gradients and optimizer for each GPU, by how they are spread."""
    head = ["GB for each GPU", "DDP", "FSDP2 or ZeRO-3 over 4", *(f"over {n}" for n in (8, 16, 32))]
    head += ["LoRA, DDP", "LoRA, spread over 8"]
    lines = [_row(head), _row(["---"] * len(head))]
    for s in SHAPES:
        whole, lora = 16 * s.parameters, 2 * s.parameters + 16 * s.adapter(R)
        lines.append(_row([s.name, *map(_gb, [whole, whole / 4, whole / 8, whole / 16, whole / 32, lora, lora / 8])]))
    return "\n".join(lines)


def page(text: str) -> str:
    """The page with its tables written anew."""
    for name, table in (("parts", parts_table()), ("spread", spread_table())):
        before, begin, rest = text.partition(BEGIN.format(name))
        _, end, after = rest.partition(END.format(name))
        if not end:
            raise SystemExit(f"{PAGE}: no {BEGIN.format(name)} … {END.format(name)} to write the table into")
        text = f"{before}{begin}\n{table}\n{end}{after}"
    return text


def main(argv: list[str]) -> int:
    text = PAGE.read_text(encoding="utf-8")
    wanted = page(text)
    if "--check" in argv:
        return int(wanted != text)
    PAGE.write_text(wanted, encoding="utf-8")
    return 0


if __name__ == "__main__":
    sys.exit(main(sys.argv[1:]))
