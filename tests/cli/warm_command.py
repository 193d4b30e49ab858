"""Runs `rustkernel` for tests, each time in a process forked off this one, which has already imported what commands do.

A command takes a second to import what it needs, and three where coverage traces it. Each line of stdin asks for one;
its exit code is answered on stdout. How the program starts is tested on the real script (`test_cli_help`, and all that
`command_line.running` and `OnTerminal` start).
"""

import json
import os
import sys

import numba.cuda

from rkruntime.cli import _group, _run, _runtime
from rkruntime.cli.__main__ import main

IMPORTED = (numba.cuda, _group, _run, _runtime)


def become(folder: str, environ: dict[str, str], words: list[str], out: str, err: str) -> None:
    """Take on a command's folder, environment and words, with its output going to files."""
    os.chdir(folder)
    os.environ.clear()
    os.environ.update(environ)
    sys.argv = ["rustkernel", *words]
    for number, (path, flags) in enumerate(((os.devnull, os.O_RDONLY), (out, os.O_WRONLY), (err, os.O_WRONLY))):
        opened = os.open(path, flags)
        os.dup2(opened, number)
        os.close(opened)


for line in sys.stdin:
    child = os.fork()
    if not child:
        become(**json.loads(line))
        main()
    print(os.waitstatus_to_exitcode(os.waitpid(child, 0)[1]), flush=True)
