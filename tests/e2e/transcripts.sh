# Every file transcripts/*.txt is played, and must come out as it stands there; every example of the documents is in one.
#
# A transcript is a terminal session: a line "$ COMMAND", then what it prints; "[exit N]" where its code is not 0.
# `*` stands for anything within a line. Lines before the first command, and those that begin with "# ", are text;
# so are blank lines above them or above a command.
# The session has a machine of its own: /home, /mnt, /srv and /tmp in it are directories of the scratch directory.
#
# tests/e2e/update-transcripts BUILD_DIR writes anew what has changed on purpose.
. "$E2E/lib.sh"
. "$E2E/transcripts/machine.sh"

root=$PWD/root

# Where the session's paths really are, and back; the scratch directory's part of a label is taken away too.
label=$(printf %s "${root#/}" | tr '/A-Z' '-a-z')
inside() {
  sed -E -e "s,(^|[ '\":=])/(home|mnt|srv|tmp)(/|\b),\\1$root/\\2\\3,g" -e "s,laptop/(home|srv),laptop/$label-\\1,g"
}
outside() { sed -e "s,$root,,g" -e "s,$label-,,g"; }

# play COMMAND: what a terminal would show, but for the JSON that tells each second how far a run has come.
play() {
  local code=0
  bash -c "$(inside <<<"$1")" >shown 2>&1 </dev/null || code=$?
  sed '/^{"message_type":"status",/d' shown | outside
  [ "$code" = 0 ] || echo "[exit $code]"
}

# Replaces by `*` what is different each time.
generalize() {
  sed -E -e 's/[0-9]{8}T[0-9]{6}Z(-[0-9a-f]{8})?/*/g' \
    -e 's/[0-9a-f]{8}-[0-9a-f]{4}-[0-9a-f]{4}-[0-9a-f]{4}-[0-9a-f]{12}/*/g' \
    -e 's/[0-9]{4}-[0-9]{2}-[0-9]{2}([ T][0-9:]{5,8}([+-][0-9:]{5})?)?/*/g' \
    -e 's/ in [0-9.]+ (s|min.*)$/ in */' -e 's/stored [1-9][0-9.]* [KM]?i?B/stored */' -e 's/ +\+[1-9][0-9.]* [KM]?i?B$/  */' \
    -e 's/\([a-z0-9.]+, [0-9.]+ .iB free\)/(*, * free)/' -e 's/^free +.*/free       */' \
    -e 's/^(-rw-r--r--|drwxr-xr-x) [a-z0-9]+ +[a-z0-9]+ +/\1 * * /' -e 's/by process [0-9]+/by process */' \
    -e 's/"(mtime|owner|token|machine)": "[^"]*"/"\1": "*"/g' -e 's/"(uid|gid|new_bytes)": [0-9]+/"\1": */g' \
    -e 's/^(token|machine|tool): .*/\1: */' -e 's/^(stored +[0-9]+ new objects,) .*/\1 */'
}

# matches SHOWN EXPECTED: line by line.
matches() {
  local i got want
  mapfile -t got <"$1"
  mapfile -t want < <(sed 's/[][?\\()|]/\\&/g' "$2")
  [ "${#got[@]}" = "${#want[@]}" ] || return 1
  for i in "${!want[@]}"; do
    # shellcheck disable=SC2053  # a pattern
    [[ ${got[i]} == ${want[i]} ]] || return 1
  done
}

# finish: compares what the last command showed with what stands below it; writes both parts to `written`.
finish() {
  [ -n "$command" ] || return 0
  play "$command" >got
  if matches got expected; then
    cat expected >>written
  else
    generalize <got >>written
    different=true
    { echo "--- $name: \$ $command"; diff -u --label "the transcript" --label "this run" expected got; } >&2
  fi
  command=
}

run_transcript() {
  local name=$1 line command='' blanks=''
  different=false
  chmod -R u+rwX root home 2>/dev/null
  rm -rf root home/.cache
  (make_machine "$root") || fail "no machine for $name"
  : >written
  while IFS= read -r line || [ -n "$line" ]; do
    case $line in
    '$ '* | '# '*)
      finish
      printf '%s%s\n' "$blanks" "$line" >>written
      blanks=
      case $line in '$ '*) command=${line#'$ '} && : >expected ;; esac
      ;;
    '') blanks+=$'\n' ;;
    *)
      if [ -n "$command" ]; then printf '%s%s\n' "$blanks" "$line" >>expected
      else printf '%s%s\n' "$blanks" "$line" >>written; fi
      blanks=
      ;;
    esac
  done <"$E2E/transcripts/$name.txt"
  finish
  ! $different || changed+=("$name")
  cp written "results/$name.txt"
}

# Every command that README, manuals and help give as an example.
examples() {
  local tool
  (cd "$DOCS" && sed -n -E 's/^    (\$ )?(reverse(-[a-z]+)? .*)/\2/p' README.md tools/*/manual.md)
  for tool in reverse-backup reverse-gc reverse-restore reverse-sync reverse-verify "reverse init" "reverse list" "reverse show" "reverse ls" "reverse cat" "reverse find" "reverse diff" "reverse stats" "reverse inventory" "reverse view" "reverse forget" "reverse unforget"; do
    $tool -h | sed -n '/^Examples:/,$ s/^  \(reverse.*\)/\1/p'
  done
}

changed=()
mkdir results
for file in "$E2E"/transcripts/*.txt; do
  name=$(basename "$file" .txt)
  step "$name"
  run_transcript "$name"
done

step "every example in README, manuals and help is played"
examples | sed -E 's/ +# .*//' | sort -u >examples
sed -n 's/^\$ //p' "$E2E"/transcripts/*.txt | sort -u >played
while IFS= read -r example; do
  changed+=("no transcript has: $example;")
done < <(comm -23 examples played)
[ ${#changed[@]} = 0 ] || fail "transcripts do not fit: ${changed[*]}"
