"""What a confined process can no longer do. Each attempt is made in a process of its own."""

from __future__ import annotations

import socket
import subprocess
import sys

import pytest

from leadglass.archive.rendering.confinement import _CALLS, Guards, seccomp_program

MEMORY = 64 << 20
# Confine, then run one attempt and tell over the only descriptor left.
PROGRAM = f"""
import os, socket, sys, ctypes, resource, signal
from leadglass.archive.rendering.confinement import confine
os.dup2(os.open(os.devnull, os.O_RDONLY), 50)
guards = confine(int(sys.argv[1]), {MEMORY}, 1, os.getppid())

def is_open(number):
    try:
        os.lseek(number, 0, os.SEEK_CUR)
    except OSError as error:
        return error.errno != 9
    return True

try:
    result = eval(sys.argv[2])
except BaseException as error:
    result = type(error).__name__
os.write(3, (str(int(guards)) + " " + str(result)).encode())
os._exit(0)
"""

ATTEMPTS = {
    "open a file": ("os.open('/etc/passwd', os.O_RDONLY)", "PermissionError"),
    "write a file": ("os.open('/tmp/x', os.O_RDWR | os.O_CREAT)", "PermissionError"),
    "list a folder": ("os.listdir('/')", "PermissionError"),
    "look at a file": ("os.stat('/')", "PermissionError"),
    "use an inherited file": ("os.read(50, 1)", "OSError"),
    "connect": ("socket.socket(socket.AF_INET)", "PermissionError"),
    "connect locally": ("socket.socket(socket.AF_UNIX)", "PermissionError"),
    "fork": ("os.fork()", "PermissionError"),
    "execute": ("os.execv('/bin/true', ['true'])", "PermissionError"),
    "signal its parent": ("os.kill(os.getppid(), 0)", "PermissionError"),
    "trace": ("ctypes.CDLL(None).ptrace(0, 0, 0, 0)", "-1"),
    "raise its limits": ("resource.setrlimit(resource.RLIMIT_AS, (-1, -1))", "ValueError"),
    "become root": ("os.setuid(0)", "PermissionError"),
    "take more memory": (f"len(bytearray({2 * MEMORY}))", "MemoryError"),
    "take some memory": (f"len(bytearray({MEMORY // 2}))", str(MEMORY // 2)),
    "read its own": ("os.getpid() > 0", "True"),
}


def attempt(expression: str) -> tuple[Guards, str, int]:
    ours, theirs = socket.socketpair()
    ours.settimeout(30)
    with ours:
        with theirs:
            process = subprocess.Popen(
                [sys.executable, "-c", PROGRAM, str(theirs.fileno()), expression],
                pass_fds=[theirs.fileno()],
                stderr=subprocess.DEVNULL,
            )
        told = ours.recv(1000).decode()
        status = process.wait()
    guards, _, result = told.partition(" ")
    return Guards(int(guards or 0)), result, status


@pytest.mark.parametrize("what", ATTEMPTS)
def test_a_confined_process_cannot(what: str) -> None:
    expression, expected = ATTEMPTS[what]
    guards, result, _ = attempt(expression)
    if Guards.SYSCALLS not in guards:
        pytest.fail("this kernel has no seccomp: the sandbox would run with limits only")
    assert result == expected


def test_processor_time_ends() -> None:
    _, result, status = attempt("sum(0 for _ in iter(int, 1))")
    assert (result, status) in {("", -24), ("", -9)}  # SIGXCPU, SIGKILL


def test_nothing_but_the_channel_is_kept_open() -> None:
    _, result, _ = attempt("[number for number in range(200) if is_open(number)]")
    assert result == "[0, 1, 2, 3]"  # 0 to 2 are /dev/null


@pytest.mark.parametrize("machine", _CALLS)
def test_the_filter_allows_its_list_and_nothing_else(machine: str) -> None:
    """Interpret the program: a jump that is off by one would allow what it should deny."""
    architecture, calls = _CALLS[machine]
    program = seccomp_program(architecture, calls)

    def verdict(number: int, arch: int = architecture) -> int:
        data, accumulator, place = {0: number, 4: arch}, 0, 0
        while True:
            code, yes, no, value = (
                int.from_bytes(program[8 * place + at : 8 * place + end], sys.byteorder)
                for at, end in ((0, 2), (2, 3), (3, 4), (4, 8))
            )
            place += 1
            if code == 0x20:
                accumulator = data[value]
            elif code == 0x15:
                place += yes if accumulator == value else no
            else:
                return value

    allowed = {number for number in range(1000) if verdict(number) == 0x7FFF0000}
    assert allowed == set(calls)
    assert verdict(0x40000000) == 0x00050001  # x32
    assert verdict(calls[0], arch=0x40000003) == 0x80000000  # i386: killed
