"""How much is done for each function that a kernel is made of: for parts little, for the whole what is of use.

Numba optimises each function that it compiles, with all that it calls, and makes machine code of it. Of a kernel, only
the driver that workers call needs that. What it is made of stays as it was emitted until it is part of the driver: that
saves most of LLVM's time, and lets it see the whole at once.
"""

# mypy: disable-error-code="no-untyped-call,no-untyped-def,misc"

from __future__ import annotations

from collections.abc import Sequence
from typing import Any, cast

import llvmlite.binding as llvm
from numba.core.codegen import JITCodeLibrary
from numba.core.compiler import CompilerBase, DefaultPassBuilder
from numba.core.environment import lookup_environment

__all__ = ("ENVIRONMENT", "INLINE", "PART", "PartCompiler", "VectorLibrary", "WholeLibrary")

ENVIRONMENT = "_ZN08NumbaEnv"  # what numba's names of its functions' environments begin with


class _NoMachineCode:
    """Stands for the code generator where numba would tell machine code about its environment: there is none yet."""

    def set_env(self, env_name: str, env: Any) -> None:
        """Do nothing: the whole does it for its parts."""


class LazyLibrary(JITCodeLibrary):
    """A library whose functions are optimised later, all of them together, but where they count references.

    Numba's pass that takes such counts out finds those that belong together while functions are by themselves.
    """

    def _optimize_functions(self, ll_module: Any) -> None:
        if any(one.name == "NRT_incref" for one in ll_module.functions):
            super()._optimize_functions(ll_module)
        else:
            ll_module.data_layout = self._codegen._data_layout


class PartLibrary(LazyLibrary):
    """A library whose functions become part of others, by linking, before they are optimised."""

    @property
    def codegen(self) -> Any:
        """What numba sets the environment of machine code with."""
        return _NoMachineCode()

    def get_pointer_to_function(self, name: str) -> int:  # noqa: ARG002
        """Return no address."""
        return 0

    def _optimize_final_module(self) -> None:
        """Leave that to whom this becomes part of."""

    def _finalize_final_module(self) -> None:
        self._finalize_dynamic_globals()
        self._finalized = True


class WholeLibrary(LazyLibrary):
    """A library whose functions, with the parts that they call, are optimised together and become machine code."""

    def link_template(self, module: llvm.ModuleRef, runs: str, names: Sequence[str]) -> None:
        """Add what runs blocks.

        Args:
            module: It.
            runs: The function that runs a range of blocks of this kernel.
            names: Other functions that are called across the seam, and by nobody else.
        """
        self._runs = runs
        self._final_module.link_in(module)
        for name in (runs, *names):
            self._final_module.get_function(name).linkage = "internal"

    def _optimize_final_module(self) -> None:
        """Bring the loops over threads to their plainest form first: some are vectorised only then."""
        inliner = llvm.newpassmanagers.create_new_module_pass_manager()
        inliner.add_always_inliner_pass()
        inliner.run(self._final_module, self._codegen._pass_builder(opt=3))
        passes, builder = self._codegen._function_pass_manager()
        passes.run(self._final_module.get_function(self._runs), builder)
        super()._optimize_final_module()

    def _finalize_final_module(self) -> None:
        """Have the machine code know the environments of all its parts, which hold constants that they print.

        The linker knows functions and environments by name. Numba counts to make its names differ, and other processes,
        whose machine code this one may load, have counted too: only names that hold the library's are everyone's.
        """
        module, generator = self._final_module, cast(Any, self._codegen)
        self.kept: dict[str, Any] = {}  # nobody else need keep them, once all is compiled
        for one in (*module.functions, *module.global_variables):
            if self.name in one.name or one.is_declaration:
                continue
            environment = lookup_environment(one.name) if one.name.startswith(ENVIRONMENT) else None
            if environment is not None:
                one.name = f"{one.name}.{self.name}"
                self.kept[one.name] = environment
            elif one.is_function:
                one.linkage = "internal"
        super()._finalize_final_module()
        for name, environment in self.kept.items():
            generator.set_env(name, environment)


class VectorLibrary(WholeLibrary):
    """The same for code whose vectors are explicit: LLVM need look for none, and not take branches out of loops."""

    def _hide_parts(self) -> None:
        """Let no other module call the parts: a body that one place calls becomes part of the loop over blocks.

        Otherwise LLVM finds it too long for that, and hands it some 40 numbers on the stack for each block.
        """
        for one in self._final_module.functions:
            if not (one.is_declaration or self.name in one.name):
                one.linkage = "internal"

    def _optimize_final_module(self) -> None:
        self._hide_parts()
        builder = self._codegen._pass_builder(opt=3, loop_vectorize=False)
        first = llvm.newpassmanagers.create_new_module_pass_manager()
        for add in (first.add_always_inliner_pass, first.add_sroa_pass, first.add_instruction_combine_pass):
            add()
        first.add_refprune_pass()
        first.run(self._final_module, builder)
        builder.getModulePassManager().run(self._final_module, builder)


class PartCompiler(CompilerBase):
    """Numba's passes for functions that are only ever called by other compiled ones."""

    def define_pipelines(self):
        """Return numba's own passes."""
        state = self.state
        state.library = PartLibrary(state.targetctx.codegen(), state.func_id.func_qualname)
        state.library.enable_object_caching()
        return [DefaultPassBuilder.define_nopython_pipeline(state)]


# Options of numba for functions that are only ever called by other compiled ones.
PART: Any = {
    "nogil": True,
    "no_cpython_wrapper": True,
    "no_cfunc_wrapper": True,
    "pipeline_class": PartCompiler,
}
INLINE: Any = {**PART, "forceinline": True}  # and that become part of their callers
