"""Actors under supervision."""
