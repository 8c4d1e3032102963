"""The page: self-contained, escaped, complete, and honest about what is missing."""

from __future__ import annotations

import base64
import hashlib
import json
import random
import re
import sys
from collections.abc import Callable
from dataclasses import replace
from html.parser import HTMLParser
from pathlib import Path

import pytest

from rlvr.errors import DataError, MissingExtraError, RunError, UsageError
from rlvr.evaluation.records import EvalRecord
from rlvr.evaluation.tables import Table
from rlvr.report import write_report
from rlvr.report.evaluation_section import evaluation_section, open_evaluation
from rlvr.report.explorer import pack
from rlvr.report.figures import Picture
from rlvr.report.html import LEAST_ROOM_BYTES, PAGE_BYTES, room_for_samples
from rlvr.report.tables import write_tables

PNG = b"\x89PNG\r\n\x1a\n"
PICTURES = ("trade-off", "accuracy", "tokens", "failures", "refusals", "anatomy", "training-stage1")
OURS = ['<script type="text/plain" id="samples-data">', "<script>"]
VOID = {"meta", "img", "source", "link", "br", "input", "hr"}


class Page(HTMLParser):
    """Collects tags and attributes, and checks that tags nest."""

    def __init__(self, text: str) -> None:
        super().__init__(convert_charrefs=True)
        self.open: list[str] = []
        self.tags: list[str] = []
        self.attributes: list[tuple[str, str, str]] = []
        self.words: list[str] = []
        self.feed(text)
        self.close()

    def handle_starttag(self, tag: str, attrs: list[tuple[str, str | None]]) -> None:
        self.tags.append(tag)
        self.attributes += [(tag, name, value or "") for name, value in attrs]
        if tag not in VOID:
            self.open.append(tag)

    def handle_endtag(self, tag: str) -> None:
        assert self.open.pop() == tag

    def handle_data(self, data: str) -> None:
        if self.open[-1:] != ["script"]:
            self.words.append(data)

    @property
    def text(self) -> str:
        return " ".join("".join(self.words).split())


def scripts(text: str) -> list[str]:
    return re.findall(r"<script[^>]*>", text)


@pytest.fixture
def page(page_file: Path) -> Path:
    return page_file


def test_the_page_is_well_formed_and_has_every_part(page: Path) -> None:
    parsed = Page(page.read_text(encoding="utf-8"))
    assert parsed.open == []
    for words in ("Evaluation", "Before and after", "Training", "Runs and recipes", "Paired comparison", "stage2"):
        assert words in parsed.text
    for words in ("By category", "Calibration of refusals", "Error anatomy", "All 48 examples, 192 completions"):
        assert words in parsed.text
    for words in ("rlvr eval base=runs/base/final", "rlvr report", "SHA-256 of the evaluation's files"):
        assert words in parsed.text
    for words in ("What's the weather in", "Thời tiết ở", "今天天氣如何", "Resolved recipe", "1.16.0"):
        assert words in parsed.text
    assert "10 min 40 s" in parsed.text


def test_completions_and_recipes_are_escaped(page: Path) -> None:
    text = page.read_text(encoding="utf-8")
    parsed = Page(text)
    assert scripts(text) == OURS
    assert "&lt;script&gt;alert" in text
    assert "<script>alert('x')</script> & <b>done</b>" in parsed.text, "the reader sees what was generated"
    assert "runs/warmup/final # <b>& more" in parsed.text


@pytest.mark.usefixtures("blank_figures")
def test_hostile_names_cannot_leave_their_attribute(eval_dir: Path, tmp_path: Path) -> None:
    hostile = '"><script>alert(1)</script>'
    for name in ("records.jsonl", "examples.jsonl", "evaluation.json"):
        file = eval_dir / name
        file.write_text(file.read_text().replace("stage2", json.dumps(hostile)[1:-1]).replace("en-call", '\\"><b>'))
    text = write_report([], eval_dir, tmp_path / "out").read_text(encoding="utf-8")
    assert scripts(text) == OURS
    assert hostile in Page(text).text


def test_nothing_is_loaded_from_outside(page: Path) -> None:
    text = page.read_text(encoding="utf-8")
    parsed = Page(text)
    loads = [v for t, n, v in parsed.attributes if n in ("src", "srcset", "href", "poster", "data", "action")]
    assert loads
    assert all(v.startswith(("data:image/png;base64,", "#")) or v == "data:," for v in loads)
    assert not re.search(r"https?:|@import|url\(|fetch\(|XMLHttp|import\(", re.sub(r"base64,[^\"]+", "", text))
    policy = next(v for t, n, v in parsed.attributes if t == "meta" and v.startswith("default-src"))
    assert policy.startswith("default-src 'none'; img-src data:")
    script = re.findall(r"<script>(.*?)</script>", text, re.DOTALL)[-1]
    allowed = base64.b64encode(hashlib.sha256(script.encode()).digest()).decode()
    assert f"script-src 'sha256-{allowed}';" in policy, "this script, and no other"
    assert not [n for _, n, _ in parsed.attributes if n.startswith("on")]


def test_every_image_is_a_png_says_what_it_shows_and_stands_as_a_file(page: Path) -> None:
    parsed = Page(page.read_text(encoding="utf-8"))
    images = [v for t, n, v in parsed.attributes if (t, n) in (("img", "src"), ("source", "srcset"))]
    decoded = [base64.b64decode(v.split(",", 1)[1]) for v in images]
    assert len(decoded) == 2 * len(PICTURES)
    assert all(image.startswith(PNG) for image in decoded)
    alts = [v for t, n, v in parsed.attributes if (t, n) == ("img", "alt")]
    assert len(alts) == len(PICTURES)
    assert all(len(alt) > 40 for alt in alts)
    files = {p.name: p.read_bytes() for p in (page.parent / "figures").glob("*.png")}
    assert set(files) == {f"{name}.png" for name in PICTURES}
    assert all(content in decoded for content in files.values())


def test_the_page_can_be_read_by_assistive_tools(page: Path) -> None:
    parsed = Page(page.read_text(encoding="utf-8"))
    assert ("html", "lang", "en") in parsed.attributes
    assert {v for _, n, v in parsed.attributes if n == "lang"} >= {"en", "vi", "zh"}
    assert parsed.tags.count("h1") == 1
    assert parsed.tags.count("caption") == parsed.tags.count("table")
    ids = [v for _, n, v in parsed.attributes if n == "id"]
    assert len(ids) == len(set(ids))
    anchors = {v[1:].split("?")[0] for t, n, v in parsed.attributes if (t, n) == ("a", "href")}
    assert anchors <= set(ids)


@pytest.mark.usefixtures("blank_figures")
def test_a_run_alone_and_an_evaluation_alone(run_dir: Path, eval_dir: Path, tmp_path: Path) -> None:
    alone = Page(write_report([run_dir], None, tmp_path / "a").read_text(encoding="utf-8")).text
    assert "Paired comparison" not in alone
    assert "Training" in alone
    other = Page(write_report([], eval_dir, tmp_path / "b").read_text(encoding="utf-8")).text
    assert "Training" not in other
    assert "Paired comparison" in other


@pytest.mark.usefixtures("blank_figures")
def test_runs_of_one_name_keep_a_picture_each(make_run: Callable[..., Path], tmp_path: Path) -> None:
    runs = [make_run(tmp_path / place / "stage1", 3) for place in "abc"]
    page = write_report(runs, None, tmp_path / "out")
    names = {p.name for p in (page.parent / "figures").iterdir()}
    assert names == {"training-stage1.png", "training-stage1-2.png", "training-stage1-3.png"}


@pytest.mark.usefixtures("blank_figures")
def test_one_model_alone_has_no_comparison(tmp_path: Path, make_eval: Callable[..., Path]) -> None:
    folder = make_eval(tmp_path / "eval", (("only", 0.5, False),), 2)
    text = Page(write_report([], folder, tmp_path / "out").read_text(encoding="utf-8")).text
    assert "Paired comparison" not in text
    assert "points against" not in text


@pytest.mark.usefixtures("blank_figures")
def test_an_unfinished_evaluation_says_so(eval_dir: Path, tmp_path: Path) -> None:
    records = eval_dir / "records.jsonl"
    lines = records.read_text().splitlines(keepends=True)
    records.write_text("".join(lines[:-5]))
    text = Page(write_report([], eval_dir, tmp_path / "out").read_text(encoding="utf-8")).text
    assert "Unfinished: stage2 43/48 examples" in text
    assert "left out" in text


@pytest.mark.usefixtures("blank_figures")
def test_tables_of_others_are_shown(tmp_path: Path, make_eval: Callable[..., Path]) -> None:
    folder = make_eval(tmp_path / "eval", (("only", 0.5, False),), 2)
    write_tables(folder, [Table("Robustness <i>", ("model", "renamed"), (("only", "40.0 [20.0, 60.0]"),))])
    given = Table("Retention", ("model", "TMMLU+"), (("only", "25.5 [24.0, 27.0]"),), notes=("three runs",))
    text = write_report([], folder, tmp_path / "out", tables=[given]).read_text(encoding="utf-8")
    shown = Page(text).text
    for words in ("More tables", "Robustness <i>", "40.0 [20.0, 60.0]", "Retention", "25.5 [24.0, 27.0]", "three runs"):
        assert words in shown
    assert "<i>" not in text


def test_a_page_with_5000_samples_weighs_under_5_mb(page: Path) -> None:
    """The samples have the room that the rest of the page leaves: with 5,000 of them none is left out."""
    parts = ["weather", "Hanoi", "days", "unit", "celsius", "flight", "táxi", "thời tiết", "臺北", "天氣", "明天"]
    rng = random.Random(5)

    def say(count: int) -> str:
        return " ".join(f"{rng.choice(parts)}{rng.randrange(1000)}" for _ in range(count))

    examples = [
        {"id": f"e{i}", "messages": [{"role": "user", "content": say(20)}], "tools": [{"name": f"t{say(1)}"}]}
        for i in range(1250)
    ]
    judged = "simple", "en", False, say(60), 90, 300, "abstain", False, True, True, False, False, "typed"
    records = [
        replace(EvalRecord(model, example["id"], *judged), completion=say(60))
        for model in ("base", "warmup", "stage1", "stage2")
        for example in examples
    ]
    text = page.read_text(encoding="utf-8")
    rest = len(text.encode()) - len(re.findall(r'id="samples-data">(.*?)<', text)[0])
    packed = pack(records, examples, {}, room=3_000_000)
    assert (packed.examples, packed.completions) == (1250, 5000)
    assert len(packed.text) > 1_000_000, "texts that gzip cannot make disappear"
    assert rest + len(packed.text) < 5_000_000


def test_samples_have_the_room_that_figures_leave() -> None:
    small, large = (Picture("p", "", "", b"x" * size, b"x" * size) for size in (300_000, 1_500_000))
    assert room_for_samples([small]) + 2 * 400_000 < PAGE_BYTES
    assert room_for_samples([small, small]) == room_for_samples([small]) - 2 * 400_000
    assert room_for_samples([large] * 9) == LEAST_ROOM_BYTES


@pytest.mark.usefixtures("blank_figures")
def test_a_run_without_anything_but_metrics(tmp_path: Path) -> None:
    run = tmp_path / "bare"
    run.mkdir()
    (run / "metrics.jsonl").write_text('{"step": 1, "loss": 1.5}\n{"step": 2, "loss": 1.25}\n')
    text = Page(write_report([run], None, tmp_path / "out").read_text(encoding="utf-8")).text
    assert "bare" in text


@pytest.mark.parametrize(
    ("prepare", "message"),
    [
        (lambda p: ([], None), "nothing to report on"),
        (lambda p: ([p / "none"], None), "no such run folder"),
        (lambda p: ([p], None), "is no run folder: it has none of recipe.yaml"),
        (lambda p: ([], p / "none"), "no such evaluation folder"),
        (lambda p: ([], p), "holds no evaluation records"),
    ],
)
def test_bad_input_is_told(
    tmp_path: Path, prepare: Callable[[Path], tuple[list[Path], Path | None]], message: str
) -> None:
    runs, eval_dir = prepare(tmp_path)
    with pytest.raises(UsageError, match=message) as caught:
        write_report(runs, eval_dir, tmp_path / "out")
    assert caught.value.exit_code == 2


def test_a_run_given_twice_is_told(run_dir: Path, tmp_path: Path) -> None:
    with pytest.raises(UsageError, match="twice"):
        write_report([run_dir, run_dir / ".." / run_dir.name], None, tmp_path / "out")


@pytest.mark.parametrize(("file", "text"), [("run.json", "{"), ("run.json", "[]"), ("metrics.jsonl", '{"a": 1}\n')])
def test_broken_files_are_named(run_dir: Path, tmp_path: Path, file: str, text: str) -> None:
    (run_dir / file).write_text(text)
    with pytest.raises(DataError, match=file):
        write_report([run_dir], None, tmp_path / "out")


@pytest.mark.parametrize("package", ["matplotlib", "jinja2"])
def test_a_missing_extra_gives_the_command(
    run_dir: Path, tmp_path: Path, monkeypatch: pytest.MonkeyPatch, package: str
) -> None:
    import rlvr.extras

    real = rlvr.extras.has
    monkeypatch.setattr(rlvr.extras, "has", lambda name: name != package and real(name))
    with pytest.raises(MissingExtraError, match=re.escape("pip install 'rlvr[report]'")):
        write_report([run_dir], None, tmp_path / "out")


@pytest.mark.usefixtures("blank_figures")
def test_a_folder_that_cannot_be_written(run_dir: Path, tmp_path: Path) -> None:
    (tmp_path / "file").write_text("")
    with pytest.raises(RunError, match="cannot be written"):
        write_report([run_dir], None, tmp_path / "file")


def test_pyplot_is_never_loaded(make_run: Callable[..., Path], tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setitem(sys.modules, "matplotlib.pyplot", None)  # importing it would now fail
    assert write_report([make_run(tmp_path / "run", 2)], None, tmp_path / "out").is_file()


def test_structured_outputs_are_no_step_between_models(
    make_eval: Callable[..., Path], blank_figures: None, tmp_path: Path
) -> None:
    """Tiles, and answers before and after, show free models as the paired differences do."""
    models = (("a", 0.1, False), ("a (structured)", 0.5, False), ("b", 0.6, False), ("b (structured)", 1.0, False))
    folder = make_eval(tmp_path / "eval", models=models)
    told = json.loads((folder / "evaluation.json").read_text())
    for model in told["models"]:
        model["free"] = model["label"].split(" ")[0] if "structured" in model["label"] else ""
    (folder / "evaluation.json").write_text(json.dumps(told))
    section, _ = evaluation_section(*open_evaluation(folder))
    assert {tile["model"] for tile in section["tiles"]} == {"b"}
    assert all(tile["change"].endswith("against a") for tile in section["tiles"])
    shown = {answer.model for _, _, cards in section["cards"] for card in cards for answer in card.answers}
    assert shown == {"a", "b"}


def test_figures_of_nothing_judged_have_no_tile(
    make_eval: Callable[..., Path], blank_figures: None, tmp_path: Path
) -> None:
    folder = make_eval(tmp_path / "eval", models=(("a", 0.5, False),))
    lines = [json.loads(line) for line in (folder / "records.jsonl").read_text(encoding="utf-8").splitlines()]
    unjudged = [row | ({"judged": False} if row["wants_call"] else {}) for row in lines]
    (folder / "records.jsonl").write_text("".join(json.dumps(row) + "\n" for row in unjudged))
    section, _ = evaluation_section(*open_evaluation(folder))
    assert [tile["name"] for tile in section["tiles"]] == ["False calls", "Completion tokens"]
