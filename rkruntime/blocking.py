"""Use the runtime from scripts and notebooks: Trio on a thread of its own."""
