"""The collector of a pod: in a child process, and anew at once when that is killed.

Kubernetes waits longer each time before it starts a container anew, and not at all once the trial
has ended. So what kills the collector alone, such as a lack of memory, must not end its container.
"""

import os
import signal
import sys
import time

TRIES = 10
"""So often in a row it is started anew after less than LASTING_SECONDS; then Kubernetes waits."""
LASTING_SECONDS = 10.0
AGAIN_SECONDS = 0.2


def collect_guarded() -> int:
    """Collect, as `python -m collectors` does; the exit code of the last collector. SIGTERM has to
    be blocked: it is passed on, also to one that is only just starting."""
    signal.pthread_sigmask(signal.SIG_BLOCK, [signal.SIGCHLD])
    ended, tries = False, 0
    while True:
        began, pid = time.monotonic(), _start()
        if ended:
            os.kill(pid, signal.SIGTERM)
        while (status := _ended(pid)) is None:
            if signal.sigwait([signal.SIGTERM, signal.SIGCHLD]) is signal.SIGTERM:
                ended = True
                os.kill(pid, signal.SIGTERM)
        tries = tries + 1 if time.monotonic() - began < LASTING_SECONDS else 0
        if not os.WIFSIGNALED(status) or tries >= TRIES:
            code = os.waitstatus_to_exitcode(status)
            return code if code >= 0 else 128 - code
        print(f"the collector was killed by signal {os.WTERMSIG(status)}", file=sys.stderr)
        time.sleep(AGAIN_SECONDS)


def _start() -> int:
    pid = os.fork()
    if pid == 0:
        signal.pthread_sigmask(signal.SIG_UNBLOCK, [signal.SIGCHLD])
        from collectors.command import main as collect  # the parent needs none of it

        sys.exit(collect())
    return pid


def _ended(pid: int) -> int | None:
    """The status with which it ended."""
    found, status = os.waitpid(pid, os.WNOHANG)
    return status if found else None
