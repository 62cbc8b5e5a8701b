"""Turn this fresh process into a database server that dies with its supervisor.

Run as a script by `process.py` with `-I -S` (standard library only, so that it costs few milliseconds). PostgreSQL
refuses to run as root. For root this process therefore enters a user namespace in which root is called `nobody`:
files stay owned by root outside, no directory is opened to anybody and no account is made. Where user namespaces are
refused (many containers) it becomes `nobody` for real and keeps the one capability it needs to reach its own files.
"""

import ctypes
import json
import os
import pwd
import signal
import sys
from pathlib import Path
from typing import Any

CLONE_NEWUSER = 0x10000000
PR_SET_PDEATHSIG = 1
PR_SET_KEEPCAPS = 8
PR_SET_NAME = 15
PR_CAP_AMBIENT = 47
PR_CAP_AMBIENT_RAISE = 2
CAP_DAC_OVERRIDE = 1
CAPABILITY_VERSION_3 = 0x20080522
CANNOT_LEAVE_ROOT = 77


def _libc() -> ctypes.CDLL:
    """Open the C library of this process, which carries prctl and unshare."""
    return ctypes.CDLL(None, use_errno=True)


def die_with_parent(death_signal: int, parent: int) -> None:
    """Ask the kernel for `death_signal` when the parent's thread ends; leave at once when it has already gone."""
    libc = _libc()
    if not hasattr(libc, "prctl"):
        return
    libc.prctl(PR_SET_PDEATHSIG, death_signal, 0, 0, 0)
    if os.getppid() != parent:
        os.kill(os.getpid(), signal.SIGKILL)


def name_process(name: str) -> None:
    """Show this process under another name (at most 15 bytes) to `ps`, `top` and whoever looks for it."""
    libc = _libc()
    if hasattr(libc, "prctl"):
        libc.prctl(PR_SET_NAME, ctypes.create_string_buffer(name.encode()[:15]), 0, 0, 0)


def ordinary_account() -> tuple[int, int]:
    """Pick an existing account that is not root: uid and gid."""
    try:
        entry = pwd.getpwnam("nobody")
    except KeyError:
        entry = next(one for one in pwd.getpwall() if one.pw_uid != 0)
    return entry.pw_uid, entry.pw_gid


def _has_ordinary_name() -> bool:
    """Tell whether initdb accepts who we are: not root, and known by name."""
    try:
        return pwd.getpwuid(os.geteuid()).pw_uid != 0
    except KeyError:
        return False


def _enter_user_namespace(uid: int, gid: int) -> None:
    """Call ourselves `uid` and `gid` from here on, without a change outside."""
    real_uid, real_gid = os.geteuid(), os.getegid()
    if _libc().unshare(CLONE_NEWUSER) != 0:
        raise OSError(ctypes.get_errno(), "unshare")
    Path("/proc/self/setgroups").write_text("deny")
    Path("/proc/self/uid_map").write_text(f"{uid} {real_uid} 1")
    Path("/proc/self/gid_map").write_text(f"{gid} {real_gid} 1")


def _reaches(plan: dict[str, Any]) -> bool:
    """Tell whether the program can be run and its directories written by who we are now."""
    return os.access(plan["run"][0], os.X_OK) and all(os.access(path, os.W_OK | os.X_OK) for path in plan["owned"])


def _namespace_works(plan: dict[str, Any], uid: int, gid: int) -> bool:
    """Try the namespace in a child, because a half-entered one cannot be left."""
    child = os.fork()
    if child == 0:
        try:
            _enter_user_namespace(uid, gid)
        except OSError:
            os._exit(1)
        os._exit(0 if _reaches(plan) else 1)
    return os.waitpid(child, 0)[1] == 0


def _keep_file_access() -> None:
    """Keep, across exec, the right to pass through directories of root (the data directory stays 0700)."""
    libc = _libc()
    header = (ctypes.c_uint32 * 2)(CAPABILITY_VERSION_3, 0)
    bit = 1 << CAP_DAC_OVERRIDE
    data = (ctypes.c_uint32 * 6)(bit, bit, bit, 0, 0, 0)
    if libc.capset(header, data) == 0:
        libc.prctl(PR_CAP_AMBIENT, PR_CAP_AMBIENT_RAISE, CAP_DAC_OVERRIDE, 0, 0)


def _become(plan: dict[str, Any], uid: int, gid: int) -> None:
    """Give the server's directories to the account and become it."""
    for top in plan["owned"]:
        for folder, _, names in os.walk(top):
            os.lchown(folder, uid, gid)
            for name in names:
                os.lchown(os.path.join(folder, name), uid, gid)  # noqa: PTH118 a path is only joined here
    _libc().prctl(PR_SET_KEEPCAPS, 1, 0, 0, 0)
    os.setgroups([])
    os.setresgid(gid, gid, gid)
    os.setresuid(uid, uid, uid)
    if not _reaches(plan):
        _keep_file_access()


def stop_being_root(plan: dict[str, Any]) -> None:
    """Become somebody PostgreSQL accepts; exit with one line where the machine allows neither way."""
    if _has_ordinary_name():
        return
    uid, gid = ordinary_account()
    if _namespace_works(plan, uid, gid):
        _enter_user_namespace(uid, gid)
        return
    if os.geteuid() == 0:
        try:
            _become(plan, uid, gid)
        except OSError as refused:
            sys.stderr.write(f"comptoir: cannot leave root: {refused}\n")
            raise SystemExit(CANNOT_LEAVE_ROOT) from None
        return
    sys.stderr.write("comptoir: this user has no name and user namespaces are refused\n")
    raise SystemExit(CANNOT_LEAVE_ROOT)


def _run_first(command: list[str]) -> int:
    """Run the preparing command (initdb) to its end; it dies with us."""
    parent = os.getpid()
    child = os.fork()
    if child == 0:
        die_with_parent(signal.SIGTERM, parent)
        os.execv(command[0], command)  # noqa: S606 no shell is wanted
    return os.waitstatus_to_exitcode(os.waitpid(child, 0)[1])


def main(plan: dict[str, Any]) -> None:
    """Prepare what the plan says and become its program."""
    die_with_parent(signal.SIGKILL, plan["parent"])
    if plan["leave_root"]:
        stop_being_root(plan)
        die_with_parent(signal.SIGKILL, plan["parent"])
    if plan["first"]:
        code = _run_first(plan["first"])
        if code:
            raise SystemExit(code)
        prepared, final = plan["rename"]
        Path(prepared).rename(final)
    # Last, because a change of credentials takes the wish away again.
    die_with_parent(plan["death_signal"], plan["parent"])
    os.execv(plan["run"][0], plan["run"])  # noqa: S606 no shell is wanted


if __name__ == "__main__":
    main(json.loads(sys.argv[1]))
