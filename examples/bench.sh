#!/bin/sh
# Times the commands and compares each with its floor. Gives the tables of docs/performance.md.
#   sh examples/bench.sh [ROUNDS]
# Generates its workloads in a temporary directory (about a minute, 1 GB). PROFILE=dev measures a debug build, which compiles
# faster and runs much slower.
set -eu
rounds=${1:-11}
cd "$(dirname "$0")/.."
cargo build --quiet --profile "${PROFILE:-release}" --bin vibeship-optimizer --example bench
built=$PWD/target/$([ "${PROFILE:-release}" = dev ] && echo debug || echo "${PROFILE:-release}")
tool=$built/vibeship-optimizer
bench=$built/examples/bench
dir=$(mktemp -d)
trap 'rm -rf "$dir"' EXIT INT TERM
export HOME="$dir" VIBESHIP_OPTIMIZER_NO_PROMPT=1 GIT_CONFIG_NOSYSTEM=1 GIT_AUTHOR_NAME=B GIT_AUTHOR_EMAIL=b@example.org \
  GIT_COMMITTER_NAME=B GIT_COMMITTER_EMAIL=b@example.org

# Makes the project $1, which measures the size of the path $2 and has the timings $3, and enters its directory.
project() {
  mkdir -p "$dir/$1/src"
  cd "$dir/$1"
  git init -q -b main
  git config gc.auto 0
  echo 1 >src/app
  printf '%s\n' 'version: 1' 'commands: {test: "true"}' "size_paths: [$2]" 'pair: {enabled: false}' \
    "timings: [${3-}]" \
    'enforcement: {exempt: [{paths: ["notes/**"], reason: prose}]}' >vibeship_optimizer.yml
  "$tool" init --no-prompt >/dev/null 2>&1
  git add -A
  git commit -qm start
}

# Opens a change and leaves its id in $id.
open() {
  "$tool" change start --parallel --title "$1" --hypothesis h --kpi 'size.src <= -1%' --guardrail 'size.src.files <= +50%' \
    --trigger 'size.src >= +100%' --rollback 'git revert <sha>' >"$dir/opened" 2>/dev/null
  id=$(sed -n 's/.*"change_id": "\([^"]*\)".*/\1/p' "$dir/opened")
}

# Takes the baseline, and writes a commit message that names the change to the file $1.
baseline() {
  git add -A
  git commit -qm records
  "$tool" snapshot --change-id "$id" --as before --label before >/dev/null 2>&1
  printf 'Shrink it\n\nOptimizer-Change: %s\n' "$id" >"$dir/$1"
}

quick='{name: quick, cmd: "true", runs: 10, warmup: 0}'
project ended src "$quick"
open old
"$tool" change reject --change-id "$id" --reason no >/dev/null 2>&1
"$bench" records ".vibeship-optimizer/changes/$id.json" .vibeship-optimizer/changes 10000
open new
baseline message
"$tool" hooks install >/dev/null 2>&1
mkdir "$dir/snapshots"
"$tool" snapshot --label template >/dev/null 2>&1
"$bench" snapshots .vibeship-optimizer/snapshots/*_template.json "$dir/snapshots"

project open src "$quick"
open many
"$bench" records ".vibeship-optimizer/changes/$id.json" .vibeship-optimizer/changes 500
baseline message-open

project files build
echo build/ >>.gitignore
git add -A
git commit -qm ignore
"$bench" files build 200000

project tracked src
"$bench" files data 20000
git add -A
git commit -qm data

project commits src "$quick"
git tag start
"$bench" commits 10000 | git fast-import --quiet
git reset -q --hard

version=$("$tool" --version)
echo "By $version, $(wc -c <"$tool") bytes; $(uname -sm), $(nproc 2>/dev/null || echo '?') cores; $(git --version); $rounds rounds"
echo
"$bench" table "$tool" "$dir" "$rounds"
echo
"$bench" pure "$dir"/ended/.vibeship-optimizer/changes/*-new.json "$dir/snapshots/before.json" "$dir/snapshots/after.json"
