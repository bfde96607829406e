# A repository on another host, named as in ~/.ssh/config: `reverse SRC lb:/path`, and what is asked at a terminal only.
# needs: root
. "$E2E/lib.sh"
. "$E2E/ssh_lib.sh"

mkdir -p src/folder
echo content >src/folder/file
head -c 3000000 /dev/urandom >src/large
start_server

# at_terminal QUESTION ANSWER COMMAND: with a terminal of its own, on which the answer is typed once it is asked for;
# all that it shows.
at_terminal() {
  : >shown
  (wait_for grep -qF "$1" shown; printf '%s\n' "$2") | script -qefc "$3" shown >/dev/null
}

step "who was never met is refused where there is no terminal, with what to do"
expect 1 reverse ./src "lb:$PWD/repo"
says stderr "the host key of 'lb' is not known here, and nobody can be asked"
says stderr "ssh-keyscan -p $port"
[ ! -e home/.ssh/known_hosts ] || fail "it was kept"

step "at a terminal the person accepts it, once"
at_terminal '(yes/no)' yes "reverse ./src lb:$PWD/repo" || fail "$(cat shown)"
says shown "Is that the server's?"
says shown "is now kept in"
grep -q "^\[127.0.0.1\]:$port ssh-ed25519 " home/.ssh/known_hosts || fail "it was not kept"

step "from then on the alias is all that is needed"
echo more >src/more
expect 0 reverse ./src "lb:$PWD/repo"
says stdout "1 new"
expect 0 reverse list "lb:$PWD/repo"
[ "$(wc -l <stdout)" -ge 2 ] || fail "revisions are missing"
expect 0 reverse restore -q "lb:$PWD/repo" latest -t ./back
same src back
expect 0 reverse ./src lb:beside
[ -d "$account_home/beside/objects" ] || fail "a path without / does not begin at the login directory"
expect 0 reverse list "sftp://lb$PWD/repo"

step "signals that ask for progress do not disturb the connection"
for i in 1 2 3; do head -c 60000000 /dev/urandom >"src/large$i"; done
# catches: the backup, no longer the shell that starts it, has said what it does with SIGUSR1, signal 10.
catches() { [[ $(readlink "/proc/$backup/exe") == */reverse ]] && (( 0x$(sed -n 's/^SigCgt:\t//p' "/proc/$backup/status") & 1 << 9 )); }
reverse ./src "lb:$PWD/repo" >stdout 2>stderr & backup=$!
wait_for catches
while kill -USR1 "$backup" 2>/dev/null; do sleep 0.01; done
wait "$backup" || fail "it ended with code $?"
expect 0 reverse restore -q "lb:$PWD/repo" latest -t ./back2
same src back2

step "a key with a passphrase is opened at a terminal only, and the passphrase not shown"
ssh-keygen -q -p -P '' -N 'open sesame' -f home/.ssh/id_ed25519
expect 1 reverse list "lb:$PWD/repo"
says stderr "has a passphrase, and nobody can be asked"
at_terminal 'Passphrase of' 'open sesame' "reverse list lb:$PWD/repo" || fail "$(cat shown)"
! grep -q sesame shown || fail "the passphrase was shown"
ssh-keygen -q -p -P 'open sesame' -N '' -f home/.ssh/id_ed25519

step "a changed host key is fatal, and the line to remove is named"
sed -i "1i # a comment" home/.ssh/known_hosts
sed -i "s/^\(.*\]:$port\) .*/\1 $(cut -d' ' -f1,2 home/.ssh/id_ed25519.pub | sed 's,/,\\/,g')/" home/.ssh/known_hosts
expect 1 reverse ./src "lb:$PWD/repo"
says stderr "the host key of 'lb' has changed: '$account_home/.ssh/known_hosts' line 2"
says stderr "ssh-keygen -f"
