"""What some tests use where it is there and skip where it is not: BFCL's files and a Chromium.

    make test-needs

BFCL's files (for evaluation alone) go into the cache folder, each checked by its SHA-256. The browser comes from
Debian's packages, where this is Debian and we may install them. What cannot be had is told, and its tests skip.
"""

from __future__ import annotations

import os
import shutil
import subprocess
import sys
from collections.abc import Callable

BROWSERS = ("chromium", "chromium-browser", "google-chrome", "google-chrome-stable")


def bfcl() -> None:
    from rlvr.data.decontaminate.bfcl import MULTI_TURN
    from rlvr.data.decontaminate.index import Index
    from rlvr.data.sources.bfcl_single import SingleTurn
    from rlvr.evaluation.multi_turn.package import official_folder

    Index().add_bfcl(categories=MULTI_TURN)
    SingleTurn().load()
    Index().add_bfcl()
    official_folder()


def chromium() -> None:
    if any(map(shutil.which, BROWSERS)):
        return
    if shutil.which("apt-get") is None or os.geteuid() != 0:
        raise OSError("install a Chromium; on Debian, as root: apt-get install chromium")
    for command in (["update"], ["install", "-y", "--no-install-recommends", "chromium", "fonts-noto-cjk"]):
        quiet = {**os.environ, "DEBIAN_FRONTEND": "noninteractive"}
        subprocess.run(["apt-get", "-q", *command], check=True, stdout=subprocess.DEVNULL, env=quiet, timeout=600)


def main() -> int:
    needs: dict[str, Callable[[], None]] = {"BFCL's files": bfcl, "a Chromium": chromium}
    missing = 0
    for name, bring in needs.items():
        try:
            bring()
        except Exception as error:  # whatever it is, the tests that need it skip
            missing += 1
            print(f"{name}: cannot be had: {error}. Its tests skip.", file=sys.stderr)
        else:
            print(f"{name}: there")
    return 1 if missing else 0


if __name__ == "__main__":
    sys.exit(main())
