"""Run the SDK's dynamic provider, for a CLI that came without a launcher for it."""

import os
import runpy
import signal

from orphan import end_with_parent

if __name__ == "__main__":
    signal.signal(signal.SIGINT, lambda *_: os._exit(0))  # the engine is done with us; the SDK would wait for what still runs
    end_with_parent()
    runpy.run_module("pulumi.dynamic", run_name="__main__")
