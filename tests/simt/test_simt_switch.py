"""Changing stacks: the machine code on this machine, and that of the others as far as it can be checked here."""

import shutil
import subprocess
from pathlib import Path

import llvmlite.binding as llvm
import numpy as np
import pytest
from numba import njit, types

from rkruntime.errors import DeviceUnavailable
from rkruntime.simt._fiber_calls import entry_of
from rkruntime.simt._fiber_records import ARGUMENTS, BLOCK, SP
from rkruntime.simt._stacks import Mapping
from rkruntime.simt._switch import MACHINES, assembly, machine, new_stack, put, switch, word

SCHEDULER = 32  # a word of the block's record that these tests keep the caller's stack pointer in


def test_assembles_for_aarch64(tmp_path: Path) -> None:
    assembler = shutil.which("llvm-mc")
    if assembler is None:
        pytest.skip("llvmlite assembles for the machine it runs on alone, and there is no llvm-mc here")
    built = tmp_path / "switch.o"
    text = assembler_text("aarch64")
    subprocess.run(
        [assembler, "--triple=aarch64-linux-gnu", "-filetype=obj", "-o", built], input=text, check=True, text=True
    )
    for symbol in (b"rk_switch", b"rk_enter"):
        assert b"\0" + symbol + b"\0" in built.read_bytes()


def test_assembles_here() -> None:
    target = llvm.Target.from_default_triple().create_target_machine()
    built = target.emit_object(llvm.parse_assembly(assembly(machine())))
    for symbol in (b"rk_switch", b"rk_enter", b"rk_switch_address", b"rk_enter_address"):
        assert b"\0" + symbol + b"\0" in built


def assembler_text(name: str) -> str:
    """The module's assembler text alone, without the LLVM around it."""
    lines = assembly(MACHINES[name]).splitlines()
    prefix = 'module asm "'
    return "\n".join(line.removeprefix(prefix).removesuffix('"') for line in lines if line.startswith(prefix)) + "\n"


@pytest.mark.parametrize("name", MACHINES)
def test_pushes_and_pops_the_same_words(name: str) -> None:
    text = "\n".join(MACHINES[name].switch)
    pushes, pops = ("stp", "ldp") if name == "aarch64" else ("pushq", "popq")
    assert text.count(pushes) == text.count(pops)
    per_line = 2 if name == "aarch64" else 1
    kept = text.count(pops) * per_line + (0 if name == "aarch64" else 1)  # x86-64 returns through the stack
    assert kept == MACHINES[name].words


@pytest.mark.parametrize(("name", "system"), [("riscv64", "linux"), ("x86_64", "win32")])
def test_says_where_fibers_are_not_written_for(name: str, system: str) -> None:
    with pytest.raises(DeviceUnavailable) as caught:
        machine(name, system)
    assert name in caught.value.missing


@pytest.mark.parametrize(("alias", "name"), [("AMD64", "x86_64"), ("arm64", "aarch64")])
def test_knows_the_other_names_of_a_machine(alias: str, name: str) -> None:
    assert machine(alias, "linux") is MACHINES[name]


@njit
def _pingpong_on_own_stack(thread, args):
    rounds, floats = args
    block = word(thread, BLOCK)
    total = 0.0
    for k in range(rounds):
        total += floats[k] * k
        put(thread, 4, k)
        switch(thread + 8 * SP, word(block, SCHEDULER))
    floats[0] = total
    put(thread, 4, -1)
    while True:
        switch(thread + 8 * SP, word(block, SCHEDULER))


@njit
def _pingpong(stack_top, rounds, block, floats, seen):
    entry, saved = entry_of(_pingpong_on_own_stack, (rounds, floats))
    thread = stack_top - 128
    put(block, ARGUMENTS, saved)
    put(thread, BLOCK, block)
    put(thread, SP, new_stack(thread, entry, thread))
    mine = 0.5
    for k in range(rounds + 1):
        mine = mine * 1.5 + k  # kept in a register across the switch
        switch(block + 8 * SCHEDULER, word(thread, SP))
        seen[k] = word(thread, 4)
    return mine


def test_both_sides_keep_their_values() -> None:
    stack = Mapping(64 * 1024)
    block = np.zeros(512, np.int64)
    floats = np.linspace(1.0, 2.0, 20)
    expected = float(np.sum(floats * np.arange(20)))
    seen = np.zeros(21, np.int64)
    mine = _pingpong(stack.address + stack.size_bytes, 20, block.ctypes.data, floats, seen)
    assert seen.tolist() == [*range(20), -1]
    assert floats[0] == pytest.approx(expected)
    value = 0.5
    for k in range(21):
        value = value * 1.5 + k
    assert mine == value
    stack.close()


def test_symbols_are_named_and_not_addresses() -> None:
    _pingpong.compile((types.int64, types.int64, types.int64, types.float64[::1], types.int64[::1]))
    text = next(iter(_pingpong.inspect_llvm().values()))
    assert "@rk_switch" in text
    assert "@rk_enter" in text
