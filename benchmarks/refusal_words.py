"""Refusals, questions and answers told apart: precision and recall with Wilson's 95% intervals, per class and language.

Reads the sentences of `tests/rewards/words/` (the half `test` by default; `dev` guided the word lists and shows their
mistakes with `--mistakes`) and, where `../shared/data` lies beside the checkout, the 224 real replies of
`nocall_real.jsonl.gz` under the labels of `nocall_labels.jsonl`. A reply marked `mixed` refuses and then answers: it is
an answer, and both `answer` and `mixed` are right for it; for every other reply `mixed` is wrong. `--time` measures
what reading the words of one reply costs: kind and language, no cache warm, the quickest of five times. Left out: the
time that loading a list takes once (under half a second).

    python benchmarks/refusal_words.py
    python benchmarks/refusal_words.py --half dev --mistakes
    python benchmarks/refusal_words.py --time
"""

from __future__ import annotations

import argparse
import gzip
import json
import time
from collections.abc import Iterable, Sequence
from dataclasses import dataclass
from pathlib import Path

from rlvr.evaluation.statistics import Figure, wilson
from rlvr.rewards import language, words
from rlvr.rewards.words import classify_words, speaks

ROOT = Path(__file__).resolve().parents[1]
SENTENCES = ROOT / "tests" / "rewards" / "words"
REAL = ROOT.parent / "shared" / "data" / "nocall_real.jsonl.gz"
LABELS = ("refuse", "clarify", "answer")


@dataclass(frozen=True)
class Reply:
    """One labelled reply. `mixed`: it refuses and then answers."""

    id: str
    lang: str
    label: str
    text: str
    mixed: bool = False

    def found(self) -> str:
        """What the words are taken for, `mixed` as an answer where that is right."""
        kind = classify_words(self.text, self.lang).kind
        return "answer" if kind == "mixed" and self.mixed else kind


def sentences(half: str) -> list[Reply]:
    """The written sentences of one half, all languages."""
    replies = []
    for path in sorted(SENTENCES.glob("??.jsonl")):
        for line in path.read_text(encoding="utf-8").splitlines():
            row = json.loads(line)
            if row["half"] == half:
                replies.append(Reply(row["id"], path.stem, row["label"], row["text"], row.get("mixed", False)))
    return replies


def real_replies() -> list[Reply]:
    """The real replies that say something, under the labels given to them by reading; none where the data is absent."""
    if not REAL.is_file():
        return []
    lines = (SENTENCES / "nocall_labels.jsonl").read_text(encoding="utf-8").splitlines()
    labels = {row["id"]: row["label"] for row in map(json.loads, lines)}
    with gzip.open(REAL, "rt", encoding="utf-8") as file:
        rows = [json.loads(line) for line in file]
    return [
        Reply(row["id"], row["lang"][:2], labels[row["id"]], row["reference_reply"])
        for row in rows
        if labels[row["id"]] != "none"
    ]


def precision_and_recall(replies: Sequence[Reply], label: str) -> tuple[Figure, Figure]:
    """Of those taken for `label`, the share that is one; of those that are one, the share taken for it."""
    pairs = [(reply.label, reply.found()) for reply in replies]
    right = sum(1 for wanted, found in pairs if wanted == found == label)
    taken = sum(1 for _, found in pairs if found == label)
    there = sum(1 for wanted, _ in pairs if wanted == label)
    return wilson(right, taken), wilson(right, there)


def table(title: str, replies: Sequence[Reply]) -> Iterable[str]:
    yield f"### {title}"
    yield ""
    yield "| language | class | precision | recall | in its own language |"
    yield "| --- | --- | --- | --- | --- |"
    languages = sorted({r.lang for r in replies})
    for lang in [*languages, *(["all"] if len(languages) > 1 else [])]:
        of_language = [r for r in replies if lang in (r.lang, "all")]
        for label in LABELS:
            precision, recall = precision_and_recall(of_language, label)
            labelled = [r for r in of_language if r.label == label]
            own = wilson(sum(1 for r in labelled if speaks(r.text, r.lang)), len(labelled))
            yield f"| {lang} | {label} | {_cell(precision)} | {_cell(recall)} | {_cell(own)} |"
    yield ""


def _cell(figure: Figure) -> str:
    if figure.value is None or figure.low is None or figure.high is None:
        return "– (0)"
    return f"{figure.value:.3f} [{figure.low:.3f}, {figure.high:.3f}] ({round(figure.value * figure.n)}/{figure.n})"


def microseconds(reply: Reply) -> float:
    """What it costs to read the words of one reply."""
    quickest = float("inf")
    for _ in range(5):
        words._classify.cache_clear()
        language._read.cache_clear()
        language._sentence_languages.cache_clear()
        start = time.perf_counter()
        classify_words(reply.text, reply.lang)
        speaks(reply.text, reply.lang)
        quickest = min(quickest, time.perf_counter() - start)
    return quickest * 1e6


def times(replies: Sequence[Reply]) -> Iterable[str]:
    yield "| language | class | microseconds a reply | characters a reply |"
    yield "| --- | --- | --- | --- |"
    for lang in sorted({r.lang for r in replies}):
        for label in LABELS:
            of_both = [r for r in replies if (r.lang, r.label) == (lang, label)]
            mean = sum(map(microseconds, of_both)) / len(of_both)
            length = sum(len(r.text) for r in of_both) / len(of_both)
            yield f"| {lang} | {label} | {mean:.0f} | {length:.0f} |"


def main() -> None:
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("--half", choices=("test", "dev"), default="test")
    parser.add_argument("--mistakes", action="store_true", help="name what was taken wrongly (the half dev only)")
    parser.add_argument("--time", action="store_true", help="measure the time instead")
    args = parser.parse_args()
    if args.mistakes and args.half == "test":
        parser.error("--mistakes is for --half dev: whoever reads the test half's mistakes can no longer measure on it")
    replies = sentences(args.half)
    if args.time:
        print("\n".join(times(replies)))
        return
    print("\n".join(table(f"written sentences, half {args.half} (n {len(replies)})", replies)))
    if args.mistakes:
        for reply in replies:
            if reply.found() != reply.label:
                print(f"{reply.id}: {reply.label}, taken for {reply.found()}: {reply.text}")
    real = real_replies()
    if real:
        print("\n".join(table(f"real replies (n {len(real)})", real)))
    else:
        print(f"no real replies: {REAL.name} is not there")


if __name__ == "__main__":
    main()
