#!/bin/sh
# What the commit hook, the list, status and check cost in a project with many records, beside their floors.
#   sh examples/bench.sh [RECORDS] [ROUNDS]
# Makes RECORDS ended changes and an open one in a directory of its own, which takes about 20 ms a record. PROFILE=dev
# measures a debug build, which is quicker to make and much slower.
set -eu
records=${1:-1000} rounds=${2:-11}
cd "$(dirname "$0")/.."
cargo build --quiet --profile "${PROFILE:-release}" --bin vibeship-optimizer --example bench
built=$PWD/target/$([ "${PROFILE:-release}" = dev ] && echo debug || echo "${PROFILE:-release}")
tool=$built/vibeship-optimizer
dir=$(mktemp -d)
trap 'rm -rf "$dir"' EXIT INT TERM
export HOME="$dir" VIBESHIP_OPTIMIZER_NO_PROMPT=1 GIT_AUTHOR_NAME=B GIT_AUTHOR_EMAIL=b@example.org \
  GIT_COMMITTER_NAME=B GIT_COMMITTER_EMAIL=b@example.org
mkdir "$dir/project"
cd "$dir/project"
git init -q -b main
mkdir src
echo 1 >src/app
printf 'version: 1\ncommands: {test: "true"}\nsize_paths: [src]\n' >vibeship_optimizer.yml
git add -A
git commit -qm start
open() {
  "$tool" change start --title "$1" --hypothesis h --kpi 'size.src <= -1%' --guardrail 'size.src.files <= +50%' \
    --trigger 'size.src >= +100%' --rollback 'git revert <sha>' >"$dir/opened" 2>/dev/null
  id=$(sed -n 's/.*"change_id": "\([^"]*\)".*/\1/p' "$dir/opened")
}
n=0
while [ "$n" -lt "$records" ]; do
  n=$((n + 1))
  open "old $n"
  "$tool" change reject --change-id "$id" --reason no >/dev/null 2>&1
done
git add -A
git commit -qm records
open new
"$tool" snapshot --as before --label before >/dev/null 2>&1
printf 'Shrink it\n\nOptimizer-Change: %s\n' "$id" >"$dir/message"
echo "$records records, $rounds rounds, $(nproc 2>/dev/null || echo ?) cores"
"$built/examples/bench" "$tool" "$dir/message" "$rounds"
