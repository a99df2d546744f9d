# Sourced by the scripts in the folders beside it. `earlybird` is the command on PATH, else the one built in this clone.
if ! command -v earlybird >/dev/null 2>&1; then
  main="$(cd "$(dirname "${BASH_SOURCE[0]}")/.." && pwd)/dist/cli/main.js"
  earlybird() { node "$main" "$@"; }
fi

# find_ticket FOLDER PERCENT FLAGS: sets `ticket` to --model and the ticket of this ratio that the search in FOLDER left, the
# newest where a search that went on with another detector drew a second one. Its epoch is not known beforehand. Empty where
# FLAGS name a model themselves.
find_ticket() {
  local folder=$1 percent=$2 files file newest
  shift 2
  ticket=()
  case " $*" in *" --model"*) return ;; esac
  files=("$folder/EB-$percent"-*.pth.tar)
  if [ ! -e "${files[0]}" ]; then
    echo "$folder holds no ticket at $percent % (EB-$percent-*.pth.tar): run search.sh first, or give --model FILE." >&2
    return 1
  fi
  newest=${files[0]}
  for file in "${files[@]}"; do
    if [ "$file" -nt "$newest" ]; then newest=$file; fi
  done
  ticket=(--model "$newest")
}

# many_gpus IDS FLAGS: sets `gpus` to --gpu_ids IDS where this machine has as many GPUs as IDS names, each of which gets a rank;
# empty otherwise, where one process computes, or FLAGS say where to compute.
many_gpus() {
  local ids=$1 wanted there
  shift
  gpus=()
  case " $* " in *" --gpu"* | *" --device"* | *" --no-cuda"* | *" --no_cuda"*) return ;; esac
  wanted=$(tr ',' '\n' <<<"$ids" | wc -l)
  there=$(nvidia-smi --list-gpus 2>/dev/null | grep -c '^GPU' || true)
  if [ "$there" -ge "$wanted" ]; then
    gpus=(--gpu_ids "$ids")
  else
    echo "The reference trains on $wanted GPUs, here are $there: one process computes, with the same batch size." >&2
  fi
}
