# shellcheck shell=bash
# What scripts/test and scripts/servers share: paths, progress
# lines, interruptible commands, and Debian packages. Sourced, never run.
# shellcheck disable=SC2034 # CACHE_DIR and WHY are read by those that source this

REPO=$(cd "$(dirname "${BASH_SOURCE[0]}")/../.." && pwd)
TARGET_DIR=${CARGO_TARGET_DIR:-$REPO/target}
[[ $TARGET_DIR == /* ]] || TARGET_DIR=$REPO/$TARGET_DIR
# Everything slow to create is cached here. Deleting the folder is always safe
# while nothing runs; the next run rebuilds it.
CACHE_DIR=${RUMINATE_TEST_CACHE:-${XDG_CACHE_HOME:-$HOME/.cache}/ruminate-test}
PATH=$PATH:/usr/sbin:/sbin # where Debian keeps the servers, also for users

header() { printf '\n== %s\n' "$*"; }
note() { printf '   %s\n' "$*"; }
complain() { printf '%s: %s\n' "${0##*/}" "$*" >&2; }

# run COMMAND...: runs it in a separate process group, so that a signal to
# this script takes effect at once and ends the complete group (see end_child).
CHILD=
run() {
    local rc=0
    set -m
    "$@" </dev/null &
    CHILD=$!
    set +m
    wait "$CHILD" || rc=$?
    CHILD=
    return "$rc"
}

# end_child: ends what run started, if it is still running; for traps.
end_child() {
    [[ $CHILD ]] || return 0
    kill -TERM -- "-$CHILD" 2>/dev/null || return 0
    local i
    for ((i = 0; i < 30; i++)); do
        kill -0 -- "-$CHILD" 2>/dev/null || return 0
        sleep 0.1
    done
    kill -KILL -- "-$CHILD" 2>/dev/null || true
}

# twice COMMAND...: runs it, and again if it fails (an interrupted download).
twice() {
    "$@" && return 0
    note "failed, trying again: $*"
    sleep 2
    "$@"
}

# quietly LOG COMMAND...: output to LOG, whose end is shown if COMMAND fails.
quietly() {
    local log=$1
    shift
    run "$@" >>"$log" 2>&1 && return 0
    complain "failed: $*; the end of its output:"
    tail -n 20 "$log" >&2
    return 1
}

debian_root() {
    [[ $EUID == 0 && -r /etc/os-release ]] && command -v apt-get >/dev/null &&
        grep -q '^ID=debian$' /etc/os-release
}

# packages LOG COMMAND=PACKAGE...: installs the PACKAGE of each COMMAND that is
# missing. Fails, with the missing packages in WHY, if it may not.
APT_UPDATED=
packages() {
    local log=$1 pair wanted=()
    shift
    for pair in "$@"; do
        command -v "${pair%%=*}" >/dev/null || wanted+=("${pair#*=}")
    done
    [[ ${#wanted[@]} -gt 0 ]] || return 0
    WHY="Debian package(s) ${wanted[*]} not installed"
    debian_root || return 1
    note "installing ${wanted[*]}"
    [[ $APT_UPDATED ]] || twice quietly "$log" apt-get -q update || return 1
    APT_UPDATED=1
    twice quietly "$log" env DEBIAN_FRONTEND=noninteractive apt-get -qy \
        -o DPkg::Lock::Timeout=300 --no-install-recommends install "${wanted[@]}"
}
