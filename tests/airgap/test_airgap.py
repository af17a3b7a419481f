# Copyright (c) claude_code.observability contributors
# GNU General Public License v3.0+ (see LICENSE or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later
"""One variable installs the stack from a bundle alone, on a host without a way out, by a controller without one."""

from __future__ import annotations

import json
import sys
from pathlib import Path

from tests.acceptance.testbed import COLLECTION, READY, run
from tests.airgap.conftest import IMAGES, MIRROR, Controller, Island, copy_of

SITE, VERIFY, BUNDLE = (f"{COLLECTION}.{playbook}" for playbook in ("site", "verify", "bundle"))


def test_the_bundle_vouches_for_everything_in_it(bundle: Path) -> None:
    listed = {line.split("  ")[1] for line in (bundle / "SHA256SUMS").read_text().splitlines()}
    there = {str(path.relative_to(bundle)) for path in bundle.rglob("*") if path.is_file()}
    assert listed == there - {"SHA256SUMS"}
    run("sh", "-c", f"cd {bundle} && sha256sum --check --quiet --strict SHA256SUMS")


def test_the_bill_of_materials_names_every_program(bundle: Path) -> None:
    bill = json.loads((bundle / "sbom.cdx.json").read_text())
    names: dict[str, set[str]] = {}
    for component in bill["components"]:
        names.setdefault(component["type"], set()).add(component["name"].split(":")[0])
    assert names["application"] == {"loki", "otel-collector", "prometheus"}
    assert names["container"] == set(IMAGES)
    assert names["library"] >= {COLLECTION, "community.docker", "ansible-core", "requests"}
    (loki,) = (one for one in bill["components"] if one["name"] == "loki")
    assert loki["licenses"] == [{"expression": "AGPL-3.0-only"}]
    assert f"{loki['hashes'][0]['content']}  {loki['bom-ref']}\n" in (bundle / "SHA256SUMS").read_text()


def test_a_second_run_changes_nothing(controller: Controller, bundle: Path) -> None:
    before = (bundle / "SHA256SUMS").read_text()
    # What it holds besides the one program asked for stays.
    asked = {"bundle_components": ["loki"], "bundle_pythons": [], "stack_mirror": MIRROR.as_uri()}
    played = controller.connected(controller.nobody(), BUNDLE, stack_bundle=str(bundle), **asked).ok()
    assert "changed=0" in played.output, played.output
    assert (bundle / "SHA256SUMS").read_text() == before


def test_ansible_itself_can_be_installed_from_it(bundle: Path, controller: Controller, tmp_path: Path) -> None:
    wheels = bundle / "wheels"
    run(sys.executable, "-m", "venv", str(tmp_path / "venv"))
    pip = f"{tmp_path}/venv/bin/pip install --quiet --no-index --find-links {wheels}"
    run("unshare", "--net", "sh", "-c", f"{pip} --requirement {wheels}/requirements.txt")
    galaxy = f"{tmp_path}/venv/bin/ansible-galaxy collection install {bundle}/collections/*.tar.gz"
    # Whoever installs it has no clone beside it, in which the collection is there already.
    apart = f"cd {tmp_path} && ANSIBLE_COLLECTIONS_PATH={tmp_path}/collections"
    run("unshare", "--net", "sh", "-c", f"{apart} {galaxy} --offline --collections-path {tmp_path}/collections")
    assert (tmp_path / "collections/ansible_collections/claude_code/observability/playbooks/site.yml").is_file()


def test_a_tampered_artifact_is_refused(controller: Controller, island: Island, bundle: Path, tmp_path: Path) -> None:
    copy = copy_of(bundle, tmp_path / "bundle")
    pattern, said = {
        "systemd": ("releases/prometheus/**/prometheus-*.tar.gz", "nothing was installed"),
        "docker": ("images/prom-prometheus-*.tar", "the image prom/prometheus:v3.13.5 was not loaded"),
    }[island.runtime]
    (victim,) = copy.glob(pattern)
    content = victim.read_bytes()
    victim.unlink()
    victim.write_bytes(content + b"!")
    controller.cut_off(controller.inventory(island), SITE, stack_bundle=str(copy)).failed_with("the SHA-256 of", said)
    assert island.programs() == []


def test_a_bundle_that_lacks_a_program_is_refused_before_anything_changes(
    controller: Controller, island: Island, bundle: Path
) -> None:
    asked = {"stack_bundle": str(bundle), "loki_version": "9.9.9"}
    wanted = "image grafana/loki:9.9.9" if island.runtime == "docker" else "archive loki 9.9.9"
    has = "grafana/loki:3.7.8" if island.runtime == "docker" else "loki 3.7.8 linux_amd64"
    played = controller.cut_off(controller.inventory(island), SITE, **asked)
    played.failed_with(f"stack_bundle is {bundle}, which holds no {wanted} linux_amd64", has, "playbooks/bundle.yml")
    assert "changed=0" in played.output


def test_check_mode_tells_what_it_would_do(controller: Controller, island: Island, bundle: Path) -> None:
    played = controller.cut_off(controller.inventory(island), SITE, "--check", "--diff", stack_bundle=str(bundle)).ok()
    assert "changed=0" not in played.output
    assert island.programs() == []


def test_a_host_without_a_way_out_is_installed_from_the_bundle_alone(
    controller: Controller, island: Island, bundle: Path
) -> None:
    assert "Network is unreachable" in island.sh(
        "python3 -c 'import socket; socket.create_connection((\"192.0.2.1\", 80), 5)' 2>&1", check=False
    )
    inventory = controller.inventory(island)
    controller.cut_off(inventory, SITE, stack_bundle=str(bundle)).ok()
    assert [name for name, url in READY.items() if not island.answers(url)] == []
    controller.cut_off(inventory, VERIFY, stack_bundle=str(bundle)).ok()
    assert "changed=0" in controller.cut_off(inventory, SITE, stack_bundle=str(bundle)).ok().output
    assert island.names_asked() == set()
