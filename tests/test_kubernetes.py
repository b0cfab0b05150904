"""The manifests: whole, and in agreement with the settings, the images and each other."""

from __future__ import annotations

from pathlib import Path
from typing import Any

import yaml

from bonanza_server.settings import Settings

FOLDER = Path(__file__).parents[1] / "docs" / "kubernetes"
OF_CLIENTS = {"BONANZA_SERVER", "BONANZA_KEY", "BONANZA_SPOOL"}


def manifests() -> list[dict[str, Any]]:
    listed = yaml.safe_load((FOLDER / "kustomization.yaml").read_text())["resources"]
    assert sorted(listed) == sorted(path.name for path in FOLDER.glob("*.yaml") if path.name != "kustomization.yaml")
    return [one for name in listed for one in yaml.safe_load_all((FOLDER / name).read_text())]


def containers() -> dict[str, dict[str, Any]]:
    pods = [one["spec"]["template"]["spec"] for one in manifests() if "template" in one.get("spec", {})]
    return {container["name"] + container["image"]: container for pod in pods for container in pod["containers"]}


def environment(container: dict[str, Any]) -> dict[str, Any]:
    return {entry["name"]: entry.get("value") for entry in container.get("env", [])}


def test_every_setting_exists_and_has_a_value_that_it_may_have() -> None:
    names = {f"BONANZA_{name.upper()}" for name in Settings.model_fields}
    for container in containers().values():
        given = {name: value for name, value in environment(container).items() if name.startswith("BONANZA_")}
        assert given.keys() <= names | OF_CLIENTS
        fields = {
            name.removeprefix("BONANZA_").lower(): value for name, value in given.items() if name in names and value
        }
        Settings(**fields)


def test_services_select_pods_that_are_there_and_are_reached_by_their_names() -> None:
    labels = [one["spec"]["template"]["metadata"]["labels"] for one in manifests() if "template" in one.get("spec", {})]
    services = {one["metadata"]["name"]: one for one in manifests() if one["kind"] == "Service"}
    assert all(service["spec"]["selector"] in labels for service in services.values())
    server = environment(containers()["serverbonanza-server"])
    assert server["BONANZA_EXECUTOR"] == "dask://dask-scheduler:8786"
    assert "@postgres/" in server["BONANZA_DATABASE_URL"]
    assert {"dask-scheduler", "postgres", "bonanza"} <= services.keys()


def test_a_server_is_left_the_time_to_drain() -> None:
    (deployment,) = [one for one in manifests() if one["kind"] == "Deployment" and one["metadata"]["name"] == "bonanza"]
    pod = deployment["spec"]["template"]["spec"]
    probe = pod["containers"][0]["readinessProbe"]
    drain_s = float(environment(pod["containers"][0])["BONANZA_DRAIN_S"])
    assert probe["periodSeconds"] * probe["failureThreshold"] < drain_s < pod["terminationGracePeriodSeconds"] - 10
