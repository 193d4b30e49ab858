"""Read arrays from files, and write them: .npy, .npz, .csv, .png, .wav, told apart by their names."""

from __future__ import annotations

import wave
import zipfile
from collections.abc import Callable
from pathlib import Path
from typing import Any, TypeAlias

import numpy as np
import numpy.typing as npt

from rkruntime.errors import UnreadableInput

__all__ = ("FORMATS", "check_writable", "read_array", "write_array")

Array: TypeAlias = npt.NDArray[Any]

FORMATS = (".npy", ".npz", ".csv", ".png", ".wav")
WAV_RATE_HZ = 44_100
WAV_TYPES = {1: np.uint8, 2: np.int16, 4: np.int32}


def read_array(text: str) -> Array:
    """Read `FILE`, `FILE.npz:KEY`, or `FILE:DTYPE`.

    CSV gives float64, one row a line (a first line of headings is skipped); PNG uint8 or uint16, (rows, columns) or
    (rows, columns, channels); WAV its samples, (frames,) or (frames, channels).

    Raises:
        UnreadableInput: It is not there, or is not what its name says.
    """
    path, suffix = _split(text)
    if not path.is_file():
        raise UnreadableInput(str(path), "there is no such file", "give a file that is there")
    try:
        if path.suffix == ".npz":
            return _read_npz(path, suffix)
        array = READERS[path.suffix](path)
        return array.astype(np.dtype(suffix)) if suffix else array
    except UnreadableInput:
        raise
    except (OSError, ValueError, TypeError, EOFError, SyntaxError, wave.Error, zipfile.BadZipFile) as error:
        why = f"it cannot be read as {path.suffix[1:].upper()}: {error}"
        raise UnreadableInput(str(path), why, "check the file, or give it the ending that it deserves") from error


def check_writable(text: str) -> None:
    """Check, before anything runs, that `text` names a file that can be written.

    Raises:
        UnreadableInput: Its ending is unknown, or there is no such folder.
    """
    path, _ = _split(text)
    if not path.parent.is_dir():
        raise UnreadableInput(str(path), f"there is no folder {path.parent}", "make the folder, or give another")


def write_array(text: str, array: Array) -> str:
    """Write an array to `FILE` or `FILE.npz:KEY`; return what was done to it to fit the format, or nothing.

    Raises:
        UnreadableInput: The format does not take it, or the file cannot be written.
    """
    path, suffix = _split(text)
    try:
        return WRITERS[path.suffix](path, array, suffix)
    except (OSError, ValueError, TypeError) as error:
        why = f"{array.dtype} of shape {array.shape} cannot be written there: {error}"
        raise UnreadableInput(str(path), why, "write it as .npy, which takes every array") from error


def _split(text: str) -> tuple[Path, str]:
    head, colon, tail = text.rpartition(":")
    path, suffix = (Path(head), tail) if colon and Path(head).suffix in FORMATS else (Path(text), "")
    if path.suffix not in FORMATS:
        mend = f"give a name that ends in {', '.join(FORMATS[:-1])} or {FORMATS[-1]}"
        raise UnreadableInput(str(path), f"unknown format {path.suffix or '(no ending)'}", mend)
    return path.expanduser(), suffix


def _read_npy(path: Path) -> Array:
    array: Array = np.load(path, allow_pickle=False)
    return array


def _read_npz(path: Path, key: str) -> Array:
    with np.load(path, allow_pickle=False) as archive:
        keys = list(archive)
        chosen = key or (keys[0] if len(keys) == 1 else "")
        if chosen not in keys:
            why = f"there is no array {key!r} in it" if key else "it holds several arrays"
            raise UnreadableInput(str(path), why, f"give {path}:KEY, with one of {', '.join(keys) or 'none'}")
        array: Array = archive[chosen]
        return array


def _read_csv(path: Path) -> Array:
    with path.open(encoding="utf-8-sig") as lines:
        first = lines.readline()
        try:
            [float(cell) for cell in first.split(",")]
        except ValueError:
            headings = 1
        else:
            headings = 0
    array: Array = np.loadtxt(path, delimiter=",", skiprows=headings, ndmin=2, encoding="utf-8-sig")
    if not array.size:
        raise ValueError("there is no number in it")
    return np.ascontiguousarray(array[:, 0] if array.shape[1] == 1 else array)


def _read_png(path: Path) -> Array:
    from PIL import Image

    with Image.open(path) as image:
        plain = image.convert("RGBA" if "transparency" in image.info else "RGB") if image.mode == "P" else image
        array = np.array(plain)
    return array.astype(np.uint8) if array.dtype == bool else array


def _read_wav(path: Path) -> Array:
    with wave.open(str(path), "rb") as sound:
        width, channels = sound.getsampwidth(), sound.getnchannels()
        if width not in WAV_TYPES:
            raise ValueError(f"samples of {8 * width} bits; 8, 16 and 32 are read")
        samples = np.frombuffer(sound.readframes(sound.getnframes()), WAV_TYPES[width]).copy()
    return samples.reshape(-1, channels) if channels > 1 else samples


def _write_npy(path: Path, array: Array, _: str) -> str:
    np.save(path, array)
    return ""


def _write_npz(path: Path, array: Array, key: str) -> str:
    held: dict[str, Any] = {}
    if path.exists():
        with np.load(path, allow_pickle=False) as archive:
            held = dict(archive)
    np.savez_compressed(path, **(held | {key or "array": array}))
    return ""


def _write_csv(path: Path, array: Array, _: str) -> str:
    if array.ndim > 2:
        raise ValueError("CSV has two axes")
    exact = "%d" if array.dtype.kind in "biu" else "%.9g" if array.dtype == np.float32 else "%.17g"
    np.savetxt(path, array, fmt=exact, delimiter=",")
    return ""


def _write_png(path: Path, array: Array, _: str) -> str:
    from PIL import Image

    if array.ndim not in (2, 3) or (array.ndim == 3 and array.shape[2] not in (3, 4)) or array.dtype.kind not in "biuf":
        raise ValueError("a picture is (rows, columns), or (rows, columns, 3 or 4)")
    said, levels = "", array
    if array.dtype == bool:
        levels = array.astype(np.uint8) * np.uint8(255)
    elif array.dtype != np.uint8 and not (array.dtype == np.uint16 and array.ndim == 2):
        low, high = float(np.min(array)), float(np.max(array))
        if not np.isfinite([low, high]).all():
            raise ValueError("it holds values that are not finite")
        levels = np.rint((array.astype(np.float64) - low) * (255 / ((high - low) or 1.0))).astype(np.uint8)
        said = f"{low:g} to {high:g} drawn as 0 to 255"
    Image.fromarray(levels).save(path)
    return said


def _write_wav(path: Path, array: Array, _: str) -> str:
    if array.ndim not in (1, 2):
        raise ValueError("sound is (frames,) or (frames, channels)")
    samples, said = array, f"{WAV_RATE_HZ} frames a second"
    if array.dtype.kind == "f":
        samples = np.rint(np.clip(array, -1, 1) * 32767).astype(np.int16)
        said += ", -1 to 1 as 16 bits"
    widths = {np.dtype(kind): width for width, kind in WAV_TYPES.items()}
    if samples.dtype not in widths:
        raise ValueError("samples are uint8, int16, int32, or floating from -1 to 1")
    with wave.open(str(path), "wb") as sound:
        sound.setnchannels(array.shape[1] if array.ndim == 2 else 1)
        sound.setsampwidth(widths[samples.dtype])
        sound.setframerate(WAV_RATE_HZ)
        sound.writeframes(np.ascontiguousarray(samples).tobytes())
    return said


READERS: dict[str, Callable[[Path], Array]] = {
    ".npy": _read_npy,
    ".csv": _read_csv,
    ".png": _read_png,
    ".wav": _read_wav,
}
WRITERS: dict[str, Callable[[Path, Array, str], str]] = {
    ".npy": _write_npy,
    ".npz": _write_npz,
    ".csv": _write_csv,
    ".png": _write_png,
    ".wav": _write_wav,
}
