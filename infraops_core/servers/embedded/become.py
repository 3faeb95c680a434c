"""Become another account, then another program: `python -I -S become.py UID GID /PATH/TO/PROGRAM [ARGUMENT...]`.

A program of its own because `subprocess` can change the account only after a plain fork, and a plain fork of a
process with running gRPC threads, which a Pulumi provider is, crashes in gRPC's fork handlers.
"""

import os
import sys

if __name__ == "__main__":
    uid, gid, *command = sys.argv[1:]
    os.setgroups([])
    os.setgid(int(gid))
    os.setuid(int(uid))
    os.execv(command[0], command)  # not execvp: it imports, and this account may not come to Python's own files
