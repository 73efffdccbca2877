"""`./bench gateway`: what a call through the gateway costs, beside nginx that proxies and checks nothing.

nginx runs one worker, Latchkey one gateway thread; both keep connections to the same upstream, remove the
Authorization header and write no access log.
"""

from .goals import goals
from .run import LONG, PARTS, QUICK, USUAL, measure

__all__ = ["LONG", "PARTS", "QUICK", "USUAL", "goals", "measure"]
