#!/bin/sh
# Runs the whole workflow in a temporary repository, where a change makes a quadratic program linear and has to prove it.
# Usage: sh examples/quickstart.sh        (KEEP=1 keeps the repository; PROFILE=release makes a release build)
set -eu

root=$(CDPATH= cd -- "$(dirname -- "$0")/.." && pwd)
cd "$root"
echo "Building ..."
cargo build --locked --quiet --profile "${PROFILE:-dev}"
target=${CARGO_TARGET_DIR:-target}
case $target in /*) ;; *) target=$root/$target ;; esac
PATH=$target/$([ "${PROFILE:-dev}" = dev ] && echo debug || echo "$PROFILE"):$PATH
export PATH
# The caller's change and repository must not affect this one.
unset VIBESHIP_CHANGE_ID GIT_DIR GIT_WORK_TREE GIT_INDEX_FILE || true

work=$(mktemp -d "${TMPDIR:-/tmp}/optimizer-quickstart.XXXXXX")
if [ "${KEEP:-0}" = 1 ]; then
    echo "The repository stays at $work"
else
    trap 'rm -rf "$work"' EXIT
    trap 'exit 130' INT TERM
fi
cd "$work"

say() { printf '\n# %s\n' "$*"; }
# Shows a command and runs it; it must end with the exit code $1.
expect() {
    code=$1
    shift
    printf '$'
    for word in "$@"; do
        case $word in *[!A-Za-z0-9_./=:-]*) printf ' "%s"' "$word" ;; *) printf ' %s' "$word" ;; esac
    done
    printf '\n'
    got=0
    "$@" || got=$?
    if [ "$got" -ne "$code" ]; then
        echo "quickstart: expected exit code $code, got $got: $*" >&2
        exit 1
    fi
    [ "$code" -eq 0 ] || echo "(exit code $got, as it should be)"
}
run() { expect 0 "$@"; }

say "A small program: the distinct words of a list, in order. It looks each word up in all it has seen."
git init -q .
git config user.name "Quick Start"
git config user.email quickstart@example.org
git config commit.gpgsign false
git config core.hooksPath .git/hooks
cat > distinct.awk <<'AWK'
{
    found = 0
    for (i = 1; i <= count; i++) if (seen[i] == $0) found = 1
    if (!found) { seen[++count] = $0; print }
}
AWK
cat > test.sh <<'TEST'
set -eu
expected=$(printf 'b\na\nc')
actual=$(printf 'b\na\nb\nc\na\n' | awk -f distinct.awk)
[ "$actual" = "$expected" ] || { echo "expected $expected, got $actual" >&2; exit 1; }
TEST
awk 'BEGIN { for (i = 0; i < 1000; i++) print "word-" (i * 7919) % 400 }' > words.txt
cat > vibeship_optimizer.yml <<'YAML'
version: 1
commands:
  test: sh test.sh
timings:
  - name: distinct
    cmd: awk -f distinct.awk words.txt
    runs: 10
    warmup: 1
kpis:
  - name: words
    cmd: awk -f distinct.awk words.txt | wc -l
    better: higher
    exact: true
size_paths: [distinct.awk]
pair:
  min_pairs: 10
  max_pairs: 20
  max_time_s: 30
YAML
cat distinct.awk
git add -A
git commit -q -m "Distinct words"

say "Gate 0 and 1: open a change and write its contract, before anything is edited."
run vibeship-optimizer init --no-prompt
run vibeship-optimizer change start --title "look words up by hash"
say "Without a contract there is no baseline ..."
expect 1 vibeship-optimizer snapshot --label before --as before
run vibeship-optimizer change contract \
    --hypothesis "a hash lookup makes it linear" \
    --kpi "timing.distinct.wall <= -30%" \
    --guardrail "kpi.words == 400" \
    --guardrail "size.distinct.awk <= +100%" \
    --trigger "timing.distinct.wall > +10%"

say "... and no after before before."
expect 1 vibeship-optimizer snapshot --label after --as after

say "Gate 2: the baseline. From here on the contract is frozen."
run vibeship-optimizer snapshot --label before --as before
expect 1 vibeship-optimizer change contract --kpi "timing.distinct.wall <= -1%"

say "Gate 3: the one change, in one commit that carries the change's id. Its test must pass."
id=$(vibeship-optimizer --quiet status --format json | sed -n 's/.*"change_id": "\([^"]*\)".*/\1/p' | head -n 1)
cat > distinct.awk <<'AWK'
!seen[$0]++
AWK
cat distinct.awk
run git commit -q -a -m "Look words up by hash" --trailer "Optimizer-Change: $id"
run vibeship-optimizer validate

say "Gate 4 and 5: the state after, and both sides measured in alternation."
run vibeship-optimizer snapshot --label after --as after
expect 1 vibeship-optimizer change promote
run vibeship-optimizer compare --change-id "$id" --out comparison.md
rm -f comparison.md

say "Gate 6 and 7: promoted on the evidence, with the rollback rehearsed; then rolled out."
run vibeship-optimizer change promote
run vibeship-optimizer change rollout full

say "Gate 8: reviewed as it stands; but nothing is VERIFIED on its first day."
run vibeship-optimizer review attest --tool other --reasoning-mode human --reviewer "Quick Start"
expect 3 vibeship-optimizer change verify --apply --summary "linear, as hoped"
run vibeship-optimizer status

say "What stays in the repository"
git add -A
git commit -q -m "Evidence"
git ls-files reports .vibeship-optimizer VIBESHIP_OPTIMIZER.md

say "The comparison"
cat "reports/optimizer/${id}_compare.md"
printf '\nquickstart: done\n'
