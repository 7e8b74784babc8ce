#!/usr/bin/env bash
# How 0.2.0.bundle was made: changes in every state with their evidence, by a debug build (its clock can be set).
# Kept as a description; the fixture is never made again.
set -eu
BIN=$1 # a debug build of version 0.2.0 (commit 8043bd9)
DIR=$(mktemp -d)
rm -rf $DIR/p $DIR/home; mkdir -p $DIR/p/src $DIR/home; cd $DIR/p
printf '[user]\n\tname = Ada\n\temail = ada@example.org\n[init]\n\tdefaultBranch = main\n' > $DIR/home/gitconfig
export HOME=$DIR/home GIT_CONFIG_GLOBAL=$DIR/home/gitconfig GIT_CONFIG_NOSYSTEM=1 TZ=UTC LC_ALL=C
at() { export VIBESHIP_OPTIMIZER_TEST_NOW="$1" GIT_AUTHOR_DATE="$1" GIT_COMMITTER_DATE="$1"; }
vo() { echo "\$ $*" >&2; "$BIN" "$@"; }
at 2026-03-02T09:00:00Z
git init -q
cat > vibeship_optimizer.yml <<'Y'
version: 1
commands: {test: "exit 0"}
timings:
  - {name: work, cmd: "sh work.sh", runs: 6}
kpis:
  - {name: ops, file: ops.json, pointer: /ops, better: lower, exact: true}
size_paths: [src]
tuneables: {files: [app.json]}
review: {require_attestation: false}
pair: {min_pairs: 6, max_pairs: 6}
rollout: {stages: [{name: canary, soak_hours: 1}, {name: full}]}
Y
printf 'i=0; while [ $i -lt 5000 ]; do i=$((i+1)); done\n' > work.sh
echo '{"limit": 10, "name": "a"}' > app.json
for i in 1 2 3 4 5 6 7 8 9 10 11 12 13 14 15; do echo "slow $i" >> src/main.txt; done; echo '{"ops": 1000}' > ops.json
git add -A; git commit -qm start
vo init --no-prompt >/dev/null; git add -A; git commit -qm "Set up vibeship-optimizer" || true
N=1000
start() { # title flags
  ID=$(vo change start --title "$@" --format json | python3 -c 'import json,sys;print(json.load(sys.stdin)["change_id"])'); echo "$ID" >&2; }
contract() { vo change contract --change-id $ID --hypothesis "fewer operations" --kpi "kpi.ops <= -1%" --guardrail "size.src <= +50%" --trigger "kpi.ops > +10%" >/dev/null; }
before() { vo snapshot --label before --change-id $ID --as before >/dev/null; ev; }
ev() { git add -A; git diff --cached --quiet || git commit -qm "Evidence"; }
work() { N=$((N-20)); echo "{\"ops\": $N}" > ops.json; echo "v$N" >> src/main.txt; git add -A; git commit -qm "Lower to $N" --trailer "Optimizer-Change: $ID"; }
validate() { vo validate --change-id $ID >/dev/null; }
after() { vo snapshot --label after --change-id $ID --as after >/dev/null; }
compare() { vo compare --change-id $ID >/dev/null; }
day=2
hour() { at "2026-03-$(printf %02d $day)T$1:00:00Z"; }
# verified
start "verified"; contract; hour 10; before; hour 11; work; validate; after; compare; vo change promote --change-id $ID; hour 12
vo change rollout canary --change-id $ID >/dev/null; hour 14; vo change rollout full --change-id $ID >/dev/null; ev
for d in 3 4 5; do day=$d; hour 15; vo monitor tick --change-id $ID >/dev/null; ev; done
day=6; hour 09; vo change verify --change-id $ID --apply --summary "ops fell" >/dev/null; ev
# held, with pairs on timing
day=6; hour 10; start "held"; vo change contract --change-id $ID --hypothesis "faster" --kpi "timing.work.wall <= -5%" --guardrail "kpi.ops <= +1%" --trigger "kpi.ops > +10%" >/dev/null; before
hour 11; printf 'i=0; while [ $i -lt 2500 ]; do i=$((i+1)); done\n' > work.sh; git add -A; git commit -qm "Less work" --trailer "Optimizer-Change: $ID"; validate; after; compare; vo change hold --change-id $ID --reason "not sure" ; ev
# rejected after validation
hour 12; start "rejected"; contract; before; work; validate; vo change reject --change-id $ID --reason "no"; ev; git revert --no-edit HEAD~1 >/dev/null 2>&1 || { git checkout --theirs . ; git revert --abort; }
# rolled back and confirmed
hour 13; start "rolled back"; contract; before; work; W=$(git rev-parse HEAD); validate; after; compare; vo change promote --change-id $ID >/dev/null; vo change rollout canary --change-id $ID >/dev/null; ev
hour 15; vo change rollback --change-id $ID --reason "alarm" --apply || true; ev; vo snapshot --label after --change-id $ID --as after >/dev/null || true; ev
# emergency
hour 16; start "emergency" --class emergency --incident "queue on fire" --expires 48h; vo change contract --change-id $ID --hypothesis "stop it" --kpi "kpi.ops <= -1%" --guardrail "size.src <= +90%" --trigger "kpi.ops > +50%" --rollback "unset APP_LIMIT" >/dev/null; vo change rollout full --change-id $ID >/dev/null; ev
# experiment, compared
hour 17; start "experiment" --class experiment --parallel; contract; before; work; validate; after; compare; ev
# monitoring
hour 18; start "monitoring" --parallel; contract; before; work; validate; after; compare; vo change promote --change-id $ID >/dev/null; vo change rollout canary --change-id $ID >/dev/null; hour 20;  vo change rollout full --change-id $ID >/dev/null; ev; day=7; hour 09; vo monitor tick --change-id $ID >/dev/null; ev
# open ones: tuneable at baseline ; promoted ; compared; after; validated; contract; planned
hour 10; start "planned" --parallel; ev
start "contracted" --parallel; contract; ev
start "promoted" --parallel; contract; before; work; validate; after; compare; vo change promote --change-id $ID >/dev/null; ev
start "compared" --parallel; contract; before; work; validate; after; compare; ev
start "after" --parallel; contract; before; work; validate; after; ev
start "validated" --parallel; contract; before; work; validate; ev
hour 11; start "tuneable" --class tuneable --parallel; contract; before
git status --short
vo change list --format json | python3 -c 'import json,sys
for c in json.load(sys.stdin): print(c["status"],c["change_id"])'
vo check --format text || true
vo check --range $(git rev-list --max-parents=0 HEAD)..HEAD --format text || true
git log --oneline | wc -l; git bundle create -q $DIR/store.bundle main; ls -la $DIR/store.bundle; git ls-files | wc -l
