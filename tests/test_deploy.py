"""The files of deploy/, by the linters of their makers, and their commands by our own parser."""

from __future__ import annotations

import shutil
import subprocess
from collections.abc import Iterator
from pathlib import Path
from typing import Any

import click
import pytest

from clr_search.cli.main import main

yaml = pytest.importorskip("yaml", reason="PyYAML is not installed")

DEPLOY = Path(__file__).parents[1] / "deploy"
DOCKERFILES = sorted(DEPLOY.glob("*.Dockerfile"))
KUBERNETES = sorted((DEPLOY / "kubernetes").glob("*.yaml"))


def documents(path: Path) -> list[dict[str, Any]]:
    return [one for one in yaml.safe_load_all(path.read_text("utf-8")) if one is not None]


def templates(document: Any) -> Iterator[dict[str, Any]]:
    """All templates of pods in a document, however deep."""
    if isinstance(document, dict):
        for name, value in document.items():
            if name == "template":
                yield value
            else:
                yield from templates(value)
    elif isinstance(document, list):
        for value in document:
            yield from templates(value)


def parsed(words: list[str], monkeypatch: pytest.MonkeyPatch) -> str:
    """Let the program read a command line without doing it; the name of the command."""
    done: list[str] = []
    monkeypatch.setattr(click.Command, "invoke", lambda self, context: done.append(str(self.name)))
    main.main(words, standalone_mode=False)
    return done[-1]


@pytest.mark.parametrize("path", DOCKERFILES, ids=lambda path: path.name)
def test_images_are_built_as_hadolint_advises(path: Path) -> None:
    hadolint = shutil.which("hadolint")
    if hadolint is None:
        pytest.skip("hadolint is not installed")
    done = subprocess.run([hadolint, str(path)], capture_output=True, text=True, check=False)
    assert done.returncode == 0, done.stdout
    assert "\nUSER 10001\n" in path.read_text("utf-8")


@pytest.mark.parametrize("path", KUBERNETES, ids=lambda path: path.name)
def test_manifests_are_of_the_schema_of_kubernetes(path: Path) -> None:
    """Pods of a resource that Kubernetes itself does not know are looked at by themselves."""
    validate = pytest.importorskip("kubernetes_validate", reason="kubernetes-validate is missing")
    for document in documents(path):
        if not document["apiVersion"].startswith("ray.io/"):
            validate.validate(document, "1.32", strict=True)
            continue
        found = list(templates(document))
        assert len(found) == 2
        for template in found:
            labelled = {"metadata": {"labels": {"of": "it"}}, **template}
            deployment = {
                "apiVersion": "apps/v1",
                "kind": "Deployment",
                "metadata": {"name": "it"},
                "spec": {"selector": {"matchLabels": {"of": "it"}}, "template": labelled},
            }
            validate.validate(deployment, "1.32", strict=True)


@pytest.mark.parametrize("path", KUBERNETES, ids=lambda path: path.name)
def test_pods_may_do_little(path: Path) -> None:
    for document in documents(path):
        for template in templates(document):
            assert template["spec"]["securityContext"]["runAsNonRoot"] is True
            for container in template["spec"]["containers"]:
                context = container["securityContext"]
                assert context["allowPrivilegeEscalation"] is False
                assert context["capabilities"] == {"drop": ["ALL"]}
                assert container["resources"]["limits"]


def test_the_composition_is_of_its_specification() -> None:
    specification = pytest.importorskip("compose_spec", reason="compose-spec is not installed")
    (document,) = documents(DEPLOY / "compose.yaml")
    specification.ComposeSpecification.model_validate(document)
    assert document["networks"]["inner"] == {"internal": True}
    open_to_all = [name for name, one in document["services"].items() if "ports" in one]
    assert open_to_all == ["service"]
    assert document["services"]["service"]["ports"] == ["127.0.0.1:8000:8000"]


def test_the_program_takes_every_command_of_the_composition(
    monkeypatch: pytest.MonkeyPatch,
) -> None:
    services = documents(DEPLOY / "compose.yaml")[0]["services"]
    assert parsed(["serve", *services["service"]["command"]], monkeypatch) == "serve"
    program, *words = services["index"]["entrypoint"]
    assert program == "clr-search"
    assert parsed(words, monkeypatch) == "build-index"


def test_the_program_takes_every_command_of_the_manifests(
    monkeypatch: pytest.MonkeyPatch,
) -> None:
    (deployment, *_) = documents(DEPLOY / "kubernetes" / "server.yaml")
    (container,) = deployment["spec"]["template"]["spec"]["containers"]
    assert parsed(["serve", *container["args"]], monkeypatch) == "serve"
    (job,) = documents(DEPLOY / "kubernetes" / "embedding.yaml")
    program, *words = job["spec"]["entrypoint"].split()
    assert program == "clr-search"
    assert parsed(words, monkeypatch) == "build-index"


def test_probes_ask_what_the_service_answers() -> None:
    from clr_search.server import routes

    source = Path(routes.__file__).read_text("utf-8")
    (deployment, *_) = documents(DEPLOY / "kubernetes" / "server.yaml")
    (container,) = deployment["spec"]["template"]["spec"]["containers"]
    for name in ("startupProbe", "readinessProbe", "livenessProbe"):
        assert f'"{container[name]["httpGet"]["path"]}"' in source
