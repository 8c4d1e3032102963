"""Pushing a model: what is sent, what stays, and what is refused before the hub is asked."""

from __future__ import annotations

import json
import shutil
from pathlib import Path

import pytest

from rlvr.cli import main
from rlvr.errors import ModelError, RunError, UsageError
from rlvr.models.push import pack, push
from tests.data.test_push import Hub

CARD = "---\nlicense: mit\n---\n\n# Mine\n"


@pytest.fixture
def run(tiny_model: Path, tmp_path: Path) -> Path:
    """A finished run with its card."""
    folder = tmp_path / "stage2"
    shutil.copytree(tiny_model, folder / "final")
    (folder / "run.json").write_text(json.dumps({"finished": "2026-01-01T00:00:00Z"}))
    (folder / "final" / "README.md").write_text(CARD)
    return folder


def refused(run: Path) -> str:
    hub = Hub()
    with pytest.raises((UsageError, ModelError)) as told:
        push(run, "me/model", api=hub)
    assert hub.asked == []
    return str(told.value)


def test_the_models_files_and_its_card_are_sent(run: Path) -> None:
    for name in ("optimizer.pt", "trainer_state.json", "training_args.bin", "notes.md"):
        (run / "final" / name).write_text("{}")
    (run / "final" / "LICENSE").write_text("mine")
    (run / "final" / "logs").mkdir()
    hub = Hub()
    assert push(run, "me/model", api=hub) == "https://hub.example/me/model"
    (created, repo), (sent, what) = hub.asked
    assert (created, repo) == ("create_repo", {0: "me/model", "repo_type": "model", "private": True, "exist_ok": True})
    assert (sent, what["repo_id"], what["repo_type"]) == ("upload_folder", "me/model", "model")
    assert what["folder_path"] == str(run / "final")
    assert what["allow_patterns"] == [
        "LICENSE",
        "README.md",
        "chat_template.jinja",
        "config.json",
        "generation_config.json",
        "model.safetensors",
        "tokenizer.json",
        "tokenizer_config.json",
    ]
    push(run / "final", "me/model", private=False, revision="try", api=hub)
    assert [name for name, _ in hub.asked[2:]] == ["create_repo", "create_branch", "upload_folder"]
    assert hub.asked[2][1]["private"] is False
    stays = dict(pack(run).left)
    assert set(stays) == {"optimizer.pt", "trainer_state.json", "training_args.bin", "notes.md", "logs/"}


def test_a_dry_run_lists_files_and_sizes_and_sends_nothing(run: Path, capsys: pytest.CaptureFixture[str]) -> None:
    assert main(["push", str(run), "me/model", "--dry-run"]) == 0
    told = capsys.readouterr().out
    size = (run / "final" / "model.safetensors").stat().st_size
    assert f"{size / 1e3:.1f} kB  model.safetensors" in told
    assert f"{len(CARD)} B  README.md" in told
    assert f"in 7 files of {run / 'final'}" in told
    assert "Nothing was sent to me/model." in told


def test_no_card_and_one_that_nobody_filled_in(run: Path) -> None:
    card = run / "final" / "README.md"
    card.write_text("---\nlicense: mit\n---\n[More Information Needed]")
    assert "is a form that nobody filled in" in refused(run)
    card.write_text("# Mine")
    assert "has no metadata at its beginning" in refused(run)
    card.unlink()
    assert f"has no card (README.md). Write one: `rlvr card {run}`." in refused(run)


def test_weights_that_are_not_all_there(run: Path) -> None:
    final = run / "final"
    weights = final / "model.safetensors"
    whole = weights.read_bytes()
    weights.write_bytes(whole[:-8])
    assert "its header wants" in refused(run)
    weights.rename(final / "model-00001-of-00002.safetensors")
    (final / "model-00001-of-00002.safetensors").write_bytes(whole)
    index = {"weight_map": {"a": "model-00001-of-00002.safetensors", "b": "model-00002-of-00002.safetensors"}}
    (final / "model.safetensors.index.json").write_text(json.dumps(index))
    assert "names model-00002-of-00002.safetensors, which is not there" in refused(run)
    (final / "model-00002-of-00002.safetensors").write_bytes(whole)
    assert {"model-00001-of-00002.safetensors", "model-00002-of-00002.safetensors"} <= {n for n, _ in pack(run).files}
    (final / "model-00003-of-00003.safetensors").write_bytes(whole)
    assert "model-00003-of-00003.safetensors is no part of the weights" in refused(run)


def test_a_run_that_goes_on(run: Path) -> None:
    (run / "run.json").write_text(json.dumps({"finished": None}))
    assert "has not finished" in refused(run)
    resumed = {"finished": "2026-01-01T00:00:00Z", "resumed": "2026-01-02T00:00:00Z"}
    (run / "run.json").write_text(json.dumps(resumed))
    assert "has not finished" in refused(run)
    assert "holds several stages. Give one of them: stage2" in refused(run.parent)


@pytest.mark.parametrize(
    ("name", "text"),
    [
        (".env", "A=1"),
        ("id_rsa", "x"),
        ("server.pem", "x"),
        ("token", "x"),
        ("aws_credentials.json", "{}"),
        ("notes.txt", "log in with hf_" + "Ab1" * 12),
        ("extra.json", '{"key": "-----BEGIN OPENSSH PRIVATE KEY-----"}'),
    ],
)
def test_what_looks_like_a_secret(run: Path, name: str, text: str) -> None:
    (run / "final" / name).write_text(text)
    told = refused(run)
    assert str(run / "final" / name) in told
    assert "Nothing was sent" in told
    assert "Ab1Ab1" not in told


def test_a_secret_across_two_blocks_is_found(run: Path) -> None:
    (run / "final" / "notes.txt").write_text(" " * ((1 << 22) - 10) + " hf_" + "Ab1" * 12)
    assert "holds what looks like a token" in refused(run)


def test_a_card_with_a_token_in_it(run: Path) -> None:
    (run / "final" / "README.md").write_text(CARD + "hf_" + "x" * 34)
    assert "README.md: holds what looks like a token" in refused(run)


def test_an_adapter_that_names_a_folder_of_this_machine(run: Path) -> None:
    from safetensors.numpy import save_file

    beside = run / "final" / "adapter"
    beside.mkdir()
    (beside / "adapter_config.json").write_text(json.dumps({"base_model_name_or_path": str(run)}))
    save_file({}, beside / "adapter_model.safetensors")
    assert dict(pack(run).left)["adapter/"].endswith("is a folder of this machine")
    (beside / "adapter_config.json").write_text(json.dumps({"base_model_name_or_path": "org/model"}))
    assert {"adapter/adapter_config.json", "adapter/adapter_model.safetensors"} <= {n for n, _ in pack(run).files}
    (beside / "README.md").write_text(CARD)
    assert pack(beside).files[-1][0] == "adapter_model.safetensors"
    (beside / "adapter_config.json").write_text(json.dumps({"base_model_name_or_path": "../base"}))
    assert "names ../base as its model, a folder of this machine" in refused(beside)
    (beside / "adapter_model.safetensors").unlink()
    assert "no adapter_model.safetensors" in refused(beside)


def test_a_hub_that_refuses_the_token(run: Path) -> None:
    class Response:
        status_code = 403

    class HfHubHTTPError(Exception):
        response = Response()

    with pytest.raises(RunError, match=r"me/model: the hub does not let this token write there .*may write to me"):
        push(run, "me/model", api=Hub(HfHubHTTPError("403 Forbidden\nlong story")))
    with pytest.raises(RunError, match=r"cannot be uploaded \(ConnectionError: no route\)"):
        push(run, "me/model", api=Hub(ConnectionError("no route")))
    with pytest.raises(UsageError, match="expected OWNER/NAME, a model on the hub"):
        push(run, "model", api=Hub())


def test_an_adapter_beside_the_model_is_checked_too(run: Path) -> None:
    beside = run / "final" / "adapter"
    beside.mkdir()
    (beside / "adapter_config.json").write_text(json.dumps({"base_model_name_or_path": "org/model"}))
    assert "no adapter_model.safetensors" in refused(run)
    (beside / "adapter_model.safetensors").write_bytes(b"xx")
    assert "adapter_model.safetensors" in refused(run)


def test_what_a_look_found_stays_here(run: Path) -> None:
    (run / "final" / "look.json").write_text("{}")
    assert "look.json" in dict(pack(run).left)
