#!/bin/sh
# Builds the wheel, installs it into a virtual environment, and runs the workflow's commands as `python -m vibeship_optimizer`.
# Usage: sh examples/python-wheel/try.sh [WHEEL]      (PROFILE=dev makes a debug build; WHEEL is tried without a build)
# Says so and exits with 0 if Python is missing or maturin cannot be installed.
set -eu

here=$(CDPATH= cd -- "$(dirname -- "$0")" && pwd)
root=$(CDPATH= cd -- "$here/../.." && pwd)
CARGO_TARGET_DIR=${CARGO_TARGET_DIR:-$root/target}
export CARGO_TARGET_DIR
# The caller's change and repository must not affect this one.
unset VIBESHIP_CHANGE_ID GIT_DIR GIT_WORK_TREE GIT_INDEX_FILE PYTHONPATH || true
work=$(mktemp -d "${TMPDIR:-/tmp}/optimizer-wheel.XXXXXX")
trap 'rm -rf "$work"' EXIT
trap 'exit 130' INT TERM
skip() { echo "python-wheel: NOT TRIED: $*"; exit 0; }

python3 -m venv "$work/build" >"$work/log" 2>&1 || skip "no python3 with venv"
if [ $# -gt 0 ]; then
    wheel=$1
else
    "$work/build/bin/pip" install --quiet --disable-pip-version-check --retries 0 --timeout 20 'maturin>=1.9,<2' >"$work/log" 2>&1 || {
        cat "$work/log"
        skip "maturin cannot be installed"
    }
    (cd "$here" && "$work/build/bin/maturin" build --locked --profile "${PROFILE:-release}" --auditwheel skip --out "$work/wheels")
    wheel=$(echo "$work"/wheels/*.whl)
fi
python3 -m venv "$work/venv"
"$work/venv/bin/pip" install --quiet --disable-pip-version-check --no-index --no-deps "$wheel"
PATH=$work/venv/bin:$PATH
export PATH

# Runs a command, which must end with the exit code $1.
expect() {
    wanted=$1
    shift
    got=0
    "$@" || got=$?
    [ "$got" -eq "$wanted" ] || { echo "python-wheel: expected exit code $wanted, got $got: $*" >&2; exit 1; }
}

mkdir "$work/project"
cd "$work/project"
git init -q .
git config user.name "Wheel"
git config user.email wheel@example.org
git config commit.gpgsign false
git config core.hooksPath .git/hooks
echo 'echo 100' > steps.sh
cat > vibeship_optimizer.yml <<'YAML'
version: 1
commands: {test: "exit 0"}
kpis: [{name: steps, cmd: sh steps.sh, better: lower, exact: true}]
size_paths: [steps.sh]
pair: {enabled: false}
YAML
python -m vibeship_optimizer init --no-prompt
git add -A
git commit -q -m "Start"
python -m vibeship_optimizer change start --title "fewer steps" | tee "$work/started"
id=$(sed -n 's/.*"change_id": "\([^"]*\)".*/\1/p' "$work/started")
python -m vibeship_optimizer change contract --change-id "$id" --hypothesis "fewer steps" \
    --kpi "kpi.steps <= -10%" --guardrail "size.steps.sh <= +10%" --trigger "kpi.steps > +5%" >/dev/null
before=$(python -m vibeship_optimizer snapshot --label before --change-id "$id" --as before)
echo 'echo 80' > steps.sh
git commit -q -a -m "Fewer steps" --trailer "Optimizer-Change: $id"
python -m vibeship_optimizer validate --change-id "$id" >/dev/null
after=$(python -m vibeship_optimizer snapshot --label after --change-id "$id" --as after)
python -m vibeship_optimizer compare --before "$before" --after "$after" --out "reports/optimizer/${id}_compare.md"
grep -F "**pass**" "reports/optimizer/${id}_compare.md"
# The change is neither promoted nor monitored for three days: it cannot be verified.
expect 1 python -m vibeship_optimizer change verify --change-id "$id" >/dev/null
expect 1 python -m vibeship_optimizer change verify --change-id "$id" --apply --summary "20 % fewer" >/dev/null
expect 2 python -m vibeship_optimizer nosuch
printf '\npython-wheel: done\n'
