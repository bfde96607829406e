"""An SSH server on loopback, and the same behind a line of a given round trip. Nothing outside of its directory is changed.

Every client finds it by the names NEAR and FAR in a configuration of its own: `ssh` is wrapped by a script that names
that file, and the script comes first in PATH.
"""
import contextlib
import os
import pathlib
import pwd
import shutil
import socket
import subprocess
import time

from measure import BenchError, Command, untimed

NEAR = "near"
FAR = "far"
ROUND_TRIP_MS = 50
START_SECONDS = 10
PROGRAMS = ["ssh", "sftp", "ssh-keygen"]


def missing(binaries):
    """What is needed and not there; nothing if a server can be started."""
    absent = [name for name in PROGRAMS if shutil.which(name) is None]
    if not (binaries / "latency-relay").exists():
        absent.append(str(binaries / "latency-relay"))
    if not sshd(binaries).exists():
        absent.append("sshd (`tests/support/fetch-servers build/servers` unpacks one)")
    return absent


def unpacked(binaries):
    return binaries.parent / "servers"


def sshd(binaries):
    """The one that tests unpack beside the tools, or the installed one."""
    own = unpacked(binaries) / "usr/sbin/sshd"
    return own if own.exists() else pathlib.Path("/usr/sbin/sshd")


class Server:
    """A context: the server runs, and `environment` lets clients find it."""

    def __init__(self, binaries, directory):
        self.binaries = binaries
        self.home = directory
        self.environment = {"PATH": f"{directory / 'bin'}:{os.environ['PATH']}"}
        self.running = contextlib.ExitStack()

    def __enter__(self):
        (self.home / "bin").mkdir(parents=True)
        for key in ["host_key", "id"]:
            untimed(Command(["ssh-keygen", "-q", "-t", "ed25519", "-N", "", "-f", self.home / key]))
        near, far = free_port(), free_port()
        self.configure_server(near)
        self.configure_clients({NEAR: near, FAR: far})
        with self.running:
            self.start([sshd(self.binaries), "-D", "-f", self.home / "sshd_config", "-E", self.home / "log"], near,
                       self.account_environment())
            self.start([self.binaries / "latency-relay", far, near, ROUND_TRIP_MS], far)
            self.running = self.running.pop_all()
        return self

    def __exit__(self, *_):
        self.running.close()

    def configure_server(self, port):
        """An own HOME: what this account's shell does when it starts (a second of it, with some) is not measured."""
        (self.home / "sshd_config").write_text(
            f"ListenAddress 127.0.0.1:{port}\nHostKey {self.home}/host_key\nAuthorizedKeysFile {self.home}/id.pub\n"
            "PermitRootLogin prohibit-password\nSubsystem sftp internal-sftp\nStrictModes no\nUsePAM no\nPidFile none\n"
            f"MaxStartups 100\nSetEnv HOME={self.home}\n")

    def configure_clients(self, ports):
        key = (self.home / "host_key.pub").read_text()
        (self.home / "known_hosts").write_text("".join(f"[127.0.0.1]:{port} {key}" for port in ports.values()))
        (self.home / "ssh_config").write_text(
            "".join(f"Host {name}\n  Port {port}\n" for name, port in ports.items()) +
            f"Host *\n  HostName 127.0.0.1\n  IdentityFile {self.home}/id\n  IdentityAgent none\n"
            f"  UserKnownHostsFile {self.home}/known_hosts\n  GlobalKnownHostsFile /dev/null\n")
        wrapper = self.home / "bin/ssh"
        wrapper.write_text(f"#!/bin/sh\nexec {shutil.which('ssh')} -F '{self.home}/ssh_config' \"$@\"\n")
        wrapper.chmod(0o755)

    def account_environment(self):
        """sshd run by root needs an account that its package would have made, and libraries that were unpacked with it."""
        libraries = next((unpacked(self.binaries) / "usr/lib").glob("*-linux-gnu"), None)
        environment = {"LD_LIBRARY_PATH": str(libraries)} if libraries else {}
        try:
            pwd.getpwnam("sshd")
        except KeyError:
            accounts = pathlib.Path("/etc/passwd").read_text() + "sshd:x:65533:65534::/run/sshd:/usr/sbin/nologin\n"
            (self.home / "passwd").write_text(accounts)
            shutil.copy("/etc/group", self.home / "group")
            environment |= {"LD_PRELOAD": f"{libraries}/libnss_wrapper.so", "NSS_WRAPPER_PASSWD": f"{self.home}/passwd",
                            "NSS_WRAPPER_GROUP": f"{self.home}/group"}
        if os.geteuid() == 0:
            os.makedirs("/run/sshd", mode=0o755, exist_ok=True)
        return environment

    def start(self, argv, port, environment=None):
        """Runs a program until the context ends; returns once it accepts connections."""
        process = self.running.enter_context(subprocess.Popen(list(map(str, argv)), stdin=subprocess.DEVNULL,
                                                              stdout=subprocess.DEVNULL,
                                                              env={**os.environ, **(environment or {})}))
        self.running.callback(process.terminate)
        deadline = time.monotonic() + START_SECONDS
        while not accepts(port):
            if process.poll() is not None or time.monotonic() > deadline:
                raise BenchError(f"{argv[0]} does not start; its log: {self.home / 'log'}")
            time.sleep(0.02)


def free_port():
    with socket.socket() as probe:
        probe.bind(("127.0.0.1", 0))
        return probe.getsockname()[1]


def accepts(port):
    with socket.socket() as probe:
        return probe.connect_ex(("127.0.0.1", port)) == 0
