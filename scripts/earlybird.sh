# Sourced by the scripts in the folders beside it: `earlybird` is the command on PATH, else the one built in this checkout.
if ! command -v earlybird >/dev/null 2>&1; then
  main="$(cd "$(dirname "${BASH_SOURCE[0]}")/.." && pwd)/dist/cli/main.js"
  earlybird() { node "$main" "$@"; }
fi
