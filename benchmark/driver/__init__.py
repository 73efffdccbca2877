"""The driver of `./bench`: starts what is compared, loads it in alternating rounds, prints ratios.

Python's standard library only, so that a fresh machine needs nothing but `python3`, `wrk` and, for the
peer, Node.
"""
