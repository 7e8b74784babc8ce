#!/bin/sh
# Measures what one change costs a person, up to the first verdict and up to VERIFIED: commands, seconds, files and bytes.
# Takes a small change through all its days with a debug build, whose clock can be set.
# Usage: sh examples/numbers.sh        (PROGRAM=PATH uses an existing debug build)
set -eu

root=$(CDPATH= cd -- "$(dirname -- "$0")/.." && pwd)
if [ -z "${PROGRAM:-}" ]; then
    (cd "$root" && cargo build --quiet)
    target=${CARGO_TARGET_DIR:-target}
    case $target in /*) ;; *) target=$root/$target ;; esac
    PROGRAM=$target/debug/vibeship-optimizer
fi
unset VIBESHIP_CHANGE_ID GIT_DIR GIT_WORK_TREE GIT_INDEX_FILE || true
work=$(mktemp -d "${TMPDIR:-/tmp}/optimizer-numbers.XXXXXX")
trap 'rm -rf "$work"' EXIT
trap 'exit 130' INT TERM
cd "$work"

# Sets the clock of the tool and of git.
at() {
    VIBESHIP_OPTIMIZER_TEST_NOW=$1 GIT_AUTHOR_DATE=$1 GIT_COMMITTER_DATE=$1
    export VIBESHIP_OPTIMIZER_TEST_NOW GIT_AUTHOR_DATE GIT_COMMITTER_DATE
}
count=0
# Runs a command that a person types, and counts it.
typed() {
    count=$((count + 1))
    "$@" > "$work/.git/said" 2>&1 || { cat "$work/.git/said" >&2; echo "numbers: failed: $*" >&2; exit 1; }
}
# Runs a command that nobody types, such as the timer's.
timer() { "$@" > "$work/.git/said" 2>&1 || { cat "$work/.git/said" >&2; exit 1; }; }
evidence() { git add -A && git commit -q -m "Evidence"; }
# Prints the number of files and bytes of the change's evidence, without its record and the logbook.
size() {
    set -- reports/optimizer/chg-*
    echo "$# files, $(cat "$@" | wc -c | tr -d ' ') bytes"
}

at 2026-03-02T09:00:00Z
git init -q .
git config user.name "Numbers"
git config user.email numbers@example.org
git config commit.gpgsign false
git config core.hooksPath .git/hooks
cat > distinct.awk <<'AWK'
{
    found = 0
    for (i = 1; i <= count; i++) if (seen[i] == $0) found = 1
    if (!found) { seen[++count] = $0; print }
}
AWK
awk 'BEGIN { for (i = 0; i < 1000; i++) print "word-" (i * 7919) % 400 }' > words.txt
cat > vibeship_optimizer.yml <<'YAML'
version: 1
commands: {test: "printf 'b\\na\\nb\\n' | awk -f distinct.awk"}
timings: [{name: distinct, cmd: awk -f distinct.awk words.txt, runs: 10}]
kpis: [{name: words, cmd: awk -f distinct.awk words.txt | wc -l, better: higher, exact: true}]
size_paths: [distinct.awk]
pair: {min_pairs: 10, max_pairs: 20}
YAML
timer "$PROGRAM" init --no-prompt
git add -A
git commit -q -m "A configured project"
timer "$PROGRAM" hooks install

began=$(date +%s)
typed "$PROGRAM" change start --title "look words up by hash" --hypothesis "a hash lookup makes it linear" \
    --kpi "timing.distinct.wall <= -30%" --guardrail "kpi.words == 400" --trigger "timing.distinct.wall > +10%"
typed "$PROGRAM" next --run
echo '!seen[$0]++' > distinct.awk
at 2026-03-02T09:05:00Z
git commit -q -a -m "Look words up by hash"
typed "$PROGRAM" next --run
verdict="$count commands and 1 commit, $(($(date +%s) - began)) s"
typed "$PROGRAM" change promote
promoted=$(size)
typed "$PROGRAM" change rollout full
typed "$PROGRAM" review attest --tool other --reasoning-mode human --reviewer "Somebody else"
evidence
for day in 02 03 04; do
    at "2026-03-${day}T12:00:00Z"
    timer "$PROGRAM" monitor tick
    evidence
done
at 2026-03-05T12:00:00Z
typed "$PROGRAM" change verify --apply --summary "as fast in every run of three days"

echo "first verdict   $verdict"
echo "VERIFIED        $count commands and 1 commit, beside the timer's day and its commit of evidence"
echo "evidence        $promoted when promoted; $(size) when verified"
