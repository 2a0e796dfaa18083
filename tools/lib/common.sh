# Shared by the scripts in tools/: the project's folder, messages, and long commands that show where they are.
# shellcheck shell=bash disable=SC2034  # the sourcing script reads run_status and run_seconds

root=$(cd "$(dirname "${BASH_SOURCE[0]}")/../.." && pwd)
log_dir=$root/build/log
failure_tail_lines=40

# Clones in other folders share compiler results.
export CCACHE_BASEDIR=$root CCACHE_NOHASHDIR=1

say() { printf '%s\n' "$*"; }

# Prints a message of one or more lines and ends the script.
die() {
  printf '%s: %s\n' "$(basename "$0")" "$1" >&2
  shift
  (($# == 0)) || printf '  %s\n' "$@" >&2
  exit 1
}

usage_error() {
  printf '%s: %s (see --help)\n' "$(basename "$0")" "$*" >&2
  exit 2
}

on_terminal() { [[ -t 2 && ${TERM:-dumb} != dumb ]]; }

seconds_now() { printf '%s' "${EPOCHREALTIME/[.,]/.}"; }

# seconds_since START: with one decimal.
seconds_since() { awk -v from="$1" -v to="$(seconds_now)" 'BEGIN { printf "%.1f", to - from }'; }

make_log_dir() {
  mkdir -p "$log_dir" 2>/dev/null || true
  [[ -w $log_dir ]] || die "cannot write to $log_dir" \
    "Run in a clone that belongs to you, or give its build folder back: sudo chown -R \"\$USER\" $root/build"
  # Under sudo the folders still belong to the caller, who goes on without it.
  if [[ -n ${SUDO_UID-} && $(stat -c %u "$root/build") == 0 ]]; then
    chown "$SUDO_UID:${SUDO_GID:-$SUDO_UID}" "$root/build" "$log_dir"
  fi
}

# Shows LABEL, the time so far and the log's last line on one terminal line, until it is ended.
watch_log() {
  local label=$1 log=$2 started=$SECONDS columns line
  columns=$(tput cols 2>/dev/null || echo 80)
  while sleep 0.3; do
    line=$(tail -c 600 "$log" 2>/dev/null | tr '\r\t' '\n ' | tr -cd '[:print:]\n' | grep -v '^ *$' | tail -n 1 || true)
    line="$label  $((SECONDS - started)) s  $line"
    printf '\r\033[K%s' "${line:0:columns-1}" >&2
  done
}

# run_logged LABEL LOG COMMAND...: runs a command with its output in LOG. Sets run_status and run_seconds; the caller
# looks at run_status. A terminal shows progress meanwhile. A shell function runs without `set -e`.
run_logged() {
  local label=$1 log=$2 watcher='' started
  shift 2
  started=$(seconds_now)
  : >"$log"
  if on_terminal; then
    watch_log "$label" "$log" &
    watcher=$!
    # shellcheck disable=SC2064
    trap "kill $watcher 2>/dev/null || true; printf '\r\033[K' >&2; trap - INT; kill -INT $$" INT
  fi
  run_status=0
  "$@" >"$log" 2>&1 </dev/null || run_status=$?
  run_seconds=$(seconds_since "$started")
  if [[ -n $watcher ]]; then
    kill "$watcher" 2>/dev/null || true
    wait "$watcher" 2>/dev/null || true
    trap - INT
    printf '\r\033[K' >&2
  fi
}

show_log_tail() {
  printf -- '--- the last lines of %s\n' "${1#"$root"/}" >&2
  tail -n "$failure_tail_lines" "$1" >&2
  printf -- '---\n' >&2
}

# configure PRESET ARGUMENT...: configures build/PRESET, from scratch where the folder came from another place.
configure() {
  local preset=$1 cache=$root/build/$1/CMakeCache.txt
  shift
  if [[ -f $cache ]] && ! grep -qxF "CMAKE_HOME_DIRECTORY:INTERNAL=$root" "$cache"; then
    say "build/$preset was configured in another folder: starting over"
    rm -rf "$cache" "${cache%/*}/CMakeFiles"
  fi
  (cd "$root" && cmake --preset "$preset" "$@")
}

# build_preset PRESET [TARGET...]
build_preset() {
  local preset=$1
  shift
  (cd "$root" && cmake --build --preset "$preset" -j "${OAG_JOBS:-$(nproc)}" ${1:+--target "$@"})
}
