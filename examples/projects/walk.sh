#!/bin/sh
# Takes one change of an example project to its verdict, in a temporary repository.
# Usage: sh examples/projects/walk.sh rust|python|node      (vibeship-optimizer must be on PATH; KEEP=1 keeps the repository)
set -eu

name=${1:?usage: sh walk.sh rust|python|node}
project=$(CDPATH= cd -- "$(dirname -- "$0")/$name" && pwd)
unset VIBESHIP_CHANGE_ID GIT_DIR GIT_WORK_TREE GIT_INDEX_FILE CARGO_TARGET_DIR || true
work=$(mktemp -d "${TMPDIR:-/tmp}/optimizer-$name.XXXXXX")
if [ "${KEEP:-0}" = 1 ]; then
    echo "The repository stays at $work"
else
    trap 'rm -rf "$work"' EXIT
    trap 'exit 130' INT TERM
fi
cd "$work"
run() { printf '\n$ %s\n' "$*"; "$@"; }

git init -q .
git config user.name "Example"
git config user.email example@example.org
git config commit.gpgsign false
cp -R "$project"/. .
rm faster.patch
git add -A
git commit -q -m "Distinct numbers"
# The set-up, once per project. The hooks then add the change's id to its commits.
vibeship-optimizer init --no-prompt >/dev/null
vibeship-optimizer hooks install >/dev/null
git add -A
git commit -q -m "Set up"
# The baseline needs a build; later `validate` makes it.
if [ -f Cargo.toml ]; then cargo build --release --quiet; fi

# The first verdict: three commands and one commit.
run vibeship-optimizer change start --title "look numbers up by hash" --hypothesis "a set makes it linear" \
    --kpi "timing.distinct.wall <= -10%" --guardrail "timing.distinct.cpu <= +5%" --trigger "timing.distinct.wall > +10%" --format text
run vibeship-optimizer next --run --format text
git apply "$project/faster.patch"
run git commit -q -a -m "Look numbers up by hash"
run vibeship-optimizer next --run --format text

git add -A
git commit -q -m "Evidence of the lookup by hash"
run vibeship-optimizer check
vibeship-optimizer status --format json > "$work/.git/status"
grep -q '"status": "compared"' "$work/.git/status"
grep -q '"outcome": "pass"' reports/optimizer/*_compare.json
printf '\n%s: the verdict is pass\n' "$name"
