# Shared by the scripts here: source it first. Works with bash 3.2, which is what macOS has.
# shellcheck shell=bash
set -euo pipefail

ROOT=$(cd "$(dirname "${BASH_SOURCE[0]}")/.." && pwd)
CACHE=${XDG_CACHE_HOME:-$HOME/.cache}/claude_code.observability
VENV=$ROOT/.venv
cd "$ROOT"
mkdir -p "$CACHE"

say() { printf '%s\n' "$*" >&2; }
die() { say "$*"; exit 1; }
have() { command -v "$1" >/dev/null 2>&1; }
is_root() { [ "$(id -u)" = 0 ]; }

# Prints one hash for the text of the named files and whatever comes in on stdin.
fingerprint() { cat "$@" - | { sha256sum 2>/dev/null || shasum -a 256; } | cut -c1-16; }

# find_python VERSION...: prints the real path of the first Python among these that runs.
find_python() {
  local version candidate
  for version in "$@"; do
    for candidate in "python$version" "${PYENV_ROOT:-$HOME/.pyenv}/versions/$version".*/bin/python3; do
      if candidate=$("$candidate" -c "import sys; assert '%d.%d' % sys.version_info[:2] == '$version'; print(sys.executable)" 2>/dev/null); then
        echo "$candidate"
        return
      fi
    done
  done
  return 1
}

# Puts the virtual environment and the collections where every tool finds them.
activate() {
  export PATH="$VENV/bin:$PATH" VIRTUAL_ENV=$VENV ANSIBLE_COLLECTIONS_PATH=$ROOT/.collections
}
