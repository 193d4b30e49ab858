"""Writes random kernels, of integers, so that every lowering must give the very same numbers.

Each kernel has branches, loops with breaks, early returns, device functions, shared arrays and arrays of a thread's
own, barriers, also such that count or that some threads skip, loops of barriers that threads leave at their own time,
warp operations, atomics, divisions, complex numbers and records, by chance; every subscript is within bounds and every
loop ends, whatever the numbers are. What CUDA leaves undefined is not written: threads read what others wrote to shared
memory behind a barrier alone.
"""

from __future__ import annotations

import math
import random
from dataclasses import dataclass, field

from compound_writer import OWN, Compounds

BLOCKS = ((48,), (64,), (96,), (32, 2), (12, 4), (4, 3, 5))
GRID = 5
THREADS = OWN
SIZE = 200  # of what kernels read; threads beyond it may leave
NAMES = ("a", "b", "c")
UNIFORM = ("n", "block")
INTEGERS = ("np.int64", "np.int32", "np.uint8", "np.int16")


@dataclass
class Writer:
    """Writes one kernel from a seed.

    Args:
        seed: The same seed gives the same kernel.
        casts: Whether numbers are cast to narrow types, which numba-cuda's simulator refuses where it loses bits.
    """

    seed: int
    casts: bool = True
    lines: list[str] = field(default_factory=list)
    depth: int = 0
    loops: int = 0
    block: tuple[int, ...] = BLOCKS[0]
    threads: int = 0  # of a block
    dynamic: bool = False  # whether the shared array is as large as the launch says
    helps: bool = False  # whether there is a device function
    waits: bool = False
    own: bool = False
    named: bool = False  # whether the variables have values
    compounds: Compounds = field(init=False)

    def __post_init__(self) -> None:
        self.random = random.Random(self.seed)

    def source(self) -> str:
        """Return the source of a function `kernel(x, y, out, counts, n, zs, items)`."""
        pick = self.random
        self.waits = pick.random() < 0.5
        self.block = pick.choice(BLOCKS)
        self.threads = math.prod(self.block)
        self.helps, self.own = pick.random() < 0.4, pick.random() < 0.3
        chances = (pick.random() < 0.3, pick.random() < 0.3, self.own)
        self.compounds = Compounds(pick, *chances, threads=self.threads if self.waits else 0)
        if self.helps:
            self.helper()
        self.line("def kernel(x, y, out, counts, n, zs, items):")
        self.depth = 1
        if len(self.block) == 1:
            self.line("i, t = cuda.grid(1), cuda.threadIdx.x")
        else:
            self.line(
                "t = cuda.threadIdx.x + cuda.blockDim.x * (cuda.threadIdx.y + cuda.threadIdx.z * cuda.blockDim.y)"
            )
            self.line(f"i = t + cuda.blockIdx.x * {self.threads}")
        self.line("block = cuda.blockIdx.x")
        if self.waits:
            self.dynamic = pick.random() < 0.3
            self.line(f"shared = cuda.shared.array({0 if self.dynamic else self.threads}, np.int64)")
            self.line("shared[t] = i")
            self.all_of(self.compounds.shared())
            if pick.random() < 0.5:
                self.line(f"if i {pick.choice(('>=', '>'))} x.size:")
                self.line("    return")
            self.line("cuda.syncthreads()")
        elif pick.random() < 0.8:
            self.line("if i >= x.size:")
            self.line("    return")
        if self.own:
            self.line("mine = cuda.local.array(5, np.int64)")
            self.line("for q in range(5):")
            self.line("    mine[q] = i * q")
        for name in NAMES:
            self.line(f"{name} = {self.simple()}")
        self.all_of(self.compounds.begin(self.simple()))
        self.named = True
        self.statements(pick.randint(2, 3), 0)
        if self.waits:
            for _ in range(pick.randint(1, 2)):
                self.together()
            if pick.random() < 0.4:
                self.at_own_time()
            elif random.Random(f"{self.seed} skips").random() < 0.5:  # so that other seeds' kernels stay what they were
                self.some_skip()
            self.line("out[i] = a + 3 * b - c + shared[t]")
        else:
            self.line("out[i] = a + 3 * b - c")
        if self.compounds.complex:
            self.line("zs[i] = z - w")
        return "\n".join(self.lines) + "\n"

    def line(self, text: str) -> None:
        self.lines.append("    " * self.depth + text)

    def all_of(self, lines: list[str]) -> None:
        for one in lines:
            self.line(one)

    def helper(self) -> None:
        """Write a device function that returns at several places."""
        pick = self.random
        compare = pick.choice(("<", ">=", "!="))
        self.lines += [
            "@cuda.jit(device=True)",
            "def helper(p, q):",
            f"    if p % {pick.randint(2, 5)} {compare} q % 3:",
            f"        return p {pick.choice('+-^')} {pick.randint(1, 9)}",
            f"    for z in range(q % {pick.randint(2, 6)}):",
            f"        p {pick.choice('+-^')}= z + q",
            f"        if p % {pick.randint(3, 9)} == 0:",
            f"            {pick.choice(('return p', 'break', 'return q - z'))}",
            f"    return p {pick.choice('+-^')} q",
            "",
        ]

    @property
    def whole(self) -> str:
        """What makes integers."""
        return "np.int64" if self.casts else "int"

    # What all threads of a block do together

    def together(self) -> None:
        """Write a barrier, or a branch or loop around barriers that a block takes as one."""
        kind = self.random.randrange(4)
        if kind == 0:
            self.exchange()
        elif kind == 1:
            name = f"u{self.loops}"
            self.loops += 1
            self.line(f"for {name} in range({self.random.choice(('2', 'n % 4', '1 + block % 3'))}):")
            self.nested(self.exchange, lambda: self.statements(1, 2))
        elif kind == 2:
            self.line(f"if {self.random.choice(('n % 2 == 0', 'block % 2 == 0', 'n > 3'))}:")
            self.nested(self.exchange)
        else:
            name = f"s{self.loops}"
            self.loops += 1
            self.line(f"{name} = {self.threads} // 2")
            self.line(f"while {name} > 0:")
            self.nested(
                lambda: self.line(f"if t < {name}:"),
                lambda: self.nested(lambda: self.line(f"shared[t] += shared[t + {name}]")),
                lambda: self.line("cuda.syncthreads()"),
                lambda: self.line(f"{name} //= 2"),
            )

    def at_own_time(self) -> None:
        """Write a loop of barriers that each thread leaves when its own numbers say so."""
        name, turns = f"v{self.loops}", f"m{self.loops}"
        self.loops += 1
        self.line(f"{turns} = n")
        if self.random.random() < 0.5:
            self.line(f"for {name} in range(({self.expression(1)}) % 5):")
        else:
            self.line(f"{name} = ({self.expression(1)}) % 5")
            self.line(f"while {name} > 0 and ({self.condition()}):")
            self.nested(lambda: self.line(f"{name} -= 1"))

        def exchange() -> None:
            self.exchange(alone=False)

        self.nested(exchange, lambda: self.statements(1, 2))
        if self.random.random() < 0.5:
            self.nested(lambda: self.line(f"if {self.condition()}:"), lambda: self.line("    break"), exchange)
        self.nested(lambda: self.line(f"{turns} += 1"))
        self.line(f"{self.random.choice(NAMES)} ^= {turns}")

    def some_skip(self) -> None:
        """Write barriers that some threads skip, for good, and what all do after that."""
        self.line(f"if {self.condition()}:")
        self.nested(lambda: self.exchange(alone=False), lambda: self.statements(1, 2))
        if self.random.random() < 0.5:
            self.nested(
                lambda: self.line(f"if {self.condition()}:"),
                lambda: self.nested(lambda: self.exchange(alone=False)),
                lambda: self.statements(1, 2),
            )
        self.statements(1, 1)

    def exchange(self, *, alone: bool = True) -> None:
        """Write to shared memory, and read between barriers.

        Args:
            alone: Whether no thread of the block reads its own element meanwhile, having left.
        """
        self.line("cuda.syncthreads()")
        self.line(f"shared[t] = {self.expression(1)}")
        self.all_of(self.compounds.give(self.expression(1)))
        if self.random.random() < 0.3:
            self.counted()
        else:
            self.line("cuda.syncthreads()")
        if alone and self.random.random() < 0.3:
            how = self.random.choice(("add", "sub", "max", "min", "and_", "or_", "xor"))
            given = f"({self.expression(1)}) % {self.threads}, {self.simple()}"
            self.line(f"cuda.atomic.{how}(shared, {given})")
            self.line("cuda.syncthreads()")
        self.line(f"{self.random.choice(NAMES)} += shared[({self.expression(1)}) % {self.threads}]")
        self.all_of(self.compounds.take(self.expression(1), self.random.choice(NAMES), self.whole))
        self.line("cuda.syncthreads()")
        if self.random.random() < 0.3:
            self.within_warp()

    def counted(self) -> None:
        how = self.random.choice(("count", "and", "or"))
        self.line(f"{self.random.choice(NAMES)} += cuda.syncthreads_{how}({self.condition()})")

    def within_warp(self) -> None:
        pick, name, every = self.random, self.random.choice(NAMES), "0xFFFFFFFF"
        kind = pick.randrange(5)
        if kind <= 1:
            how, lane = pick.choice(("", "_up", "_down", "_xor")), pick.choice(("1", "16", "n", self.expression(1)))
            self.line(f"{name} ^= cuda.shfl{how}_sync({every}, np.int64({pick.choice(NAMES)}), {lane})")
        elif kind == 4:
            self.line(f"{name} ^= cuda.match_any_sync({every}, np.int64({self.simple()}) % 3) & 0xFFFF")
        elif kind == 2:
            self.line(f"{name} ^= cuda.ballot_sync({every}, {self.condition()}) & 0xFFFF")
        else:
            self.line(f"{name} += cuda.{pick.choice(('any', 'all', 'eq'))}_sync({every}, {self.condition()})")

    def nested(self, *parts) -> None:
        self.depth += 1
        for part in parts:
            part()
        self.depth -= 1

    # What each thread does by itself

    def statements(self, count: int, level: int, loop: bool = False) -> None:
        for _ in range(count):
            self.statement(level, loop)

    def statement(self, level: int, loop: bool) -> None:
        pick = self.random
        kind = pick.randrange(9 if level < 2 else 4)
        name = pick.choice(NAMES)
        if kind <= 1:
            self.line(f"{name} = {self.expression(pick.randint(1, 2))}")
        elif kind == 2:
            self.line(f"{name} {pick.choice(('+', '-', '^', '*'))}= {self.expression(1)}")
            self.line(f"{name} &= 0xFFFF")
        elif kind == 3:
            self.effect()
        elif kind in (4, 5):
            self.line(f"if {self.condition()}:")
            self.nested(lambda: self.statements(pick.randint(1, 2), level + 1, loop))
            if pick.random() < 0.3:
                self.line(f"elif {self.condition()}:")
                self.nested(lambda: self.statements(1, level + 1, loop))
            if pick.random() < 0.5:
                self.line("else:")
                self.nested(lambda: self.statements(1, level + 1, loop))
        elif kind in (6, 7):
            self.for_loop(level)
        else:
            self.while_loop(level)
        if loop and pick.random() < 0.2:
            self.line(f"if {self.condition()}:")
            self.line(f"    {pick.choice(('break', 'continue'))}")
        elif level == 1 and pick.random() < 0.15:
            self.line(f"if {self.condition()}:")
            self.line(f"    out[i] = {self.expression(1)}")
            self.line("    return")

    def for_loop(self, level: int) -> None:
        pick, name = self.random, f"k{self.loops}"
        self.loops += 1
        self.line(
            f"for {name} in "
            + pick.choice(
                (
                    "range(3)",
                    f"range(({self.expression(1)}) % 5)",
                    f"range(({self.simple()}) % 4, 6, 2)",
                    f"range(({self.simple()}) % 7, -1, -1)",
                    "range(i % 3, n, 1 + n % 3)",
                    "range(i, out.size, cuda.gridsize(1))",
                )
            )
            + ":"
        )
        self.nested(
            lambda: self.line(f"{pick.choice(NAMES)} += {name}"), lambda: self.statements(2, level + 1, loop=True)
        )
        if pick.random() < 0.2:
            self.line("else:")
            self.nested(lambda: self.statements(1, level + 1))

    def while_loop(self, level: int) -> None:
        pick, name = self.random, f"w{self.loops}"
        self.loops += 1
        if counts := pick.random() < 0.5:
            self.line(f"{name} = 0")
            self.line(f"while {name} < n and ({self.condition()}):")
        else:
            self.line(f"{name} = ({self.expression(1)}) % 6")
            self.line(f"while {name} > 0 and ({self.condition()}):")
        step = "+" if counts else "-"
        self.nested(lambda: self.line(f"{name} {step}= 1"), lambda: self.statements(2, level + 1, loop=True))
        if counts:
            self.line(f"{pick.choice(NAMES)} ^= {name}")

    def effect(self) -> None:
        pick = self.random
        kind = pick.randrange(6)
        if self.compounds.any and pick.random() < 0.6:
            self.all_of(self.compounds.statement(self.expression(1), self.simple(), self.condition()))
        elif self.own and pick.random() < 0.5:
            place = pick.choice(("2", "-1", f"({self.expression(1)}) % 5"))
            self.line(f"mine[{place}] {pick.choice(('', '+', '^'))}= {self.simple()}")
        elif kind == 0:
            self.line(f"cuda.atomic.add(counts, ({self.expression(1)}) % counts.size, {self.simple()})")
        elif kind == 1:
            self.line(f"cuda.atomic.add(counts, {pick.choice(('0', 'n % counts.size'))}, {self.expression(1)})")
        elif kind == 2:
            self.line(f"y[i] = {self.expression(1)}")
        elif kind == 3:
            how = pick.choice(("add", "sub", "max", "min", "and_", "or_", "xor", "exch"))
            self.line(f"{pick.choice(NAMES)} ^= cuda.atomic.{how}(y, i, {self.expression(1)})")
            self.line("y[i] &= 0xFFFF")
        elif kind == 4:
            self.line(f"{pick.choice(NAMES)} ^= cuda.atomic.cas(y, i, {self.simple()}, {self.simple()})")
        else:
            self.line(f"y[i] += {self.simple()}")

    # Expressions

    def simple(self) -> str:
        pick = self.random
        if self.compounds.any and self.named and pick.random() < 0.15:
            return self.compounds.value(pick.choice((*NAMES, "i", "n")), self.whole)
        if self.own and self.named and pick.random() < 0.15:
            return f"mine[{pick.choice(('0', '4', 'i % 5'))}]"
        return pick.choice(
            (
                pick.choice(NAMES) if self.named else "i",
                str(pick.randint(-9, 40)),
                "i",
                "t",
                "n",
                "block",
                f"x[({pick.choice(('i', 't', 'n', 'i * 7'))} + {pick.randint(0, 9)}) % x.size]",
            )
        )

    def expression(self, depth: int) -> str:
        pick = self.random
        if depth == 0:
            return self.simple()
        left, right = self.expression(depth - 1), self.expression(depth - 1)
        kind = pick.randrange(9)
        if self.helps and pick.random() < 0.1:
            return f"helper({self.whole}({left}), {self.whole}({right}))"
        if kind <= 3:
            return f"({left} {pick.choice('+-^|&')} {right})"
        if kind == 4:
            return f"({left} // {pick.choice((2, 3, 7))} + {right} % {pick.choice((3, 8, 11))})"
        if kind == 5:
            return f"({left} if {self.condition()} else {right})"
        if kind == 6:
            return f"{pick.choice(('min', 'max'))}({left}, {right})"
        if kind == 7 and self.casts:
            cast = f"{pick.choice(INTEGERS)}({left})"
            return f"np.int64({cast})" if cast.startswith("np.uint") else cast  # two of uint8 are uint64
        size = f"np.int64(abs({left}))" if self.casts else f"abs({left})"  # of uint8 it is uint64: real with int64
        return f"({size} << {pick.randint(0, 3)})"

    def condition(self) -> str:
        pick = self.random
        one = f"{self.simple()} {pick.choice(('<', '<=', '>', '>=', '==', '!='))} {self.simple()}"
        if pick.random() < 0.25:
            one += f" {pick.choice(('and', 'or'))} {self.simple()} % 3 == 0"
        return f"not ({one})" if pick.random() < 0.1 else one


def kernel_source(seed: int, *, casts: bool = True) -> str:
    """Return the source of a random kernel."""
    return Writer(seed, casts).source()
