# Sourced by the scripts in the folders beside it. `earlybird` is the command on PATH, else the one built in this clone.
if ! command -v earlybird >/dev/null 2>&1; then
  main="$(cd "$(dirname "${BASH_SOURCE[0]}")/.." && pwd)/dist/cli/main.js"
  earlybird() { node "$main" "$@"; }
fi

# find_ticket FOLDER PERCENT FLAGS: sets `ticket` to --model and the ticket of this ratio that the search in FOLDER left.
# Its epoch is not known beforehand. Empty where FLAGS name a model themselves.
find_ticket() {
  local folder=$1 percent=$2 files
  shift 2
  ticket=()
  case " $*" in *" --model"*) return ;; esac
  files=("$folder/EB-$percent"-*.pth.tar)
  if [ ! -e "${files[0]}" ]; then
    echo "$folder holds no ticket at $percent % (EB-$percent-*.pth.tar): run search.sh first, or give --model FILE." >&2
    return 1
  fi
  ticket=(--model "${files[0]}")
}
