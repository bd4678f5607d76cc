"""Prints the public names of asyncio's streams and servers: a line for each, with its parameters.

`tests/asyncio_names.rs` runs it. `tests/asyncio_names.txt` is what CPython 3.13 on Linux prints.
"""

import asyncio
import inspect
import platform
import sys

FUNCTIONS = ["open_connection", "start_server", "open_unix_connection", "start_unix_server"]
METHODS_OF_THE_LOOP = [
    "create_connection",
    "create_server",
    "create_unix_connection",
    "create_unix_server",
]
CLASSES = [asyncio.StreamReader, asyncio.StreamWriter, asyncio.base_events.Server]

# The functions make servers: their constructor is not documented.
CONSTRUCTORS = [asyncio.StreamReader, asyncio.StreamWriter]

# The methods that `async for` and `async with` call.
SPECIAL_METHODS = {"__aiter__", "__anext__", "__aenter__", "__aexit__"}


def show(name, member):
    parameters = inspect.signature(member).parameters if callable(member) else {}
    print(name, *(parameter for parameter in parameters if parameter != "self"))


print(f"# {platform.python_implementation()} {sys.version_info.major}.{sys.version_info.minor}")
for name in FUNCTIONS:
    # Those of Unix sockets are missing elsewhere.
    if hasattr(asyncio, name):
        show(name, getattr(asyncio, name))
for name in METHODS_OF_THE_LOOP:
    show(f"loop.{name}", getattr(asyncio.SelectorEventLoop, name))
for owner in CONSTRUCTORS:
    show(owner.__name__, owner)
for owner in CLASSES:
    for name, member in inspect.getmembers(owner):
        if not name.startswith("_") or name in SPECIAL_METHODS:
            show(f"{owner.__name__}.{name}", member)
