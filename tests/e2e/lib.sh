# What the scripts of this folder share; sourced by bash. The working directory is empty but for home and tmp.
set -u
umask 022

fail() {
  echo "FAILED: ${BASH_SOURCE[-1]##*/}:${BASH_LINENO[-2]}: $*" >&2
  for stream in stdout stderr; do
    [ ! -s "$stream" ] || { echo "--- $stream of the last command:"; head -c 2000 "$stream"; } >&2
  done
  exit 1
}

# step TEXT: says what comes now.
step() { echo "* ${SECONDS}s $*"; }

# skip TEXT: says loudly that something is not tested here.
skip() { echo "SKIPPED: $*" >&2; }

# expect CODE COMMAND...: runs it with its output in the files stdout and stderr.
expect() {
  local want=$1 code=0
  shift
  "$@" >stdout 2>stderr || code=$?
  [ "$code" = "$want" ] || fail "exit code $code instead of $want: $*"
}

# says FILE TEXT: the file stdout or stderr holds TEXT.
says() { grep -qF -- "$2" "$1" || fail "$1 does not say '$2'"; }

# silent FILE...: they are empty.
silent() {
  local file
  for file; do [ ! -s "$file" ] || fail "$file is not empty"; done
}

# same TREE OTHER [NAME...]: names, contents and metadata agree, links and holes included; of what is directly in
# TREE only those NAMEs are compared, if there are any.
same() {
  local tree=$1 other=$2
  shift 2
  [ $# -gt 0 ] || set -- .
  rsync -aHAXnciR --modify-window=-1 --delete "${@/#/$tree/./}" "$other/" >differences 2>&1 || fail "rsync: $(cat differences)"
  [ ! -s differences ] || fail "$tree and $other differ: $(head differences)"
  (cd "$tree" && find "$@" -printf '%H/%P %n\n' | sort) >links
  (cd "$other" && find "$@" -printf '%H/%P %n\n' | sort) | cmp -s links || fail "$tree and $other differ in links"
}

# wait_for COMMAND...: until it succeeds, at most 20 s.
wait_for() {
  local i
  for i in {1..1000}; do
    "$@" >/dev/null 2>&1 && return
    sleep 0.02
  done
  fail "this never came true: $*"
}

# settle: lets files grow older than what the tools take for too fresh to be trusted.
settle() { sleep 3.2; }

# json FIELD: its value in the last line of stdout.
json() { tail -n 1 stdout | grep -o "\"$1\":[^,}]*" | head -n 1 | cut -d: -f2- | tr -d '"'; }

objects() { find "$1/objects" -type f | wc -l; }
