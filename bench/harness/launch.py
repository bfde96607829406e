"""Runs one command and reports what it cost. A process of its own, started without site packages, because the kernel
counts the memory of the process that forks into the peak of its child: the smaller the launcher, the truer the figure.

Usage: launch.py FD COMMAND [ARGUMENT...]; writes "SECONDS PEAK_KIB STATUS" to descriptor FD.
"""
import os
import sys
import time


def main():
    report = int(sys.argv[1])
    os.set_inheritable(report, False)
    started = time.perf_counter()
    child = os.fork()
    if child == 0:
        try:
            os.execvp(sys.argv[2], sys.argv[2:])
        except OSError as error:
            os.write(2, f"{sys.argv[2]}: {error.strerror}\n".encode())
            os._exit(127)
    _, status, usage = os.wait4(child, 0)
    seconds = time.perf_counter() - started
    os.write(report, f"{seconds} {usage.ru_maxrss} {os.waitstatus_to_exitcode(status)}".encode())


main()
