# Copyright (c) claude_code.observability contributors
# GNU General Public License v3.0+ (see LICENSE or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later
"""A backup under load, then what an admin does with it, in that order."""

from __future__ import annotations

import hashlib
import io
import json
import os
import shutil
import sys
import tarfile
import time
from collections.abc import Iterator
from dataclasses import dataclass, field
from pathlib import Path

import pytest

sys.path.insert(0, str(Path(__file__).parents[2]))

from tests.backup.senders_and_hosts import HANGS, Client, Host, clear, wait
from tests.tools import s3

MEGABYTES = int(os.environ.get("BACKUP_MEGABYTES", "200"))


@dataclass
class Story:
    """What there was before the backup, and what was sent meanwhile."""

    first: Host
    second: Host
    backups: Path
    at: float = 0.0
    samples: list[str] = field(default_factory=list)
    events: list[str] = field(default_factory=list)
    busy: Client | None = None
    acknowledged: tuple[int, int] = (0, 0)
    processes: tuple[str, str] = ("", "")
    said: str = ""

    @property
    def options(self) -> tuple[str, ...]:
        return ("--extra-vars", f"backup_dir={self.backups}")

    @property
    def newest(self) -> Path:
        return max(self.backups.glob("*/manifest.json")).parent

    def same_as_before(self, host: Host) -> None:
        """Every sample and event of before the backup, and what was acknowledged before it began."""
        assert host.samples(self.at) == self.samples
        assert host.events(self.at) == self.events
        assert self.busy
        found, sent = host.ledger(self.busy.session.id), self.busy.ledger()
        for before, now, ever in zip(self.acknowledged, found, sent):
            assert before <= now <= ever


@pytest.fixture(scope="session")
def story(tmp_path_factory: pytest.TempPathFactory) -> Iterator[Story]:
    clear()
    folder = tmp_path_factory.mktemp("backup")
    hosts = [Host(f"ccobs-backup-{name}", folder) for name in ("first", "second")]
    for host in hosts:
        host.start()
    for process in [host.begin("stack") for host in hosts]:
        output = process.communicate(timeout=HANGS)[0]
        assert process.returncode == 0, output
    yield Story(*hosts, folder / "backups")
    clear()


def test_a_backup_disturbs_nobody(story):
    host = story.first
    seed = Client(host, 1)
    for _turn in range(40):
        seed.turn()
    host.pad(MEGABYTES)
    host.delivered()
    wait("the seed is stored", lambda: host.ledger(seed.session.id) == seed.ledger())
    story.at = time.time()
    wait("the scrapes of before are stored", lambda: host.scraped() > story.at)
    story.samples, story.events = host.samples(story.at), host.events(story.at)
    assert len(story.samples) > 20 and len(story.events) > 20
    before = host.processes()
    with Client(host, 2) as busy:
        story.busy = busy
        wait("a sender at work", lambda: len(busy.entries) > 100)
        story.acknowledged = busy.ledger()
        story.said = host.play("backup", *story.options)
    assert not busy.errors
    host.delivered()
    assert host.processes() == before
    wait("nothing lost, nothing twice", lambda: host.ledger(busy.session.id) == busy.ledger())
    for word in (
        "HOST COMPONENT VERSION DATA ARCHIVE PAUSED",
        "otel-collector",
        "prometheus",
        "loki",
        str(story.newest),
    ):
        assert word in story.said


def test_a_backup_says_what_it_is(story):
    manifest = json.loads((story.newest / "manifest.json").read_text())
    assert [row["component"] for row in manifest["components"]] == ["otel-collector", "prometheus", "loki"]
    assert manifest["collection"].count(".") == 2
    for row in manifest["components"]:
        content = (story.newest / row["archive"]).read_bytes()
        assert hashlib.sha256(content).hexdigest() == row["sha256"]
        assert (len(content), row["host"]) == (row["archive_bytes"], "ccobs-backup-first")
        assert isinstance(row["data_bytes"], int) and row["files"] > 0 and row["version"].count(".") == 2
    modes = {oct(path.stat().st_mode & 0o777) for path in story.backups.rglob("*") if path.is_file()}
    assert modes == {"0o600"}
    assert oct(story.newest.stat().st_mode & 0o777) == "0o700"
    left = "-path '/var/tmp/claude-code-observability-*' -o -path '/var/lib/*/.backup'"
    assert story.first.sh(f"find /var/tmp /var/lib -maxdepth 2 {left}") == ""


def test_what_cannot_be_restored_is_refused(story):
    host = story.first
    before = host.processes()
    named = ("--extra-vars", "backup=latest confirm=yes", *story.options)
    assert "Give -e backup=latest, or one of" in host.play("restore", *story.options, fails=True)
    assert "Answer yes" in host.play("restore", "--extra-vars", "backup=latest", *story.options, fails=True)
    manifest = story.newest / "manifest.json"
    text = manifest.read_text()
    cases = {
        "older than the 99.0.0 that wrote the backup": text.replace('"version": "3', '"version": "99.0.0", "was": "3'),
        "stack_utc_offset": text.replace('"utc_offset": "', '"utc_offset": "+0545", "was": "'),
        "missing or damaged": text.replace('"sha256": "', '"sha256": "0'),
    }
    for told, changed in cases.items():
        manifest.write_text(changed)
        assert told in host.play("restore", *named, fails=True), told
    manifest.write_text(text)
    assert host.processes() == before
    said = host.play("restore", "--check", *named)
    assert "prometheus would have its" in said
    assert host.processes() == before


def test_reset_and_restore_give_the_same_answers(story):
    host = story.first
    host.play("reset", "--extra-vars", "confirm=yes")
    assert host.samples(story.at) == [] and host.events(story.at) == []
    said = host.play("restore", "--extra-vars", "backup=latest confirm=yes", *story.options)
    assert said.count("restored") >= 3
    host.delivered()
    story.same_as_before(host)
    after = Client(host, 3)
    after.turn()
    wait("it goes on", lambda: host.ledger(after.session.id) == after.ledger())


def test_another_host_gives_the_same_answers(story):
    story.second.play("restore", "--extra-vars", "backup=latest confirm=yes", *story.options)
    story.second.delivered()
    story.same_as_before(story.second)
    owners = "find /var/lib/prometheus /var/lib/loki ! -name . -printf '%u\\n' | sort -u | tr '\\n' ' '"
    assert story.second.sh(owners) == "loki prometheus"


def test_a_store_that_does_not_start_keeps_what_it_had(story):
    """The archive is whole, and what is in it is no data of Prometheus."""
    host, newest = story.second, story.newest
    manifest = json.loads((newest / "manifest.json").read_text())
    row = next(row for row in manifest["components"] if row["component"] == "prometheus")
    archive = newest / row["archive"]
    good = archive.read_bytes()
    with tarfile.open(archive, "w:gz") as tar:
        for name in ("chunks_head", "wal"):
            tar.addfile(tarfile.TarInfo(name), io.BytesIO())
    row["sha256"] = hashlib.sha256(archive.read_bytes()).hexdigest()
    text = (newest / "manifest.json").read_text()
    (newest / "manifest.json").write_text(json.dumps(manifest))
    options = ("--extra-vars", "backup=latest confirm=yes component=prometheus restore_timeout=60", *story.options)
    said = host.play("restore", *options, fails=True)
    assert "not restored, as before" in said
    archive.write_bytes(good)
    (newest / "manifest.json").write_text(text)
    story.same_as_before(host)


def test_only_the_newest_are_kept(story):
    (story.backups / "20200101T000000Z").mkdir()
    story.first.play("backup", "--extra-vars", "backup_keep=1 component=loki", *story.options)
    kept = [path.name for path in story.backups.iterdir() if path.is_dir()]
    assert kept == [story.newest.name]
    assert [path.name for path in story.newest.rglob("*.tar.gz")] == ["loki.tar.gz"]


def test_a_bucket_has_a_copy_that_a_restore_fetches(story, tmp_path, monkeypatch):
    for name, value in {**s3.CREDENTIALS, "AWS_DEFAULT_REGION": "us-east-1"}.items():
        monkeypatch.setenv(name, value)
    host, events = story.first, story.first.events(story.at)
    with s3.served(tmp_path) as server:
        (server.directory / "backups").mkdir()
        bucket = f"backup_bucket=backups backup_prefix=claude backup_s3_endpoint={server.url} component=loki"
        said = host.play("backup", "--extra-vars", bucket, *story.options)
        assert f"and s3://backups/claude/{story.newest.name}: " in said
        shutil.rmtree(story.backups)
        said = host.play("restore", "--extra-vars", f"{bucket} backup=latest confirm=yes", *story.options)
    assert "TASK [The backup is here]" in said
    assert host.events(story.at) == events != []
