"""Kernels that ship with rkruntime."""
