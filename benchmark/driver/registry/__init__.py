"""`./bench registry`: what portals, publishers and administrators wait for when the registry is large."""

from .goals import goals
from .run import LONG, PARTS, QUICK, USUAL, measure

__all__ = ["LONG", "PARTS", "QUICK", "USUAL", "goals", "measure"]
