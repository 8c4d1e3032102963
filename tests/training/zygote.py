"""Runs `rlvr` commands in children of one process that has torch and TRL loaded, so that each run need not load them.

Not a test. `Zygote` talks to `python -m tests.training.zygote` by JSON lines: a request is forked off and answered with
its process id; a second request waits for it. In a child something may be made to happen at a moment: the Nth time that
a step, a rollout, a save or a look of the selection begins, and some milliseconds into it. Nothing computes before the
fork: OpenMP's threads do not survive one.
"""

from __future__ import annotations

import gc
import json
import os
import signal
import subprocess
import sys
import threading
import time
from dataclasses import asdict, dataclass
from pathlib import Path
from typing import Any

ROOT = Path(__file__).resolve().parents[2]
FULL_BYTES = 20_000
KINDS = ("step", "rollout", "save", "look")


@dataclass(frozen=True)
class Moment:
    """`delay` seconds after the `number`th beginning of a `kind` (1 is the first), `act` happens.

    `act` is a signal's number, `full` (no file may grow beyond `FULL_BYTES` from then on) or `wait` (for ever).
    """

    kind: str
    number: int
    delay: float = 0.0
    act: int | str = 9


@dataclass(frozen=True)
class Done:
    """How a command ended (a negative `code` is the signal that ended it), and what it said."""

    code: int
    out: str
    err: str


class Zygote:
    """The parent of all children; `close` ends it."""

    def __init__(self, scratch: Path) -> None:
        self.scratch, self.begun = scratch, 0
        environment = {**os.environ, "PYTHONPATH": str(ROOT), "OMP_NUM_THREADS": "1"}
        self.process = subprocess.Popen(
            [sys.executable, "-m", "tests.training.zygote"],
            cwd=ROOT,
            env=environment,
            stdin=subprocess.PIPE,
            stdout=subprocess.PIPE,
            text=True,
        )

    def start(self, *argv: object, at: Moment | None = None, counts: Path | None = None) -> tuple[int, Path]:
        """Begin `rlvr ARGV…` and return its process id, and the stem of the files that it speaks into."""
        self.begun += 1
        stem = self.scratch / f"child-{self.begun}"
        request = {"argv": [str(a) for a in argv], "stem": str(stem), "at": asdict(at) if at else None}
        return self._ask({**request, "counts": str(counts) if counts else None})["pid"], stem

    def wait(self, pid: int, stem: Path) -> Done:
        code = self._ask({"wait": pid})["code"]
        return Done(code, stem.with_suffix(".out").read_text(), stem.with_suffix(".err").read_text())

    def run(self, *argv: object, at: Moment | None = None, counts: Path | None = None) -> Done:
        return self.wait(*self.start(*argv, at=at, counts=counts))

    def _ask(self, request: dict[str, Any]) -> dict[str, Any]:
        assert self.process.stdin
        assert self.process.stdout
        self.process.stdin.write(json.dumps(request) + "\n")
        self.process.stdin.flush()
        answer: dict[str, Any] = json.loads(self.process.stdout.readline())
        return answer

    def close(self) -> None:
        assert self.process.stdin
        self.process.stdin.close()
        self.process.wait()


class Moments:
    """Counts what begins in a child, and lets something happen at one moment."""

    def __init__(self, at: dict[str, Any] | None) -> None:
        self.at, self.seen = at, dict.fromkeys(KINDS, 0)

    def begin(self, kind: str) -> None:
        self.seen[kind] += 1
        if self.at and kind == self.at["kind"] and self.seen[kind] == self.at["number"]:
            if self.at["delay"]:
                threading.Timer(self.at["delay"], self._act).start()
            else:
                self._act()

    def _act(self) -> None:
        assert self.at
        act = self.at["act"]
        if act == "full":
            import resource

            resource.setrlimit(resource.RLIMIT_FSIZE, (FULL_BYTES, FULL_BYTES))
        elif act == "wait":
            time.sleep(3600)
        else:
            os.kill(os.getpid(), act)

    def watch(self, owner: Any, name: str, kind: str) -> None:
        plain = getattr(owner, name)

        def watched(*args: Any, **kwargs: Any) -> Any:
            self.begin(kind)
            return plain(*args, **kwargs)

        setattr(owner, name, watched)

    def on_audit(self, event: str, args: tuple[Any, ...]) -> None:
        """Every file that Python opens in a checkpoint that is being written, and every new name of a checkpoint."""
        writes = event == "open" and isinstance(args[1], str) and args[1][:1] in "wax"
        names = event == "os.rename"
        if (writes or names) and "/.partial/checkpoint-" in str(args[0]):
            self.begin("save")


def letters(completions: list[str], **kwargs: Any) -> list[float]:
    """A random model's completions all earn the same: a reward that varies moves the policy."""
    return [float(len(set(c))) for c in completions]


def child(request: dict[str, Any]) -> int:
    import safetensors.torch
    import torch
    from trl import GRPOTrainer

    from rlvr.cli import main
    from rlvr.training import assemble, selection

    moments = Moments(request["at"])
    moments.watch(GRPOTrainer, "training_step", "step")
    moments.watch(GRPOTrainer, "_generate", "rollout")
    moments.watch(selection, "take_look", "look")
    moments.watch(torch, "save", "save")
    moments.watch(safetensors.torch, "save_file", "save")
    sys.addaudithook(moments.on_audit)
    build = assemble.build_trainer

    def with_letters(job: Any) -> Any:
        trainer = build(job)
        if hasattr(trainer, "reward_funcs"):
            trainer.reward_funcs[0] = letters
        return trainer

    assemble.build_trainer = with_letters
    code = main(request["argv"])
    if request["counts"]:
        Path(request["counts"]).write_text(json.dumps(moments.seen))
    return code


def fork(request: dict[str, Any]) -> int:
    pid = os.fork()
    if pid:
        return pid
    code = 99
    try:
        signal.signal(signal.SIGINT, signal.default_int_handler)  # what starts the tests may ignore it
        for number, suffix in ((1, ".out"), (2, ".err")):
            os.dup2(os.open(request["stem"] + suffix, os.O_WRONLY | os.O_CREAT | os.O_TRUNC), number)
        sys.stdin = open(os.devnull)  # noqa: PTH123, SIM115
        code = child(request)
    except BaseException:
        import traceback

        traceback.print_exc()
    finally:
        sys.stdout.flush()
        sys.stderr.flush()
        os._exit(code)


def serve() -> None:
    import safetensors.torch  # noqa: F401
    import torch
    import transformers  # noqa: F401
    from datasets import Dataset  # noqa: F401
    from trl import GRPOConfig, GRPOTrainer, SFTConfig, SFTTrainer  # noqa: F401

    import rlvr.training.assemble
    import rlvr.training.callbacks
    import rlvr.training.grpo
    import rlvr.training.keeping
    import rlvr.training.run  # noqa: F401
    from rlvr.data.generator.catalogue import load_catalogue

    torch.set_num_threads(1)
    load_catalogue()
    gc.freeze()  # so that a child's collections leave alone what it shares with this process
    for line in sys.stdin:
        request = json.loads(line)
        if "wait" in request:
            _, status = os.waitpid(request["wait"], 0)
            answer = {"code": os.waitstatus_to_exitcode(status)}
        else:
            answer = {"pid": fork(request)}
        sys.stdout.write(json.dumps(answer) + "\n")
        sys.stdout.flush()


if __name__ == "__main__":
    serve()
