"""Coverage-guided fuzzing of one parser, or of the components, with atheris.

    pip install atheris
    python benchmarks/fuzz/run.py pythonic --minutes 30
    python benchmarks/fuzz/run.py components --minutes 30 --work .fuzz

It starts from the worked cases of the format and what is kept under `corpus/`, keeps what it finds in the working
folder, and stops at the first input that breaks a law of `targets.py`; put that input under `corpus/<target>/`, where
the tests run it from then on. Other libFuzzer options go behind `--`.
"""

from __future__ import annotations

import argparse
import hashlib
import sys
from pathlib import Path

HERE = Path(__file__).resolve().parent
NAMES = ("hermes", "llama3_json", "pythonic", "mistral", "qwen3_coder", "functiongemma", "xlam", "components")


def main() -> int:
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("target", choices=NAMES)
    parser.add_argument("--minutes", type=float, default=30.0, metavar="N", help="how long (default: 30)")
    parser.add_argument(
        "--work", type=Path, default=HERE.parent / ".cache" / "fuzz", help="where found inputs are kept"
    )
    arguments = sys.argv[1:]
    cut = arguments.index("--") if "--" in arguments else len(arguments)  # what follows is libFuzzer's
    given, options = parser.parse_args(arguments[:cut]), arguments[cut + 1 :]
    try:
        import atheris
    except ImportError:
        sys.stderr.write("fuzzing needs atheris, which is not installed. Install it with: pip install atheris\n")
        return 2
    sys.path.insert(0, str(HERE))
    with atheris.instrument_imports(include=["rlvr"]):
        from targets import CORPUS, TARGETS, seeds
    found = given.work / given.target
    found.mkdir(parents=True, exist_ok=True)
    for data in seeds(given.target):
        (found / hashlib.sha1(data).hexdigest()).write_bytes(data)
    (given.work / "crashes").mkdir(exist_ok=True)
    atheris.Setup(
        [
            sys.argv[0],
            f"-max_total_time={round(given.minutes * 60)}",
            f"-dict={CORPUS.parent / 'markup.dict'}",
            f"-artifact_prefix={given.work / 'crashes'}/{given.target}-",
            "-max_len=4000",
            "-timeout=10",
            "-rss_limit_mb=2048",
            "-print_final_stats=1",
            *options,
            str(found),
        ],
        TARGETS[given.target],
    )
    atheris.Fuzz()
    return 0


if __name__ == "__main__":
    sys.exit(main())
