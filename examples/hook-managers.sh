#!/bin/sh
# Tries the hook examples with the real hook managers: lefthook and husky from npm, pre-commit and prek from PyPI.
# Usage: sh examples/hook-managers.sh [MANAGER]...      (vibeship-optimizer must be on PATH)
# Reports and skips a manager that cannot be installed.
set -eu

examples=$(CDPATH= cd -- "$(dirname -- "$0")" && pwd)
unset VIBESHIP_CHANGE_ID GIT_DIR GIT_WORK_TREE GIT_INDEX_FILE || true
work=$(mktemp -d "${TMPDIR:-/tmp}/optimizer-hooks.XXXXXX")
trap 'rm -rf "$work"' EXIT
trap 'exit 130' INT TERM
export HOME="$work" GIT_CONFIG_NOSYSTEM=1
path=$PATH
cd "$work"

fail() {
    echo "$manager: $*" >&2
    cat "$work/log" >&2
    exit 1
}
# Runs a command that must fail, with the text $1 in its output.
refused() {
    text=$1
    shift
    if "$@" >"$work/log" 2>&1; then fail "was not refused: $*"; fi
    grep -q "$text" "$work/log" || fail "was refused without $text: $*"
}
passes() { "$@" >"$work/log" 2>&1 || fail "failed: $*"; }

# Both install a package and put its program on PATH. Without npm's install scripts: lefthook's would put its hooks into the
# surrounding repository.
npm_package() { npm_config_ignore_scripts=true npm install --silent --no-fund --no-audit --prefix "$work/npm" "$1" && PATH=$work/npm/node_modules/.bin:$PATH; }
pip_package() { python3 -m venv "$work/$1" && "$work/$1/bin/pip" install --quiet --disable-pip-version-check "$1" && PATH=$work/$1/bin:$PATH; }
get() {
    case $1 in
        lefthook | husky) npm_package "$1" ;;
        pre-commit | prek) pip_package "$1" ;;
        *) echo "unknown hook manager: $1" >&2; return 1 ;;
    esac
}
set_up() {
    case $1 in
        lefthook)
            cp "$examples/lefthook.yml" .
            lefthook install
            ;;
        husky)
            printf '{"name": "tried", "private": true}\n' > package.json
            husky
            cp "$examples"/husky/* .husky/
            ;;
        pre-commit | prek)
            # The hooks of .pre-commit-hooks.yaml, with the installed program instead of a built one.
            {
                printf 'default_install_hook_types: [prepare-commit-msg, commit-msg, pre-push]\nrepos:\n  - repo: local\n    hooks:\n'
                sed -e '/^#/d' -e 's/language: rust/language: system/' -e 's/^/      /' "$examples/../.pre-commit-hooks.yaml"
            } > .pre-commit-config.yaml
            git add .pre-commit-config.yaml
            "$1" install
            ;;
    esac
}
version() {
    case $1 in
        lefthook) lefthook version ;;
        husky) sed -n 's/.*"version": "\(.*\)".*/\1/p' "$work/npm/node_modules/husky/package.json" ;;
        *) "$1" --version | sed 's/.* //' ;;
    esac
}

try() {
    manager=$1
    PATH=$path
    if ! get "$manager" >"$work/log" 2>&1; then
        echo "$manager: NOT TRIED, it cannot be installed here: $(tail -n 1 "$work/log")"
        return
    fi
    mkdir "$work/in-$manager"
    cd "$work/in-$manager"
    git init -q -b main .
    git config user.name "Hooks"
    git config user.email hooks@example.org
    echo 'echo 100' > steps.sh
    cat > vibeship_optimizer.yml <<'YAML'
version: 1
commands: {test: "exit 0"}
kpis: [{name: steps, cmd: sh steps.sh, better: lower, exact: true}]
size_paths: [steps.sh]
pair: {enabled: false}
YAML
    passes vibeship-optimizer init --no-prompt
    git add -A
    git commit -q -m "Start"
    git init -q --bare ../"$manager.git"
    git remote add origin ../"$manager.git"
    git push -q -u origin main
    passes set_up "$manager"
    git add -A
    git commit -q --no-verify -m "Set up $manager" 2>"$work/log"
    git push -q --no-verify

    echo 'echo 99' > steps.sh
    refused "commit refused" git commit -a -m "Without a change"
    git commit -q --no-verify -a -m "Without a change" 2>"$work/log"
    refused "COMMIT_WITHOUT_ID" git push
    git reset -q --hard HEAD^

    passes vibeship-optimizer change start --title "fewer steps" --hypothesis "fewer" --kpi "kpi.steps <= -10%" \
        --guardrail "size.steps.sh <= +5%" --trigger "kpi.steps > +5%"
    passes vibeship-optimizer snapshot --label before --as before
    git add -A
    passes git commit -m "Baseline"
    echo 'echo 80' > steps.sh
    passes git commit -a -m "Fewer steps"
    git log -1 --format='%(trailers:key=Optimizer-Change)' | grep -q "chg-" || fail "the commit got no trailer"
    passes vibeship-optimizer hooks status --format text
    grep -q "commit-msg: another program's hook that calls ours; git runs it" "$work/log" || fail "hooks status does not see it"
    passes vibeship-optimizer validate
    git add -A
    passes git commit -m "Evidence"
    passes git push
    echo "$manager $(version "$manager"): refuses a commit without a change, adds the trailer, checks what is pushed"
}

[ $# -gt 0 ] || set -- lefthook husky pre-commit prek
for name in "$@"; do try "$name"; done
