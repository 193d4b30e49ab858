"""What there is to say of one kernel: for people, and for programs."""

from __future__ import annotations

import inspect
from collections.abc import Iterator, Mapping
from typing import Any

import numpy as np

from rkruntime.errors import RkError
from rkruntime.kernels import KernelSpec
from rkruntime.kernels._directions import unwrap
from rkruntime.kernels._grid import resolve

__all__ = ("page_dict", "page_text")


def page_dict(spec: KernelSpec, target: str) -> dict[str, Any]:
    """Gather what is known of a kernel; an example that fails is told, and the rest is there.

    Args:
        spec: The kernel.
        target: What the user wrote to name it.
    """
    code = spec.function.__code__
    try:
        example, problem = spec.example(), None
    except RkError as error:
        example, problem = {}, str(error)
    return {
        "name": spec.name,
        "signature": spec.signature,
        "doc": inspect.getdoc(spec.function) or "",
        "file": code.co_filename,
        "line": code.co_firstlineno,
        "arguments": [_argument(spec, name, example) for name in spec.parameters],
        "declared": [[str(slot) for slot in slots] for slots in spec.declared],
        "launch": _launch(spec, example),
        "example": _command(spec, target, example),
        "problem": problem,
    }


def page_text(page: Mapping[str, Any]) -> str:
    """Write the same for people."""
    return "\n".join(_lines(page))


def _argument(spec: KernelSpec, name: str, example: Mapping[str, Any]) -> dict[str, Any]:
    told: dict[str, Any] = {"name": name, "dtype": None, "shape": None, "value": None, "default": None}
    optional = dict(zip(reversed(spec.parameters), reversed(spec.defaults), strict=False))
    if name in optional:
        told["default"] = repr(optional[name])
    if name not in example:
        return told
    value, _ = unwrap(example[name])
    array = np.asarray(value)
    told["dtype"] = str(array.dtype)
    if array.ndim:
        told["shape"] = list(array.shape)
    else:
        told["value"] = str(value)
    return told


def _launch(spec: KernelSpec, example: Mapping[str, Any]) -> dict[str, Any] | None:
    """Say which grid and block the example's launch comes to, and who chose the block."""
    if "over" not in example and "grid" not in example:
        return None
    said = {name: example.get(name) for name in ("over", "grid", "block", "shared")}
    try:
        grid, block = resolve(spec.name, said["over"], said["grid"], said["block"], spec.block)
    except RkError as error:
        return {"problem": str(error)}
    hint = "the kernel" if spec.block is not None else "the default"
    chosen = "the example" if said["block"] is not None else hint
    return {"over": _plain(said["over"]), "grid": list(grid), "block": list(block), "block_from": chosen} | (
        {} if said["shared"] is None else {"shared_bytes": int(said["shared"])}
    )


def _plain(extent: Any) -> Any:
    return None if extent is None else np.asarray(extent).tolist()


def _command(spec: KernelSpec, target: str, example: Mapping[str, Any]) -> str:
    missing = [name for name in spec.parameters[: len(spec.parameters) - len(spec.defaults)] if name not in example]
    words = [f"--input {name}={name}.npy" for name in missing]
    if "over" not in example and "grid" not in example:
        words.append("--over 1000")
    return " ".join(["rustkernel run", target, *words])


def _lines(page: Mapping[str, Any]) -> Iterator[str]:
    yield f"{page['signature']}  {page['file']}:{page['line']}"
    if page["doc"]:
        yield from ("", *(f"  {line}".rstrip() for line in page["doc"].splitlines()))
    if page["arguments"]:
        yield from ("", "Arguments, as in the example:")
        width = max(len(row["name"]) for row in page["arguments"])
        for row in page["arguments"]:
            yield f"  {row['name']:{width}}  {_told(row)}"
    for slots in page["declared"]:
        yield f"  declared: ({', '.join(slots)})"
    launch = page["launch"]
    if launch is not None:
        yield from ("", f"Launch: {_launch_text(launch)}")
    if page["problem"] is not None:
        yield from ("", f"The example fails: {page['problem']}")
    yield from ("", f"Run it: {page['example']}")


def _told(row: Mapping[str, Any]) -> str:
    default = f" (default {row['default']})" if row["default"] is not None else ""
    if row["dtype"] is None:
        return f"not in the example{default}"
    if row["shape"] is not None:
        return f"{row['dtype']} array of {' x '.join(map(str, row['shape']))}{default}"
    return f"{row['dtype']} {row['value']}{default}"


def _launch_text(launch: Mapping[str, Any]) -> str:
    if "problem" in launch:
        return str(launch["problem"])
    grid, block = (" x ".join(map(str, launch[name])) for name in ("grid", "block"))
    over = "" if launch["over"] is None else f"over {launch['over']}: "
    shared = f", {launch['shared_bytes']} bytes of shared memory" if "shared_bytes" in launch else ""
    return f"{over}{grid} blocks of {block} threads; the block is from {launch['block_from']}{shared}"
