# Copyright (c) claude_code.observability contributors
# GNU General Public License v3.0+ (see LICENSE or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later
"""Has the programs themselves judge a configuration set."""

from __future__ import annotations

import os
import pwd
import shutil
import signal
import subprocess
import tempfile
from collections.abc import Mapping
from dataclasses import replace
from typing import Any

from ansible_collections.claude_code.observability.plugins.module_utils._config_sets import Request, stage
from ansible_collections.claude_code.observability.plugins.module_utils._util import COLLECTION, HostError


def mask(text: str, secrets: Mapping[str, bytes]) -> str:
    """A text without the secrets, whole or line by line (lines too short to be told from words stay)."""
    hidden: set[str] = set()
    for value in secrets.values():
        whole = value.decode(errors="replace").strip()
        hidden.update({whole, *(line.strip() for line in whole.splitlines() if len(line.strip()) > 5)})
    for secret in sorted(hidden - {""}, key=len, reverse=True):
        text = text.replace(secret, "(secret)")
    return text


def missing_checker(argv: tuple[str, ...]) -> bool:
    """True if the program of a command line is not on this host."""
    return shutil.which(argv[0]) is None


def run_checkers(request: Request, set_path: str, user: str | None, timeout: int) -> None:
    """Runs each checker on a set; the first that fails stops with its own output."""
    who = identity(user)
    for checker in request.checkers:
        argv = [part.replace("{set}", set_path) for part in checker]
        shown = " ".join(checker)
        if missing_checker(checker):
            raise HostError(f"validate: the checker {checker[0]} is not on this host")
        # AnsibleModule.run_command can neither become another user nor end a checker that hangs, with its children.
        with subprocess.Popen(  # pylint: disable=ansible-bad-function
            argv,
            stdin=subprocess.DEVNULL,
            stdout=subprocess.PIPE,
            stderr=subprocess.STDOUT,
            cwd=set_path,
            start_new_session=True,
            **who,
        ) as process:
            try:
                output, _nothing = process.communicate(timeout=timeout)
            except subprocess.TimeoutExpired as exc:
                os.killpg(process.pid, signal.SIGKILL)
                raise HostError(f"validate: no answer within {timeout} s from: {shown}") from exc
        if process.returncode != 0:
            said = mask(output.decode(errors="replace"), request.secrets).strip()
            raise HostError(
                f"the configuration of {os.path.basename(request.path)} was refused (rc {process.returncode}), "
                f"nothing was changed:\n{said.replace(set_path + '/', '')}\nchecked with: {shown}"
            )


def trial(request: Request, base: str | None, user: str | None, timeout: int) -> None:
    """Runs the checkers on a set in a temporary folder, for check mode. Raises as run_checkers does."""
    group = os.getegid() if user is None else identity(user).get("group", os.getegid())
    where = tempfile.mkdtemp(prefix=f"{COLLECTION}-", dir=base)
    try:
        os.chmod(where, 0o711)
        gid = group if request.gid < 0 else request.gid
        run_checkers(request, stage(replace(request, uid=os.geteuid(), gid=gid), where), user, timeout)
    finally:
        shutil.rmtree(where)


def identity(user: str | None) -> dict[str, Any]:
    """How subprocess becomes a user: uid, gid, all its groups and its own HOME."""
    if user is None:
        return {}
    try:
        entry = pwd.getpwuid(int(user)) if user.isdigit() else pwd.getpwnam(user)
    except KeyError as exc:
        raise HostError(f"validate_user: there is no user {user!r} on this host") from exc
    if entry.pw_uid == os.geteuid():
        return {}
    if os.geteuid() != 0:
        raise HostError(f"validate_user: only root can run the checker as {user!r}")
    env = {**os.environ, "HOME": entry.pw_dir, "USER": entry.pw_name, "LOGNAME": entry.pw_name}
    return {
        "user": entry.pw_uid,
        "group": entry.pw_gid,
        "extra_groups": os.getgrouplist(entry.pw_name, entry.pw_gid),
        "env": env,
    }
