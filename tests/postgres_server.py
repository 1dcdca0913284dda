"""A PostgreSQL server for the tests, started from the binaries of this machine and gone afterwards."""

import os
import pwd
import shutil
import socket
import subprocess
import tempfile
from collections.abc import Iterator
from contextlib import contextmanager
from pathlib import Path
from typing import Any

import pytest

__all__ = ["running_server"]

SETTINGS = "-c fsync=off -c synchronous_commit=off -c full_page_writes=off -c listen_addresses=127.0.0.1"

LANGUAGE = ("--locale=C.UTF-8", "--locale-provider=icu", "--icu-locale=en-US")
"""As most servers order text: a, B, c, where Python and SQLite have B, a, c."""


@contextmanager
def running_server() -> Iterator[str]:
    """The address of a database in a server of its own, which keeps nothing and listens on loopback.

    Skips the test where there are no binaries. PostgreSQL refuses to be root, so for root it runs as nobody.
    """
    binaries = _binaries()
    if binaries is None:
        pytest.skip("PostgreSQL's initdb is neither on the PATH nor under /usr/lib/postgresql")
    folder = Path(tempfile.mkdtemp(prefix="churn-postgres-"))
    owner: dict[str, Any] = {}
    if os.geteuid() == 0:
        nobody = pwd.getpwnam("nobody")
        os.chown(folder, nobody.pw_uid, nobody.pw_gid)
        owner = {"user": nobody.pw_uid, "group": nobody.pw_gid, "extra_groups": []}
    data, port = folder / "data", _free_port()

    def run(program: str, *options: str) -> None:
        subprocess.run([binaries / program, "-D", data, *options], check=True, capture_output=True, cwd=folder, **owner)

    try:
        run("initdb", "--auth=trust", "--username=churn", "--encoding=UTF8", *LANGUAGE, "--no-sync")
        run("pg_ctl", "start", "-w", "-l", str(folder / "log"), "-o", f"{SETTINGS} -p {port} -k {folder}")
        try:
            yield f"postgresql://churn@127.0.0.1:{port}/postgres"
        finally:
            run("pg_ctl", "stop", "-m", "immediate")
    finally:
        shutil.rmtree(folder, ignore_errors=True)


def _binaries() -> Path | None:
    found = shutil.which("initdb")
    if found is not None:
        return Path(found).resolve().parent
    installed = sorted(Path("/usr/lib/postgresql").glob("*/bin/initdb"))
    return installed[-1].parent if installed else None


def _free_port() -> int:
    with socket.socket() as taken:
        taken.bind(("127.0.0.1", 0))
        return int(taken.getsockname()[1])
