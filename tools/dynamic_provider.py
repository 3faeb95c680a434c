"""Run the SDK's dynamic provider, for a CLI that came without a launcher for it."""

import runpy

from orphan import end_with_parent

if __name__ == "__main__":
    end_with_parent()
    runpy.run_module("pulumi.dynamic", run_name="__main__")
