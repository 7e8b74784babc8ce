"""Runs the program that this wheel installed: `python -m vibeship_optimizer ARGUMENTS`."""

import os
import subprocess
import sys
import sysconfig

name = "vibeship-optimizer" + (sysconfig.get_config_var("EXE") or "")
schemes = [sysconfig.get_default_scheme(), sysconfig.get_preferred_scheme("user")]
places = [os.path.join(sysconfig.get_path("scripts", scheme), name) for scheme in schemes]
program = next((place for place in places if os.path.exists(place)), name)
command = [program, *sys.argv[1:]]
try:
    # Replaces this process, so that signals reach the program; Windows has no exec.
    sys.exit(subprocess.call(command)) if os.name == "nt" else os.execvp(program, command)
except OSError as problem:
    print(f"error: cannot run {program}: {problem.strerror}", file=sys.stderr)
    sys.exit(2)
