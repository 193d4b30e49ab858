"""Real input for the examples, small and free to redistribute: see LICENSES.md beside this file."""

from pathlib import Path

import numpy as np
import numpy.typing as npt

FOLDER = Path(__file__).parent

DEGREE_M = 111_195.0
"""Metres in one degree of latitude, on a sphere with the Earth's mean radius."""


def camera() -> npt.NDArray[np.uint8]:
    """Read the photograph: grey levels, shape (512, 512) uint8."""
    from PIL import Image

    with Image.open(FOLDER / "camera.png") as image:
        return np.asarray(image.convert("L"))


def terrain() -> tuple[npt.NDArray[np.float64], float, float]:
    """Read the elevations around the Jacksboro fault.

    Returns:
        Heights in metres, shape (344, 403) float64, north first; a cell's width from west to east in metres; its
        length from north to south in metres.
    """
    with np.load(FOLDER / "jacksboro_fault_dem.npz") as dem:
        height = dem["elevation"].astype(np.float64)
        middle = np.radians((float(dem["ymin"]) + float(dem["ymax"])) / 2)
        return height, float(DEGREE_M * float(dem["dx"]) * np.cos(middle)), DEGREE_M * float(dem["dy"])


def sunspots() -> tuple[npt.NDArray[np.float64], npt.NDArray[np.float64]]:
    """Read the monthly mean sunspot numbers.

    Returns:
        The middle of each month in years, and the sunspot number; both of shape (3126,) float64.
    """
    year, month, count = np.loadtxt(FOLDER / "sunspots_monthly.csv", delimiter=",", skiprows=1, unpack=True)
    return year + (month - 0.5) / 12.0, count
