"""What one worker needs to run blocks as fibers: stacks with guard pages, the block's record, and shared memory.

All of it is mapped, never allocated: a page costs memory once it is touched, and an overflow of a stack meets a page
that cannot be touched instead of the next thread's data. An arena grows to the largest block its worker has seen and
keeps that until it is closed.

Stacks are 1 MiB apart: CUDA gives a thread up to 512 KiB of local memory, and a kernel's local arrays lie on its stack.
Most kernels touch one page of it. A signal handler may run on a fiber's stack and saves every vector register there, so
less than 32 KiB would be unsafe; address space costs nothing, and timings are the same as with 128 KiB.

The tops of neighbouring stacks differ by one cache line modulo the page, 64 steps and around: at equal offsets all
threads of a block would compete for the same few sets of the cache. A thread's record lies at the top of its stack,
next to its first frames, so that a switch touches few lines and one page.
"""

from __future__ import annotations

import ctypes
import mmap
import os

import attrs

from rkruntime.errors import InvalidLaunch

__all__ = ("MOST_ALIGNMENT_BYTES", "Arena", "ArenaStats", "Mapping", "block_space_bytes", "thread_record")

PAGE_BYTES = mmap.PAGESIZE
STACK_BYTES = 1024 * 1024
SMALLEST_STACK_BYTES = 32 * 1024
LINE_BYTES = 64
STAGGER_STEPS = 64
THREAD_RECORD_BYTES = 128
BLOCK_RECORD_BYTES = 4096
STATIC_SHARED_BYTES = 48 * 1024
MOST_ALIGNMENT_BYTES = 1024  # of an array in shared memory: what CUDA's largest tiles are held to

_PRIVATE = mmap.MAP_PRIVATE | mmap.MAP_ANONYMOUS
_NO_RESERVE = 0x4000 if os.uname().sysname == "Linux" else 0x40  # MAP_NORESERVE, which mmap does not name before 3.13
_PROT_NONE = 0  # unnamed by the mmap module
_FAILED = ctypes.c_void_p(-1).value

_libc = ctypes.CDLL(None, use_errno=True)
_libc.mmap.restype = ctypes.c_void_p
_libc.mmap.argtypes = (ctypes.c_void_p, ctypes.c_size_t, ctypes.c_int, ctypes.c_int, ctypes.c_int, ctypes.c_long)
_libc.munmap.argtypes = (ctypes.c_void_p, ctypes.c_size_t)
_libc.mprotect.argtypes = (ctypes.c_void_p, ctypes.c_size_t, ctypes.c_int)


class Mapping:
    """Anonymous zeroed memory straight from the system, aligned to pages.

    Args:
        size_bytes: Bytes wanted; rounded up to whole pages.
        reserve: Whether the system must promise that the memory is there once touched.

    Raises:
        MemoryError: The system refuses.
    """

    def __init__(self, size_bytes: int, *, reserve: bool = False) -> None:
        self.size_bytes = _round_up(max(size_bytes, 1), PAGE_BYTES)
        flags = _PRIVATE if reserve else _PRIVATE | _NO_RESERVE
        address = _libc.mmap(None, self.size_bytes, mmap.PROT_READ | mmap.PROT_WRITE, flags, -1, 0)
        if address is None or address == _FAILED:
            raise MemoryError(f"the system refuses {self.size_bytes:,} bytes: {os.strerror(ctypes.get_errno())}")
        self.address: int = address

    def forbid(self, offset: int, size_bytes: int) -> None:
        """Make a range of whole pages fault when touched.

        Raises:
            MemoryError: The system refuses, mostly because the process has too many mappings (vm.max_map_count).
        """
        if _libc.mprotect(self.address + offset, size_bytes, _PROT_NONE):
            why = os.strerror(ctypes.get_errno())
            raise MemoryError(f"no guard page below a kernel's stack ({why}): raise vm.max_map_count")

    def close(self) -> None:
        """Give the memory back; again is harmless."""
        if self.address:
            _libc.munmap(self.address, self.size_bytes)
            self.address = 0


@attrs.frozen(kw_only=True)
class ArenaStats:
    """What an arena holds, in address space; `growths` counts how often it had to map anew."""

    threads: int
    stack_bytes: int
    shared_bytes: int
    growths: int


class Arena:
    """The stacks, block record and shared memory of one worker's blocks; never used by two threads at once.

    Args:
        stack_bytes: Bytes from one stack to the next, the guard page included; at least 32 KiB.
    """

    def __init__(self, stack_bytes: int = STACK_BYTES) -> None:
        if stack_bytes < SMALLEST_STACK_BYTES or stack_bytes % PAGE_BYTES:
            raise InvalidLaunch(
                "(any)",
                "stack_bytes",
                stack_bytes,
                f"a multiple of {PAGE_BYTES}, at least {SMALLEST_STACK_BYTES}",
                "choose such a size",
            )
        self.stack_bytes = stack_bytes
        self._stacks: Mapping | None = None
        self._block: Mapping | None = None
        self._shared: Mapping | None = None
        self._threads = 0
        self._growths = 0

    @property
    def stacks(self) -> int:
        """Address of the lowest stack; stack k lies between `stacks + k * stack_bytes` and the next."""
        return self._stacks.address if self._stacks else 0

    @property
    def block(self) -> int:
        """Address of the block's record, BLOCK_RECORD_BYTES long."""
        return self._block.address if self._block else 0

    @property
    def shared(self) -> int:
        """Address of the shared memory: STATIC_SHARED_BYTES for static arrays, then the dynamic block."""
        return self._shared.address if self._shared else 0

    @property
    def stats(self) -> ArenaStats:
        """What is held now."""
        return ArenaStats(
            threads=self._threads,
            stack_bytes=self._stacks.size_bytes if self._stacks else 0,
            shared_bytes=self._shared.size_bytes if self._shared else 0,
            growths=self._growths,
        )

    def reserve(self, threads: int, shared_bytes: int, stack_bytes: int = 0) -> None:
        """Make room for blocks of `threads` threads with `shared_bytes` of dynamic shared memory.

        Args:
            threads: Threads of a block.
            shared_bytes: Dynamic shared memory of a block, in bytes.
            stack_bytes: Stack that one thread needs, in bytes; 0 where the arena's own size will do.

        Raises:
            MemoryError: The system refuses; the arena keeps what it had.
        """
        wanted_stack = max(self.stack_bytes, _round_up(stack_bytes, PAGE_BYTES))
        if threads > self._threads or wanted_stack > self.stack_bytes:
            self._grow_stacks(max(threads, self._threads), wanted_stack)
        total = STATIC_SHARED_BYTES + shared_bytes
        if self._shared is None or total > self._shared.size_bytes:
            grown = Mapping(total)
            if self._shared is not None:
                self._shared.close()
            self._shared = grown
            self._growths += 1

    def close(self) -> None:
        """Give everything back; the arena may be used again, from nothing."""
        for mapping in (self._stacks, self._block, self._shared):
            if mapping is not None:
                mapping.close()
        self._stacks = self._block = self._shared = None
        self._threads = 0

    def _grow_stacks(self, threads: int, stack_bytes: int) -> None:
        stacks = Mapping(threads * stack_bytes)
        try:
            for k in range(threads):
                stacks.forbid(k * stack_bytes, PAGE_BYTES)
            if self._block is None:
                self._block = Mapping(BLOCK_RECORD_BYTES)
        except MemoryError:
            stacks.close()
            raise
        if self._stacks is not None:
            self._stacks.close()
        self._stacks, self._threads, self.stack_bytes = stacks, threads, stack_bytes
        self._growths += 1


def block_space_bytes(shared_bytes: int) -> int:
    """Return what one of many blocks that run together needs: its record, static and dynamic shared memory.

    Kernels compile this function, so it is plain arithmetic.
    """
    dynamic = (shared_bytes + MOST_ALIGNMENT_BYTES - 1) // MOST_ALIGNMENT_BYTES * MOST_ALIGNMENT_BYTES
    return BLOCK_RECORD_BYTES + STATIC_SHARED_BYTES + dynamic


def thread_record(stacks: int, stack_bytes: int, thread: int) -> int:
    """Return the address of a thread's record; its stack grows down from there.

    Within a warp (32 divides the stagger's period) the records are `stack_bytes - LINE_BYTES` apart. Kernels compile
    this function, so it is plain arithmetic.
    """
    top = stacks + (thread + 1) * stack_bytes
    return top - THREAD_RECORD_BYTES - (thread % STAGGER_STEPS) * LINE_BYTES


def _round_up(size: int, step: int) -> int:
    return -(-size // step) * step
