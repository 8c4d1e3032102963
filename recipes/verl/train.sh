#!/bin/bash
# GRPO with verl on a Ray cluster, with recipes/verl/grpo.yaml. NOT YET MEASURED HERE.
# Needs: verl 0.9.1, vLLM and rlvr on every machine; the Parquet files that the YAML names, where every machine sees them.
# The cluster, by hand: on the first machine `ray start --head --port 6379`, on the others
#   ray start --address FIRST_MACHINE:6379
# then here, on the first one:
#   NODES=2 GPUS=8 recipes/verl/train.sh [verl's overrides, as key=value]
# One machine needs no `ray start`: verl starts Ray itself.
# After it, a checkpoint becomes a model folder that `rlvr eval` reads:
#   python -m verl.model_merger merge --backend fsdp --local_dir checkpoints/rlvr/RUN/global_step_N/actor --target_dir models/RUN
set -euo pipefail

here=$(cd "$(dirname "${BASH_SOURCE[0]}")" && pwd)
nodes=${NODES:-1}
gpus=${GPUS:-8}

if ! python -c 'import verl, rlvr' 2>/dev/null; then
  echo "verl and rlvr are not both installed here: pip install 'verl[vllm]==0.9.1', and rlvr beside it." >&2
  exit 2
fi
if [ "$nodes" -gt 1 ] && ! ray status >/dev/null 2>&1; then
  echo "no Ray cluster is running: ray start --head --port 6379 here, and ray start --address HERE:6379 on the others." >&2
  exit 2
fi

exec python -m verl.trainer.main_ppo \
  --config-path "$here" --config-name grpo \
  trainer.nnodes="$nodes" trainer.n_gpus_per_node="$gpus" \
  "$@"
