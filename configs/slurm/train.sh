#!/usr/bin/env bash
# Trains on several machines under Slurm, and goes on by itself after it was stopped and requeued:
#   OUT=runs/llava-stage1 sbatch --nodes=2 configs/slurm/train.sh llava --stage 1 \
#     --scale a100 --data data/llava/rows/558k
# CONFIG=configs/accelerate/fsdp2.yaml shards the model; GPUS is the number of GPUs a machine.
# The batch of a recipe is that of all processes together: each reads its share of every step.
#SBATCH --job-name=course
#SBATCH --nodes=2
#SBATCH --ntasks-per-node=1
#SBATCH --gpus-per-node=8
#SBATCH --cpus-per-task=32
#SBATCH --time=24:00:00
#SBATCH --requeue
#SBATCH --open-mode=append
#SBATCH --output=%x-%j.log
set -euo pipefail

: "${OUT:?say where the run is kept: OUT=runs/name sbatch configs/slurm/train.sh …}"
: "${SLURM_JOB_NODELIST:?start this script with sbatch}"
export CONFIG="${CONFIG:-configs/accelerate/multi_node.yaml}" GPUS="${GPUS:-8}"
export PORT="${PORT:-$((20000 + SLURM_JOB_ID % 20000))}"
HEAD_NODE="$(scontrol show hostnames "$SLURM_JOB_NODELIST" | head -n 1)"
export HEAD_NODE

options=(--out "$OUT")
if [ -f "$OUT/config.json" ]; then
  options+=(--resume)
fi

# One task a machine: accelerate starts the processes of its GPUs.
srun --kill-on-bad-exit=1 bash -c '
  exec accelerate launch --config_file "$CONFIG" \
    --num_machines "$SLURM_NNODES" --num_processes "$((SLURM_NNODES * GPUS))" \
    --machine_rank "$SLURM_NODEID" --main_process_ip "$HEAD_NODE" --main_process_port "$PORT" \
    "$(command -v course)" train "$@"
' train "$@" "${options[@]}"
