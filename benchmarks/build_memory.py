"""Memory and speed of `rlvr data build` on synthetic rows in Toucan's format.

    python benchmarks/build_memory.py                                   100,000, 400,000 and 1,500,000 rows
    python benchmarks/build_memory.py --rows 20000 --jobs 2 --duplicates near --folder SCRATCH

Each size is built in a process of its own. Printed are the greatest resident size of that process (and of the sum of it
and its workers, sampled twice a second), rows a second from the first row read to the last file written, and the sizes
on disk. The limit is 1.5 GiB at 1,500,000 rows; the exit code is 1 above it.

The rows: every one has a question of its own (drawn words and a number), one of 490 servers (as many as Toucan's
authors could call) with 1 to 12 tools, and one right call; one row in a hundred repeats an earlier question to the same
tools. They are written as Parquet in Toucan's nine string columns, in files of 50,000 rows, and built with the first
turn of each.
"""

from __future__ import annotations

import argparse
import json
import multiprocessing
import random
import resource
import shutil
import sys
import threading
import time
from collections.abc import Iterator
from pathlib import Path
from typing import Any

SIZES = (100_000, 400_000, 1_500_000)
LIMIT_GIB = 1.5
FILE_ROWS = 50_000
SERVERS = 490
WORDS = """amber anchor apple arrow autumn badge bamboo basin beacon berry birch blanket bottle branch breeze bridge
button candle canyon carbon castle cedar chalk cherry circle cliff clover copper coral cotton crystal dagger daisy delta
desert diamond dragon drift eagle ember engine falcon feather fern field flame flint forest fossil fountain garden
garnet glacier globe grain granite grove hammer harbor hazel heron hollow honey horizon iron island ivory jacket jasmine
jungle kettle kitten ladder lantern laurel lemon lichen lily linen lobster maple marble meadow melon mirror mocha moss
needle nickel oasis ocean olive onyx orchid otter paddle palm paper parcel pearl pebble pepper pine planet plum pocket
pollen prairie quartz quill rabbit radish raven reef ribbon river rocket saddle saffron salmon sapphire shell silver
slate sparrow spice spruce stone summit sunset tablet temple thistle thunder timber topaz torch tulip tunnel turtle
valley velvet violet walnut willow window winter zephyr""".split()  # noqa: SIM905 (words read better than a list)


def main() -> int:
    arguments = _arguments()
    folder = arguments.folder
    head = ("rows", "kept", "RSS GiB", "all GiB", "rows/s", "minutes", "in GB", "out GB")
    print(" ".join(f"{name:>10}" for name in head))
    worst = 0.0
    for rows in arguments.rows:
        source = folder / f"toucan-{rows}"
        if not source.is_dir():
            _in_process(write_rows, source, rows)
        result = _in_process(measure, source, folder / "built", arguments.jobs, arguments.duplicates)
        worst = max(worst, result["all_gib"])
        rate = rows / result["seconds"]
        values = (f"{rows:,}", f"{result['kept']:,}", f"{result['rss_gib']:.2f}", f"{result['all_gib']:.2f}")
        values += (f"{rate:,.0f}", f"{result['seconds'] / 60:.1f}")
        values += (f"{_gigabytes(source):.2f}", f"{_gigabytes(folder / 'built'):.2f}")
        print(" ".join(f"{value:>10}" for value in values), flush=True)
        shutil.rmtree(folder / "built")
        if not arguments.keep:
            shutil.rmtree(source)
    return int(worst > LIMIT_GIB)


def _arguments() -> Any:
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("--rows", type=int, nargs="+", default=list(SIZES))
    parser.add_argument("--jobs", type=int, default=1)
    parser.add_argument("--duplicates", choices=("exact", "near", "none"), default="exact")
    parser.add_argument("--folder", type=Path, default=Path("benchmarks/.cache/build_memory"))
    parser.add_argument("--keep", action="store_true", help="keep the rows for another run")
    return parser.parse_args()


def measure(source: Path, out: Path, jobs: int, duplicates: str) -> dict[str, float]:
    """Build, in this process; nothing else ran in it before."""
    from rlvr.data.build import How, build, load_data_recipe

    recipe = {
        "kind": "data",
        "name": "memory",
        "sources": [{"source": "toucan", "location": str(source), "turns": "first"}],
        "filters": {"duplicates": duplicates},
        "heldout": {"share": 0.02},
    }
    path = source.parent / "recipe.yaml"
    path.write_text(json.dumps(recipe), encoding="utf-8")
    watch = _Watch()
    started = time.monotonic()
    last = 0.0

    def say(progress: Any) -> None:
        nonlocal last
        if time.monotonic() - last > 60:
            last = time.monotonic()
            print(
                f"  {progress.step}: {progress.done:,} in {last - started:.0f} s, {_rss_gib():.2f} GiB", file=sys.stderr
            )

    manifest = build(*load_data_recipe(path), out, How(jobs=jobs, force=True, say=say))
    seconds = time.monotonic() - started
    kept = sum(manifest["counts"]["rows"].values())
    return {"kept": kept, "seconds": seconds, "rss_gib": _rss_gib(), "all_gib": max(watch.stop(), _rss_gib())}


class _Watch:
    """The greatest sum of the resident sizes of this process and its workers, sampled."""

    def __init__(self) -> None:
        self.most = 0.0
        self._over = threading.Event()
        self._thread = threading.Thread(target=self._run, daemon=True)
        self._thread.start()

    def _run(self) -> None:
        while not self._over.wait(0.5):
            children = [p.pid for p in multiprocessing.active_children() if p.pid]
            self.most = max(self.most, sum(map(_resident_gib, [None, *children])))

    def stop(self) -> float:
        self._over.set()
        self._thread.join()
        return self.most


def _rss_gib() -> float:
    """The greatest resident size of this process so far."""
    unit = 1 if sys.platform == "darwin" else 1024
    return resource.getrusage(resource.RUSAGE_SELF).ru_maxrss * unit / 2**30


def _resident_gib(pid: int | None) -> float:
    """What a process holds now; 0 for one that ended, or where there is no /proc."""
    try:
        pages = Path(f"/proc/{pid or 'self'}/statm").read_text(encoding="ascii").split()[1]
    except OSError:
        return 0.0
    return int(pages) * resource.getpagesize() / 2**30


def _in_process(work: Any, *given: Any) -> Any:
    """In a fresh process that is no daemon, so that it may have workers of its own."""
    context = multiprocessing.get_context("spawn")
    ours, theirs = context.Pipe(duplex=False)
    process = context.Process(target=_send, args=(theirs, work, given))
    process.start()
    theirs.close()
    try:
        found = ours.recv()
    except EOFError:
        raise SystemExit("the measured process died") from None
    process.join()
    return found


def _send(pipe: Any, work: Any, given: Any) -> None:
    pipe.send(work(*given))


def write_rows(folder: Path, rows: int) -> int:
    """Write `rows` rows of Toucan's form."""
    import pyarrow as pa
    import pyarrow.parquet as pq

    folder.mkdir(parents=True)
    made = synthetic_rows(rows)
    for number in range(-(-rows // FILE_ROWS)):
        path = folder / f"train-{number:05d}.parquet"
        writer = None
        for start in range(number * FILE_ROWS, min(rows, (number + 1) * FILE_ROWS), 1_000):
            batch = [next(made) for _ in range(min(1_000, rows - start))]
            table = pa.Table.from_pylist(batch)
            writer = writer or pq.ParquetWriter(path, table.schema, compression="zstd")
            writer.write_table(table)
        assert writer is not None
        writer.close()
    return rows


def synthetic_rows(rows: int, seed: int = 0) -> Iterator[dict[str, str]]:
    """Rows as Toucan's Kimi-K2 config has them."""
    rng = random.Random(seed)
    servers = [_server(i, random.Random(f"{seed}/{i}")) for i in range(SERVERS)]
    earlier: tuple[str, int] | None = None
    for number in range(rows):
        if earlier and number % 100 == 99:
            question, at = earlier
        else:
            at = rng.randrange(SERVERS)
            question = " ".join(rng.choices(WORDS, k=rng.randint(12, 40))) + f" number {number}?"
            earlier = (question, at)
        yield _row(number, question, servers[at])


def _server(number: int, rng: random.Random) -> dict[str, Any]:
    name = f"{rng.choice(WORDS)}-{number}-server"
    tools = []
    for _ in range(rng.randint(1, 12)):
        short = "_".join(rng.sample(WORDS, 2))
        properties = {
            w: {"type": "string", "description": " ".join(rng.choices(WORDS, k=8))} for w in rng.sample(WORDS, 3)
        }
        parameters = {"type": "object", "properties": properties, "required": [next(iter(properties))]}
        description = " ".join(rng.choices(WORDS, k=20))
        function = {"name": f"{name}-{short}", "description": description, "parameters": parameters}
        tools.append({"type": "function", "function": function})
    return {"name": name, "tools": tools, "json": json.dumps(tools)}


def _row(number: int, question: str, server: dict[str, Any]) -> dict[str, str]:
    function = server["tools"][0]["function"]
    arguments = {function["parameters"]["required"][0]: question.split()[0]}
    call = {"name": function["name"], "arguments": json.dumps(arguments)}
    messages = [
        {"role": "system", "content": f"<|im_system|>tool_declare<|im_middle|>{server['json']}<|im_end|>"},
        {"role": "user", "content": question},
        {"role": "assistant", "content": "", "function_call": call},
        {"role": "function", "name": function["name"], "content": '{"result": "done"}'},
        {"role": "assistant", "content": "It is done."},
    ]
    return {
        "uuid": f"00000000-0000-0000-0000-{number:012d}",
        "subset_name": "single-turn-original",
        "messages": json.dumps(messages),
        "question": question,
        "available_tools": server["json"],
        "target_tools": function["name"].rpartition("-")[2],
        "question_quality_assessment": "{}",
        "response_quality_assessment": "{}",
        "metadata": json.dumps({"mcp_servers": [{"server_name": server["name"]}]}),
    }


def _gigabytes(folder: Path) -> float:
    return sum(p.stat().st_size for p in folder.rglob("*") if p.is_file()) / 1e9


if __name__ == "__main__":
    sys.exit(main())
