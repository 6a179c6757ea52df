"""What a rendering worker gives up before it reads its first foreign byte (Linux).

Order matters: descriptors and user first (they need rights), then the promises that cannot be taken back.
Every step that fails is either fatal or reported in `Guards`; none is skipped in silence.
"""

from __future__ import annotations

import contextlib
import ctypes
import os
import platform
import resource
import signal
import struct
from enum import IntFlag

_NOBODY = 65534

# linux/prctl.h
_PR_SET_PDEATHSIG = 1
_PR_SET_DUMPABLE = 4
_PR_SET_SECCOMP = 22
_PR_SET_NO_NEW_PRIVS = 38
_SECCOMP_MODE_FILTER = 2

# linux/sched.h
_CLONE_NEWUTS = 0x04000000
_CLONE_NEWIPC = 0x08000000
_CLONE_NEWUSER = 0x10000000
_CLONE_NEWNET = 0x40000000

_CAPABILITY_VERSION_3 = 0x20080522  # linux/capability.h

_libc = ctypes.CDLL(None, use_errno=True)


class Guards(IntFlag):
    """What the kernel agreed to beyond the resource limits, which always hold."""

    NAMESPACES = 1  # no network, no IPC of the host
    UNPRIVILEGED = 2  # not root
    SYSCALLS = 4  # seccomp: can neither open, connect, fork, exec nor signal


def confine(channel: int, memory_bytes: int, cpu_seconds: int, parent: int) -> Guards:
    """Keep descriptor `channel` (as 3) and nothing else. `memory_bytes` is what may be added from now on.

    Raises OSError if the process cannot be made safe; the caller must then end it.
    """
    _keep_only(channel)
    guards = _leave_namespaces() | _drop_root()
    _limit(memory_bytes, cpu_seconds)
    _drop_capabilities()
    # A change of user clears both of these, so they come after it.
    _prctl(_PR_SET_DUMPABLE, 0)
    _prctl(_PR_SET_PDEATHSIG, signal.SIGKILL)
    if os.getppid() != parent:
        raise OSError("the zygote has gone")
    _prctl(_PR_SET_NO_NEW_PRIVS, 1)
    return guards | _filter_system_calls()


def _keep_only(channel: int) -> None:
    null = os.open(os.devnull, os.O_RDWR)
    channel = os.dup2(channel, max(channel, null) + 1)
    for number in range(3):
        os.dup2(null, number)
    os.dup2(channel, 3)
    for number in map(int, os.listdir("/proc/self/fd")):
        if number > 3:
            with contextlib.suppress(OSError):  # the listing's own
                os.close(number)


def _leave_namespaces() -> Guards:
    """A user namespace is what an unprivileged process needs to be allowed the others."""
    wanted = _CLONE_NEWNET | _CLONE_NEWIPC | _CLONE_NEWUTS
    if os.geteuid() != 0:
        wanted |= _CLONE_NEWUSER
    return Guards(0) if _libc.unshare(wanted) else Guards.NAMESPACES


def _drop_root() -> Guards:
    if os.geteuid() == 0:
        try:
            os.setgroups([])
            os.setresgid(_NOBODY, _NOBODY, _NOBODY)
            os.setresuid(_NOBODY, _NOBODY, _NOBODY)
        except PermissionError:
            return Guards(0)  # a container without CAP_SETUID
    return Guards.UNPRIVILEGED


def _drop_capabilities() -> None:
    """A new user namespace grants all of them inside it; nothing here needs any."""
    header = struct.pack("=Ii", _CAPABILITY_VERSION_3, 0)
    if _libc.capset(header, bytes(24)):
        raise OSError(ctypes.get_errno(), "capset")


def _limit(memory_bytes: int, cpu_seconds: int) -> None:
    with open("/proc/self/statm", "rb") as statm:
        held = int(statm.read().split()[0]) * resource.getpagesize()
    for kind, most in (
        (resource.RLIMIT_AS, held + memory_bytes),
        (resource.RLIMIT_CPU, cpu_seconds),
        (resource.RLIMIT_FSIZE, 0),
        (resource.RLIMIT_CORE, 0),
        (resource.RLIMIT_NPROC, 0),
        (resource.RLIMIT_MEMLOCK, 0),
        (resource.RLIMIT_NOFILE, 4),
    ):
        resource.setrlimit(kind, (most, most))


def _prctl(option: int, value: int) -> None:
    if _libc.prctl(option, ctypes.c_ulong(value), 0, 0, 0):
        raise OSError(ctypes.get_errno(), "prctl")


# ---- seccomp: a list of what decoding in memory needs; everything else answers EPERM ----------------------
#
# read write close fstat poll/ppoll lseek mmap mprotect munmap mremap madvise brk rt_sigaction rt_sigprocmask
# rt_sigreturn sched_yield sched_getaffinity getpid gettid sendto recvfrom exit exit_group getrusage futex
# restart_syscall clock_gettime getrandom membarrier rseq
_CALLS: dict[str, tuple[int, tuple[int, ...]]] = {
    "x86_64": (
        0xC000003E,
        (
            *(0, 1, 3, 5, 7, 271, 8, 9, 10, 11, 25, 28, 12, 13, 14),
            *(15, 24, 204, 39, 186, 44, 45, 60, 231, 98, 202),
            *(219, 228, 318, 324, 334),
        ),
    ),
    "aarch64": (
        0xC00000B7,
        (
            *(63, 64, 57, 80, 73, 62, 222, 226, 215, 216, 233, 214, 134, 135),
            *(139, 124, 123, 172, 178, 206, 207, 93, 94, 165, 98),
            *(128, 113, 278, 283, 293),
        ),
    ),
}
_LOAD, _JUMP_IF_EQUAL, _RETURN = 0x20, 0x15, 0x06  # BPF_LD|W|ABS, BPF_JMP|JEQ|K, BPF_RET|K
_ALLOW, _ERRNO_EPERM, _KILL = 0x7FFF0000, 0x00050001, 0x80000000


def seccomp_program(architecture: int, calls: tuple[int, ...]) -> bytes:
    """Classic BPF over `struct seccomp_data` (nr at 0, arch at 4): allow `calls`, EPERM for the rest.

    A call of another architecture kills; x32 calls of x86_64 have bit 30 set and so match none of `calls`.
    """
    code = [
        (_LOAD, 0, 0, 4),
        (_JUMP_IF_EQUAL, 1, 0, architecture),
        (_RETURN, 0, 0, _KILL),
        (_LOAD, 0, 0, 0),
    ]
    for place, call in enumerate(calls):
        code.append((_JUMP_IF_EQUAL, len(calls) - place, 0, call))
    code += [(_RETURN, 0, 0, _ERRNO_EPERM), (_RETURN, 0, 0, _ALLOW)]
    return b"".join(struct.pack("=HBBI", *instruction) for instruction in code)


def _filter_system_calls() -> Guards:
    known = _CALLS.get(platform.machine())
    if known is None:
        return Guards(0)
    program = seccomp_program(*known)
    buffer = ctypes.create_string_buffer(program, len(program))
    # struct sock_fprog { unsigned short len; struct sock_filter *filter; }
    header = struct.pack("@HP", len(program) // 8, ctypes.addressof(buffer))
    pointer = ctypes.create_string_buffer(header, len(header))
    failed = _libc.prctl(
        _PR_SET_SECCOMP, ctypes.c_ulong(_SECCOMP_MODE_FILTER), ctypes.c_ulong(ctypes.addressof(pointer)), 0, 0
    )
    return Guards(0) if failed else Guards.SYSCALLS
