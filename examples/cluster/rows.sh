#!/bin/sh
# The linf bounds of one model with GNU parallel, a task for each group of outputs; `compare` joins them: the
# bound of the model is the largest of theirs.
#
#     examples/cluster/rows.sh REPORTS MODEL OUTPUTS [SIZE]
#
# OUTPUTS is the number of outputs of the model, SIZE how many make a group (1, where nothing is said).
# OPTIONS and PARALLEL_OPTIONS are as in parallel.sh.
set -u
[ $# -eq 3 ] || [ $# -eq 4 ] || { echo "usage: $0 REPORTS MODEL OUTPUTS [SIZE]" >&2; exit 2; }
reports=$1 model=$2 outputs=$3 size=${4-1}
mkdir -p "$reports" || exit 2
# shellcheck disable=SC2086
seq 0 "$((outputs - 1))" | xargs -n "$size" | tr " " , |
    parallel --quote ${PARALLEL_OPTIONS-} --joblog "$reports/jobs.log" --resume-failed \
        lipbound compute --threads 1 --norm linf ${OPTIONS-} --format json --outputs {} \
        -o "$reports/from{= s/,.*// =}.json" "$model" || { echo "tasks failed: see $reports/jobs.log" >&2; exit 1; }
lipbound compare --norm linf "$reports"/from*.json
