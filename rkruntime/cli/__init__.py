"""The rustkernel command."""
