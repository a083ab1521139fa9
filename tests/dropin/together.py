"""python together.py FILE…: run programs one after the other in this process, and print what each of them printed, as JSON."""

import contextlib
import io
import json
import runpy
import sys

told = {}
for path in sys.argv[1:]:
    printed = io.StringIO()
    with contextlib.redirect_stdout(printed):
        runpy.run_path(path, run_name="__main__")
    told[path] = printed.getvalue()
print(json.dumps(told))
