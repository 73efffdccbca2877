"""Leads some of the tried calls to things that are there: ids of LATCHKEY_PROPERTIES_IDS stand in for invented ones."""

import json
import os
import zlib

import schemathesis

IDS: dict[str, list[str]] = json.loads(os.environ.get("LATCHKEY_PROPERTIES_IDS", "{}"))


@schemathesis.hook
def map_path_parameters(context, path_parameters):
    """Two invented values of three become known ones, by their digest, so that a run is like the next one."""
    operation = context.operation
    # What stands in for everything is not taken away by the first who is asked to.
    if not path_parameters or operation is None or operation.method.upper() == "DELETE":
        return path_parameters
    found = dict(path_parameters)
    for name, value in path_parameters.items():
        known = ids_of(operation.path, name)
        digest = zlib.crc32(repr(value).encode("utf-8", "backslashreplace"))
        if known and digest % 3:
            found[name] = known[digest // 3 % len(known)]
    return found


@schemathesis.hook
def before_call(context, case, kwargs):
    """A parameter without a value is none, so it is no wrong value to be refused; and a query carries no objects."""
    if case.query:
        empty = ("", None, [])
        said = case.query.items()
        case.query = {name: value for name, value in said if value not in empty and not isinstance(value, dict)}


def ids_of(path: str, name: str) -> list[str]:
    """The known values of a place, by its name or, where several kinds of things have it, by the path too."""
    for key, values in IDS.items():
        place, _, part = key.partition(" in ")
        if place == name and part in path:
            return values
    return []
