#!/bin/bash
# A sweep as a Slurm job array: each task of the array runs its share into a directory of its own.
#
#   sbatch examples/slurm_array.sh double_descent
#   sbatch examples/slurm_array.sh ridge --alpha 0.1:4:400 --dimension 2000 --replicates 100
#
# When all have ended:  tsmech merge runs/merged runs/double_descent-*-of-10
# A task that was cut short is continued by the same command: sbatch --array=3 --export=ALL,SHARDS=10 ...
#SBATCH --job-name=tsmech
#SBATCH --array=1-10
#SBATCH --cpus-per-task=4
#SBATCH --mem-per-cpu=2G
#SBATCH --time=04:00:00
#SBATCH --output=%x-%A-%a.log
set -euo pipefail

exec tsmech run "$@" --shard "$SLURM_ARRAY_TASK_ID/${SHARDS:-$SLURM_ARRAY_TASK_COUNT}" --workers "$SLURM_CPUS_PER_TASK"
