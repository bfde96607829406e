# OpenSSH's real server on loopback, its files below the working directory; sourced by bash after lib.sh, as root. The client knows
# it as "lb".

sshd=$SERVERS/usr/sbin/sshd
[ -x "$sshd" ] || sshd=/usr/sbin/sshd
for program in "$sshd" ssh ssh-keygen script; do
  command -v "$program" >/dev/null || { skip "$program is not there; \`tools/setup test\` fetches a server"; exit 77; }
done
# ssh looks into the home directory that the account has, whatever $HOME says: in this mount namespace that is ours.
account_home=$(getent passwd "$(id -u)" | cut -d: -f6)
chmod 700 home
mount --bind "$PWD/home" "$account_home" 2>stderr || { skip "no home directory can be mounted here ($(cat stderr))"; exit 77; }
mkdir -m 700 server home/.ssh
mkdir -p /run/sshd
trap 'kill "$server" 2>/dev/null' EXIT
server=

# add_accounts LINE...: of /etc/passwd, for this mount namespace only.
add_accounts() {
  local known
  known=$(cat /etc/passwd)  # which may be the very file that is written now
  printf '%s\n' "$known" "$@" >passwd
  chmod 644 passwd
  mount --bind "$PWD/passwd" /etc/passwd
}
# sshd gives up its rights to an account that its package would have made.
getent passwd sshd >/dev/null || add_accounts 'sshd:x:65533:65534::/run/sshd:/usr/sbin/nologin'

for key in server/host_key home/.ssh/id_ed25519; do ssh-keygen -q -t ed25519 -N '' -C test -f "$key"; done
cp home/.ssh/id_ed25519.pub server/authorized_keys
chmod 711 server
chmod 644 server/authorized_keys

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

# start_server [LINE...]: with lines of configuration after those that it needs here; sets port and server. $sftp_server may name
# what serves SFTP.
start_server() {
  [ -z "$server" ] || { kill "$server"; wait "$server"; }
  cat >server/config <<END
HostKey $PWD/server/host_key
AuthorizedKeysFile $PWD/server/authorized_keys
PermitRootLogin prohibit-password
Subsystem sftp ${sftp_server:-internal-sftp}
StrictModes no
UsePAM no
PidFile none
END
  printf '%s\n' "$@" >>server/config
  for _ in {1..5}; do
    port=$((20000 + RANDOM % 12000))
    serve "$port" && break
    port=
  done
  [ -n "$port" ] || fail "no server: $(cat server/log)"
  printf 'Host lb\n  HostName 127.0.0.1\n  Port %s\n' "$port" >home/.ssh/config
}
