# Progress for the bash scripts: a spinner with the step's name on a terminal, plain lines elsewhere. Sourced, never run.

# step NAME COMMAND...: runs COMMAND quietly and shows NAME meanwhile. The command's exit code is returned; what it
# printed is kept in $STEP_LOG until the next step, so that a caller may look for the cause of a failure in it.
step() {
  local name=$1 code=0 started=$SECONDS
  shift
  STEP_LOG=${STEP_LOG:-$(mktemp "${TMPDIR:-/tmp}/kilonova-step.XXXXXX")}
  if [ -t 2 ]; then
    "$@" >"$STEP_LOG" 2>&1 </dev/null &
    local pid=$! frames=(⠋ ⠙ ⠹ ⠸ ⠼ ⠴ ⠦ ⠧ ⠇ ⠏) frame=0
    # What runs in the background does not hear Ctrl-C by itself.
    trap 'printf "\r\033[K" >&2; kill "$pid" 2>/dev/null || :; wait "$pid" 2>/dev/null || :; exit 130' INT TERM
    while kill -0 "$pid" 2>/dev/null; do
      printf '\r%s %s %d s\033[K' "${frames[frame++ % 10]}" "$name" $((SECONDS - started)) >&2
      read -rt 0.1 <> <(:) || :
    done
    wait "$pid" || code=$?
    trap - INT TERM
    printf '\r\033[K' >&2
  else
    "$@" >"$STEP_LOG" 2>&1 </dev/null || code=$?
  fi
  if [ "$code" = 0 ]; then
    say "✓ $name ($((SECONDS - started)) s)"
  else
    say "✗ $name ($((SECONDS - started)) s); its last lines:"
    tail -n 20 "$STEP_LOG" | sed 's/^/  | /' >&2
  fi
  return "$code"
}

say() { printf '%s\n' "$*" >&2; }

# fail CODE TEXT...: says what is wrong and ends the script with that code.
fail() {
  local code=$1
  shift
  say "kilonova: $*"
  exit "$code"
}

# Was the last step's failure for want of room on a disk?
step_hit_full_disk() { grep -qiE 'no space left on device|ENOSPC|enough free (disk )?space|disk quota exceeded' "$STEP_LOG"; }
