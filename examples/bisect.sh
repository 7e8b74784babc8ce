#!/bin/sh
# Counts how often `bisect` names a wrong commit, on generated histories of 64 commits, one of which makes a program of
# about 20 ms slower by 3 %. Gives the table of docs/measurement.md.
#   sh examples/bisect.sh [TRIALS] [LOADS]
# LOADS busy loops run in the background. Environment: TOOL, a built vibeship-optimizer; WORK, the program to measure, which
# takes a number of steps as its argument (default: the tool's own fixed work); STEPS, that number; SLOWER, the slowdown in
# percent.
set -eu
trials=${1:-20} loads=${2:-0} slower=${SLOWER:-3}
cd "$(dirname "$0")/.."
if [ -z "${TOOL:-}" ]; then
  cargo build --quiet --release --bin vibeship-optimizer
  TOOL=$PWD/target/release/vibeship-optimizer
fi
dir=$(mktemp -d)
busy=
trap 'for load in $busy; do kill "$load" 2>/dev/null || :; done; rm -rf "$dir"' EXIT INT TERM
export HOME="$dir" VIBESHIP_OPTIMIZER_NO_PROMPT=1 GIT_CONFIG_NOSYSTEM=1
if [ -n "${WORK:-}" ]; then
  run="read -r steps <steps; exec '$WORK' \"\$steps\""
else
  run="read -r VIBESHIP_OPTIMIZER_SPIN_STEPS <steps; export VIBESHIP_OPTIMIZER_SPIN_STEPS; exec '$TOOL' spin"
fi
steps=${STEPS:-3000000}

# Makes a history in which commit number $1 is the first slow one; number 0 is the good one.
history() {
  git init -q -b main "$dir/repo"
  n=0
  while [ $n -le 64 ]; do
    now=$steps
    [ $n -lt "$1" ] || now=$((steps + steps * slower / 100))
    printf 'commit refs/heads/main\ncommitter B <b@example.org> %s +0000\ndata 3\n%03d\n' $((1700000000 + n)) $n
    for file in "run.sh $run" "steps $now" "number $n"; do
      text=${file#* }
      printf 'M 100644 inline %s\ndata %s\n%s\n\n' "${file%% *}" $((${#text} + 1)) "$text"
    done
    n=$((n + 1))
  done | git -C "$dir/repo" fast-import --quiet
  git -C "$dir/repo" reset -q --hard main
}

i=0
while [ $i -lt "$loads" ]; do
  while :; do :; done &
  busy="$busy $!"
  i=$((i + 1))
done
right=0 wrong=0 open=0 trial=0
began=$(date +%s)
while [ $trial -lt "$trials" ]; do
  trial=$((trial + 1))
  first=$((trial * 37 % 64 + 1))
  history $first
  found=$(cd "$dir/repo" && "$TOOL" bisect --good HEAD~64 --format json -- 'sh run.sh' 2>"$dir/log" |
    sed -n 's/.*"first_bad": "\([0-9a-f]*\)".*/\1/p')
  wanted=$(git -C "$dir/repo" rev-parse "HEAD~$((64 - first))")
  if [ "$found" = "$wanted" ]; then
    right=$((right + 1))
  elif [ -n "$found" ]; then
    wrong=$((wrong + 1))
  else
    open=$((open + 1))
  fi
  rm -rf "$dir/repo"
  seconds=$((($(date +%s) - began) / trial))
  echo "$trial trials, +$slower %, $loads loads: right $right, wrong $wrong, undecided $open; $seconds s each, load $(cut -d' ' -f1 /proc/loadavg 2>/dev/null)"
done
