"""Writes what random kernels do with complex numbers and with records.

Their parts stay integers of few bits, so that every lowering must give the very same numbers: sums, products, and the
quotients that are written come out exactly, in four bytes too. Each thread writes to its own elements of the arrays
`zs` and `items`; what lies behind those is read by all.
"""

from __future__ import annotations

import random
from dataclasses import dataclass

import numpy as np

INNER = [("flag", "?"), ("r", "f4")]
FIELDS = [("p", "i8"), ("q", "i2"), ("inner", INNER), ("z", "c8")]
OWN = 5 * 96  # elements that are written, at most one for each thread
READ = 200  # elements behind them


def item_type(*, align: bool) -> np.dtype:
    """Return the type of the records."""
    inner = np.dtype(INNER, align=align)
    return np.dtype([(name, inner if kind is INNER else kind) for name, kind in FIELDS], align=align)


PACKED, ALIGNED = item_type(align=False), item_type(align=True)


def arrays(seed: int, *, strided: bool) -> tuple[np.ndarray, np.ndarray]:
    """Return new arrays `zs` and `items`, the same for one seed; `zs` may leave out every other element."""
    pick = np.random.default_rng(seed)
    step = int(pick.integers(1, 3)) if strided else 1
    zs = np.zeros((OWN + READ) * step, pick.choice(["c8", "c16"]))[::step]
    zs[:] = pick.integers(0, 99, zs.size) + 1j * pick.integers(0, 99, zs.size)
    items = np.zeros(OWN + READ, PACKED if pick.random() < 0.5 else ALIGNED)
    for numbers in (items["p"], items["q"], items["inner"]["r"]):
        numbers[:] = pick.integers(0, 99, items.size)
    items["inner"]["flag"] = pick.random(items.size) < 0.5
    items["z"] = zs[::-1]
    return zs, items


@dataclass(frozen=True)
class Compounds:
    """Writes lines of one kernel.

    Args:
        random: What is written depends on.
        complex: Whether the kernel has complex numbers.
        records: Whether it has records.
        own: Whether threads have arrays of their own.
        threads: Of a block; 0 where they share nothing.
    """

    random: random.Random
    complex: bool
    records: bool
    own: bool
    threads: int

    @property
    def any(self) -> bool:
        """Whether there is anything to write about."""
        return self.complex or self.records

    def shared(self) -> list[str]:
        """Return the lines that make shared arrays."""
        lines = []
        if self.complex:
            lines += [f"zshared = cuda.shared.array({self.threads}, np.complex128)", "zshared[t] = i - 1j"]
        if self.records:
            kind = self.random.choice(("PACKED", "ALIGNED"))
            lines += [f"tile = cuda.shared.array({self.threads}, {kind})", "tile[t]['p'] = i", "tile[t]['q'] = t"]
        return lines

    def begin(self, number: str) -> list[str]:
        """Return the lines that give the variables values."""
        lines = []
        if self.complex:
            lines += ["z, w = complex(i, t), complex(n, 1)"]
        if self.complex and self.own:
            lines += ["zmine = cuda.local.array(3, np.complex64)", "for q in range(3):", "    zmine[q] = q + 1j"]
        if self.records:
            lines += ["one = items[i]", f"other = {self._anywhere('items', number)}"]
        return lines

    def statement(self, a: str, b: str, condition: str) -> list[str]:
        """Return the lines of a statement, given two integers."""
        if self.complex and (not self.records or self.random.random() < 0.5):
            return self._of_numbers(a, b, condition)
        return self._of_records(a, condition)

    def value(self, a: str, whole: str) -> str:
        """Return an integer, given one, and what makes integers."""
        of_numbers = ("int(z.real)", "int(w.imag)", "(3 if z == w else 5)", self._length(a))
        fields = ("p", "q", "inner.r", "inner.flag", "z.imag")
        record = self.random.choice(("one", "other", "items[i]", self._anywhere("items", a)))
        of_records = (f"{whole}({record}.{self.random.choice(fields)})",)
        return self.random.choice((of_numbers if self.complex else ()) + (of_records if self.records else ()))

    def give(self, a: str) -> list[str]:
        """Return the lines that write to shared memory, between barriers."""
        lines = ["zshared[t] = z"] if self.complex else []
        return lines + ([f"tile[t]['{self.random.choice('pq')}'] = ({a}) & 0x3FF"] if self.records else [])

    def take(self, a: str, name: str, whole: str) -> list[str]:
        """Return the lines that read from shared memory, between barriers, and change an integer."""
        place, lines = f"({a}) % {self.threads}", []
        if self.complex:
            lines += [f"z += zshared[{place}]", _settled("z")]
        if self.records:
            lines += [f"{name} ^= {whole}(tile[{place}]['{self.random.choice('pq')}'])"]
        return lines

    def _length(self, a: str) -> str:
        return f"int(abs(complex(3 * (({a}) & 0xFF), -4 * (({a}) & 0xFF))))"

    def _anywhere(self, array: str, a: str) -> str:
        return f"{array}[{OWN} + ({a}) % {READ}]"

    def _of_numbers(self, a: str, b: str, condition: str) -> list[str]:
        pick = self.random
        name, other = pick.sample(("z", "w"), 2)
        made = f"complex(({a}) & 0xFF, ({b}) & 0x7)"
        kind = pick.randrange(8)
        if kind == 0:
            return [f"zs[i] = {pick.choice((name, f'{name} - 1j', made))}"]
        if kind == 1 and self.own:
            return [f"zmine[({a}) % 3] = {name}", f"{other} = complex(zmine[({b}) % 3])"]
        if kind == 2:
            return [f"{name} = complex({pick.choice(('zs[i]', self._anywhere('zs', a)))})"]
        if kind == 3:
            return [f"if {condition}:", f"    {name} = {pick.choice((made, other, f'{other}.conjugate()'))}"]
        if kind == 4:
            divisor = pick.choice(("2", "(1 + 1j)", f"(2j if {condition} else 2 + 0j)", "(1 - 1j)"))
            return [f"{name} = {name} / {divisor}", _settled(name)]
        if kind == 5:
            return [
                f"{name} = {pick.choice((f'-{name} + 1', f'{name} ** 2', f'(({a}) & 0xFF) - {name}'))}",
                _settled(name),
            ]
        return [f"{name} {pick.choice('+-*')}= {pick.choice((other, made, other))}", _settled(name)]

    def _of_records(self, a: str, condition: str) -> list[str]:
        pick = self.random
        record = pick.choice(("one", "one", "items[i]"))
        kind = pick.randrange(6)
        if kind == 0:
            return [f"if {condition}:", f"    other = {self._anywhere('items', a)}"]
        if kind == 1:
            return [f"{record}.inner.flag = {condition}"]
        if kind == 2:
            return [f"{record}.inner.r = ({a}) & 0xFF"]
        if kind == 3:
            return [f"{record}.z = {pick.choice(('other.z', f'({a}) & 0xFF', f'complex(1, ({a}) & 0xFF)'))}"]
        if kind == 4:
            return [f"{record}['p'] += ({a}) & 0xFFFF"]
        return [f"{record}.q = ({a}) & 0x3FFF"]


def _settled(name: str) -> str:
    return f"{name} = complex(int({name}.real) & 0x7FF, int({name}.imag) & 0x7FF)"
