# One line on the terminal for each long command; source it after lib.sh.
# shellcheck shell=bash

LOGS=$CACHE/quickstart
TICKER=""
mkdir -p "$LOGS"

tell() { printf '%s\n' "$@" >&2; } # one line per argument

# step NAME TEXT COMMAND...: its output goes to a log, of which only a failure shows the essence.
# HINT says what else to do about a failure.
step() {
  local name=$1 text=$2 log=$LOGS/$1.log start=$SECONDS rc result=""
  shift 2
  : >"$log"
  tick "$text" "$log" &
  TICKER=$!
  # As the condition of an "if" or beside "||" a function would run on after an error.
  set +e
  (
    set -e
    "$@"
  ) >"$log" 2>&1 </dev/null
  rc=$?
  set -e
  stop_ticker
  if [ "$rc" = 0 ]; then
    case $name in stack | settings) result=$(changes "$log") ;; esac
    say_step "$text" "done" "$((SECONDS - start)) s${result:+, $result}"
    return
  fi
  say_step "$text" FAILED "$((SECONDS - start)) s"
  tell ""
  ! grep -q '^        CHECK  ' "$log" || { show_table "$log"; tell ""; }
  explain "$log" >&2
  [ -z "${HINT:-}" ] || tell "" "$HINT"
  die "The whole output is in $log"
}

say_step() { tell "$(printf '  %-34s %-6s %s' "$@")"; }

tick() { # TEXT LOG
  local seconds=0 width line
  # Not beyond the script's own end, however it ended.
  while sleep 1 && kill -0 $$ 2>/dev/null; do
    seconds=$((seconds + 1))
    line=$(printf '  %-34s %4d s  %s' "$1" "$seconds" "$(doing "$2")")
    if [ -t 2 ]; then
      width=$(stty size <&2 2>/dev/null | cut -d ' ' -f 2 || true)
      printf '\r\033[K%.*s' "$((${width:-80} - 1))" "$line" >&2
    elif [ $((seconds % 30)) = 0 ]; then
      tell "$line"
    fi
  done
}

stop_ticker() {
  [ -n "$TICKER" ] || return 0
  kill "$TICKER" 2>/dev/null || true
  wait "$TICKER" 2>/dev/null || true
  TICKER=""
  [ ! -t 2 ] || printf '\r\033[K' >&2
}

# The task a play is at, or the last line of anything else that is not part of a larger text.
doing() {
  local task
  task=$(sed -n 's/^TASK \[\(.* : \)\{0,1\}\([^]]*\)\].*/\2/p' "$1" | tail -n 1)
  echo "${task:-$(tail -n 1 "$1" | sed '/^ /d')}"
}

# What the recap of a play counts.
changes() {
  sed -n 's/^[^ ]* *: ok=.* changed=\([0-9]*\) .*/\1/p' "$1" | tail -n 1 |
    sed 's/^0$/nothing to change/; s/^1$/1 change/; s/^[0-9][0-9]*$/& changes/'
}

# The table of the verification; what has no host is told elsewhere.
show_table() { # LOG
  sed -n '/^        CHECK  /,/^$/{
    /no host in group/d
    s/^      //p
  }' "$1" >&2
}

# Ansible's account of the last error, without where the task stands, or the end of another program's output.
explain() { # LOG
  local last
  last=$(grep -n '^\[ERROR\]: ' "$1" | tail -n 1 | cut -d : -f 1 || true)
  if [ -n "$last" ]; then
    sed -n "$last,/^Origin: /{
      /^Origin: /d
      s/^\[ERROR\]: //
      s/^Task failed: //
      s/^[A-Z][a-z]* failed: //
      s/^[0-9]* of [0-9]* users: //
      p
    }" "$1" | head -n 40
  else
    tail -n 15 "$1"
  fi
}
