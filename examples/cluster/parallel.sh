#!/bin/sh
# Bounds of many models with GNU parallel, one task for each model, then the comparison.
#
#     examples/cluster/parallel.sh REPORTS MODEL...
#
# OPTIONS are more options of `lipbound compute` (OPTIONS="--norm linf --bounds k5,k_sdp"), PARALLEL_OPTIONS
# of parallel (PARALLEL_OPTIONS="--sshloginfile hosts --workdir ." for several machines with shared files).
# Run it again, and only the tasks that failed or were not begun are run.
set -u
[ $# -ge 2 ] || { echo "usage: $0 REPORTS MODEL..." >&2; exit 2; }
reports=$1
shift
mkdir -p "$reports" || exit 2
# The options are several words. Each task gets one thread, as there is a task for each processor; a report is
# named after the path of its model, with _ for /.
# shellcheck disable=SC2086
parallel --quote ${PARALLEL_OPTIONS-} --joblog "$reports/jobs.log" --resume-failed \
    lipbound compute --threads 1 ${OPTIONS-} --format json \
    -o "$reports/{= s:/:_:g =}.json" {} ::: "$@"
failed=$?
lipbound compare "$reports"/*.json || exit
[ "$failed" -eq 0 ] || echo "$failed tasks failed: see $reports/jobs.log" >&2
exit "$failed"
