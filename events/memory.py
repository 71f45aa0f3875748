"""A process that gets no more memory ends at once, as if it were killed: to go on, or to leave in
order, would need some."""

import asyncio
import os
from typing import Any

EXIT_CODE = 1
MESSAGE = (
    "Error: this process gets no more memory, so it ends; nothing is lost: start it again, with "
    "more memory\n"
)


def lacks_memory(error: object) -> bool:
    """Does the error, or one that it was raised for, say that there is no memory?"""
    if isinstance(error, BaseExceptionGroup):
        return any(map(lacks_memory, error.exceptions))
    if type(error).__name__ == "PanicException" and "alloc" in str(error):  # a library in Rust
        return True
    return isinstance(error, MemoryError) or (
        isinstance(error, BaseException) and lacks_memory(error.__cause__ or error.__context__)
    )


def end_without_memory(error: object) -> None:
    """Say it and end this process, if that is what the error says."""
    if lacks_memory(error):
        os.write(2, MESSAGE.encode())
        os._exit(EXIT_CODE)


def guard_memory() -> None:
    """Have the running event loop end the process where it would only report such an error: what
    reads a connection would close it, and nobody would know why."""
    asyncio.get_running_loop().set_exception_handler(_handle)


def _handle(loop: asyncio.AbstractEventLoop, context: dict[str, Any]) -> None:
    end_without_memory(context.get("exception"))
    loop.default_exception_handler(context)
