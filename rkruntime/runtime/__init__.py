"""The runtime: lifecycle, drain, health, presets."""
