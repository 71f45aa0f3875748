"""Start one program in a session of its own, so that it and its children can be signalled
together."""

import ctypes
import errno
import os
import signal
import sys
from contextlib import suppress
from typing import NamedTuple, NoReturn

from events.regular_file import open_log

_PR_SET_PDEATHSIG = 1
_PR_SET_CHILD_SUBREAPER = 36
_SYS_CLONE3, _CLONE_INTO_CGROUP = 435, 0x200000000
_CLONE_ARGS = 11
"""Fields of `struct clone_args`: flags, four that we leave, the signal of its end, five more, of
which the last is the cgroup."""
# loaded before any fork, so that nothing is imported between fork and exec; PyDLL keeps the
# interpreter's lock, which the child would otherwise have to take again
_LIBC = ctypes.PyDLL(None, use_errno=True) if sys.platform == "linux" else None


class Command(NamedTuple):
    """A program with its arguments, its whole environment, the folder it starts in, and the folder
    of the cgroup in which it runs, if it is to have one of its own."""

    argv: list[str]
    env: dict[str, str]
    cwd: str
    cgroup: str | None = None


class SpawnError(Exception):
    """The program could not be started; the message says what to do."""


def adopt_orphans() -> None:
    """Become the parent of grandchildren whose parents died, so that the end of a whole group is
    seen at once."""
    if _LIBC:
        _LIBC.prctl(_PR_SET_CHILD_SUBREAPER, 1, 0, 0, 0)


def spawn(command: Command, log: str, source: int | None = None, *, lasting: bool = False) -> int:
    """Run `command`, its output appended to `log`; return its process id once the program itself
    runs.

    Its standard input is the file descriptor `source`, else empty. `lasting`: it may outlive us.
    Raises SpawnError. Only for a process with one thread.
    """
    try:
        output = open_log(log)
    except OSError as error:
        raise SpawnError(f"the log {log} cannot be written: {error.strerror}") from None
    try:
        reports, report = os.pipe()
    except OSError as error:
        os.close(output)
        raise SpawnError(f"no process could be started: {error.strerror}") from None
    parent, program = os.getpid(), _program_path(command)
    try:
        pid = _fork(command.cgroup)
        if pid == 0:
            _exec(command, program, source, output, report, None if lasting else parent)
    except OSError as error:
        os.close(reports)
        raise SpawnError(
            f"no process could be started: {error.strerror}; run fewer trials in parallel"
        ) from None
    finally:
        os.close(output)
        os.close(report)
    with open(reports, "rb") as file:
        failure = file.read()  # empty as soon as the program runs: exec closes the other end
    if failure:
        os.waitpid(pid, 0)
        raise SpawnError(_explain(failure.decode(), command))
    return pid


def can_enter(cgroup: str) -> bool:
    """Can a child of ours start in this cgroup?"""
    try:
        pid = _fork_into(cgroup)
    except OSError:
        return False
    if pid == 0:
        os._exit(0)
    os.waitpid(pid, 0)
    return True


def _fork(cgroup: str | None) -> int:
    """As os.fork, the child in this cgroup from its first instant; in ours if that is refused."""
    if cgroup is not None:
        with suppress(OSError):
            return _fork_into(cgroup)
    return os.fork()


def _fork_into(cgroup: str) -> int:
    """To move a child there after its fork would take the kernel 10 ms. What os.fork does beyond
    this is for threads, of which there is one, and for children that do not exec."""
    if _LIBC is None:
        raise OSError(errno.ENOSYS, os.strerror(errno.ENOSYS))
    folder = os.open(cgroup, os.O_RDONLY | os.O_DIRECTORY)
    try:
        arguments = (ctypes.c_uint64 * _CLONE_ARGS)()
        arguments[0], arguments[4], arguments[10] = _CLONE_INTO_CGROUP, signal.SIGCHLD, folder
        pid: int = _LIBC.syscall(_SYS_CLONE3, arguments, ctypes.c_size_t(8 * _CLONE_ARGS))
        if pid < 0:
            raise OSError(ctypes.get_errno(), os.strerror(ctypes.get_errno()))
    finally:
        os.close(folder)
    return pid


def _program_path(command: Command) -> str:
    """The program's path, looked up before the fork: each failed try would cost the child an exec
    and copied pages."""
    name = command.argv[0]
    if os.sep in name:
        return name
    places = (
        os.path.join(place, name) for place in command.env.get("PATH", os.defpath).split(os.pathsep)
    )
    return next(
        (
            path
            for path in places
            if os.path.isabs(path) and os.access(path, os.X_OK) and os.path.isfile(path)
        ),
        name,
    )


def _exec(
    command: Command, program: str, source: int | None, output: int, report: int, parent: int | None
) -> NoReturn:
    """In the child: become the program, or write to `report` why not; with a `parent`, die when
    that dies."""
    step = "exec"
    try:
        os.setsid()
        for ignored in (signal.SIGINT, signal.SIGHUP, signal.SIGPIPE, signal.SIGXFSZ):
            signal.signal(ignored, signal.SIG_DFL)
        os.dup2(os.open(os.devnull, os.O_RDONLY) if source is None else source, 0)
        os.dup2(output, 1)
        os.dup2(output, 2)
        if _LIBC and parent is not None:
            _LIBC.prctl(_PR_SET_PDEATHSIG, signal.SIGKILL, 0, 0, 0)
        if (
            parent is not None and os.getppid() != parent
        ):  # it died before we could ask to die with it
            os._exit(1)
        step = "cwd"
        os.chdir(command.cwd)
        step = "exec"
        os.execvpe(program, command.argv, command.env)
    except BaseException as error:
        number = error.errno if isinstance(error, OSError) else 0
        os.write(report, f"{step}:{number or 0}:{error}".encode(errors="replace")[:4000])
    finally:
        os._exit(127)


def _explain(failure: str, command: Command) -> str:
    step, number, message = failure.split(":", 2)
    program = command.argv[0]
    if step == "cwd":
        return (
            f"the folder {command.cwd} where the trial starts cannot be entered ({message}); "
            "create it"
        )
    match int(number):
        case errno.ENOENT if os.sep in program and os.path.exists(
            os.path.join(command.cwd, program)
        ):
            return (
                f"{program!r} names an interpreter in its first line that does not exist; correct "
                "its #! line"
            )
        case errno.ENOENT | errno.ENOTDIR:
            where = f"from {command.cwd}" if os.sep in program else "in PATH"
            return (
                f"the program {program!r} was not found {where}; install it or correct the "
                "trial's command"
            )
        case errno.EACCES:
            return (
                f"{program!r} is not executable; chmod +x it, or name its interpreter first, such "
                f"as python {program}"
            )
        case errno.ENOEXEC:
            return (
                f"{program!r} is no program; begin it with a #! line, or name its interpreter first"
            )
        case errno.E2BIG:
            return (
                f"the arguments and environment of {program!r} are too long for this system; pass "
                "them in a file"
            )
    return f"{program!r} could not be started: {message}"
