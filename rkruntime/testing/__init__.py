"""For tests of rkruntime and of programs that use it."""
