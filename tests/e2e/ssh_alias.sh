# A repository on another host, named as in ~/.ssh/config: `reverse SRC lb:/path`, and what is asked at a terminal only.
# needs: root
. "$E2E/lib.sh"

# The real server on loopback, its files below this directory.
sshd=$SERVERS/usr/sbin/sshd
[ -x "$sshd" ] || sshd=/usr/sbin/sshd
for program in "$sshd" ssh ssh-keygen script; do
  command -v "$program" >/dev/null || { skip "$program is not there; \`tools/setup test\` fetches a server"; exit 77; }
done
# ssh looks into the home directory that the account has, whatever \$HOME says: in this mount namespace that is ours.
account_home=$(getent passwd "$(id -u)" | cut -d: -f6)
chmod 700 home
mount --bind "$PWD/home" "$account_home" 2>stderr || { skip "no home directory can be mounted here ($(cat stderr))"; exit 77; }

mkdir -m 700 server home/.ssh
mkdir -p /run/sshd src/folder
# sshd gives up its rights to an account that its package would have made.
getent passwd sshd >/dev/null || {
  { cat /etc/passwd; echo 'sshd:x:65533:65534::/run/sshd:/usr/sbin/nologin'; } >passwd
  chmod 644 passwd
  mount --bind "$PWD/passwd" /etc/passwd
}
echo content >src/folder/file
head -c 3000000 /dev/urandom >src/large
for key in server/host_key home/.ssh/id_ed25519; do ssh-keygen -q -t ed25519 -N '' -C test -f "$key"; done
cp home/.ssh/id_ed25519.pub server/authorized_keys
cat >server/config <<END
HostKey $PWD/server/host_key
AuthorizedKeysFile $PWD/server/authorized_keys
PermitRootLogin prohibit-password
Subsystem sftp internal-sftp
StrictModes no
UsePAM no
PidFile none
END

# serve PORT: succeeds once it accepts connections.
serve() {
  LD_LIBRARY_PATH=$(echo "$SERVERS"/usr/lib/*-linux-gnu) "$sshd" -D -f "$PWD/server/config" \
    -o "ListenAddress=127.0.0.1:$1" -E "$PWD/server/log" &
  server=$!
  for _ in {1..200}; do
    kill -0 "$server" 2>/dev/null || return
    (: <"/dev/tcp/127.0.0.1/$1") 2>/dev/null && return
    sleep 0.02
  done
  return 1
}
trap 'kill "$server" 2>/dev/null' EXIT
for _ in {1..5}; do
  port=$((20000 + RANDOM % 12000))
  serve "$port" && break
  port=
done
[ -n "$port" ] || fail "no server: $(cat server/log)"
cat >home/.ssh/config <<END
Host lb
  HostName 127.0.0.1
  Port $port
END

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
