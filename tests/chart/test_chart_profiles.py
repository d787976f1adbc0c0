# Copyright (c) 2026, luckyplans contributors
# GNU General Public License v3.0+ (see LICENSE or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later
"""What holds for every profile: values.prod.yaml and each file in ci/."""

from __future__ import annotations

import re
import shutil
from pathlib import Path
from typing import Any

import kubernetes_validate
import pytest
import yaml

CHART_DIR = Path(__file__).resolve().parents[2] / "infrastructure" / "helm" / "luckyplans"
PROFILES = [*sorted((CHART_DIR / "ci").glob("*-values.yaml")), CHART_DIR / "values.prod.yaml"]
KUBERNETES = "1.36"
# Kinds of Traefik and cert-manager; test_chart_ingress.py compares them whole.
CUSTOM_KINDS = {"Middleware", "ClusterIssuer"}
# What a container writes, beside /tmp of the application's.
WRITABLE = {
    "web": {"/tmp", "/app/apps/web/.next/cache"},
    "api-gateway": {"/tmp"},
    "service-core": {"/tmp"},
    "redis": {"/data"},
    "smoke-test": {"/tmp"},
}


@pytest.fixture(params=PROFILES, ids=lambda path: path.name)
def profile(request: pytest.FixtureRequest) -> Path:
    return request.param


@pytest.fixture
def objects(chart: Any, profile: Path) -> Any:
    return chart.render(file=profile)


def selects(selector: dict[str, str], template: dict[str, Any]) -> bool:
    return selector.items() <= template["metadata"]["labels"].items()


def test_profiles_are_found() -> None:
    assert len(PROFILES) > 5


def test_lint(chart: Any, profile: Path) -> None:
    done = chart.run("lint", "--strict", str(chart.path), "--values", str(profile))
    assert done.returncode == 0, done.stdout + done.stderr


def test_the_commands_of_the_design_document(chart: Any) -> None:
    assert chart.run("lint", str(chart.path)).returncode == 0
    assert chart.run("template", "luckyplans", str(chart.path)).returncode == 0


def test_objects_fit_the_kubernetes_schemas(objects: Any) -> None:
    for item in objects:
        if item["kind"] not in CUSTOM_KINDS:
            kubernetes_validate.validate(item, KUBERNETES, strict=True)


def test_the_validator_refuses_a_misspelt_field() -> None:
    with pytest.raises(kubernetes_validate.ValidationError):
        kubernetes_validate.validate(
            {"apiVersion": "v1", "kind": "Service", "metadata": {"name": "web"}, "spec": {"prots": []}},
            KUBERNETES,
            strict=True,
        )


def test_names_are_unique(objects: Any) -> None:
    names = [(item["kind"], item["metadata"]["name"]) for item in objects]
    assert len(names) == len(set(names))


def test_labels(objects: Any) -> None:
    for item in objects:
        labels = item["metadata"]["labels"]
        assert labels["helm.sh/chart"] == "luckyplans-0.1.0"
        assert labels["app.kubernetes.io/instance"] == "luckyplans"
        assert labels["app.kubernetes.io/managed-by"] == "Helm"


def test_everything_is_in_the_namespace_of_the_release(chart: Any, profile: Path) -> None:
    for item in chart.render(file=profile, namespace="elsewhere"):
        if item["kind"] == "Namespace":
            assert item["metadata"]["name"] == "elsewhere"
        elif item["kind"] != "ClusterIssuer":
            assert item["metadata"]["namespace"] == "elsewhere", item["metadata"]["name"]


def test_the_namespace_is_kept(objects: Any) -> None:
    annotations = objects.one("Namespace", "luckyplans")["metadata"]["annotations"]
    assert annotations["helm.sh/resource-policy"] == "keep"
    assert annotations["argocd.argoproj.io/sync-options"] == "Prune=false,Delete=false"


def test_a_new_chart_version_rolls_no_pod(chart: Any, profile: Path, tmp_path: Path) -> None:
    copy = tmp_path / "luckyplans"
    shutil.copytree(chart.path, copy)
    metadata = (copy / "Chart.yaml").read_text()
    (copy / "Chart.yaml").write_text(metadata.replace("version: 0.1.0\n", "version: 0.2.0+abcdef0123456789\n"))
    fixed = {"secrets": {"create": False}}
    before = chart.render(fixed, file=profile)
    after = type(chart)(chart.helm, chart.env, copy).render(fixed, file=profile)
    assert after.one("Deployment", "web")["metadata"]["labels"]["helm.sh/chart"] == "luckyplans-0.2.0_abcdef0123456789"
    assert after.pod_templates() == before.pod_templates()
    for name, template in after.pod_templates().items():
        assert "helm.sh/chart" not in template["metadata"]["labels"], name


def test_containers_are_confined(objects: Any) -> None:
    for name, template in objects.pod_templates().items():
        pod = template["spec"]
        assert pod["automountServiceAccountToken"] is False, name
        # Else the Service redis sets REDIS_PORT=tcp://... in every pod.
        assert pod["enableServiceLinks"] is False, name
        assert pod["securityContext"]["runAsNonRoot"] is True, name
        assert pod["securityContext"]["runAsUser"] == (999 if name == "redis" else 1001), name
        assert pod["securityContext"]["seccompProfile"] == {"type": "RuntimeDefault"}, name
        for container in pod["containers"]:
            assert container["securityContext"] == {
                "allowPrivilegeEscalation": False,
                "readOnlyRootFilesystem": True,
                "capabilities": {"drop": ["ALL"]},
            }, name


def test_a_read_only_root_has_exactly_the_writable_places_it_needs(objects: Any) -> None:
    for name, template in objects.pod_templates().items():
        pod = template["spec"]
        (container,) = pod["containers"]
        assert {mount["mountPath"] for mount in container["volumeMounts"]} == WRITABLE[name], name
        assert {mount["name"] for mount in container["volumeMounts"]} == {volume["name"] for volume in pod["volumes"]}


def test_deployments_replace_pods_without_a_gap(objects: Any) -> None:
    for name, deployment in objects.kind("Deployment").items():
        strategy = deployment["spec"]["strategy"]
        pod = deployment["spec"]["template"]["spec"]
        (container,) = pod["containers"]
        assert pod["terminationGracePeriodSeconds"] == 30
        if name == "redis":
            assert strategy == {"type": "Recreate"}
        else:
            assert strategy == {"type": "RollingUpdate", "rollingUpdate": {"maxSurge": 1, "maxUnavailable": 0}}
        if name in ("web", "api-gateway"):
            assert container["lifecycle"] == {"preStop": {"sleep": {"seconds": 5}}}


def test_probes_can_fail(objects: Any) -> None:
    for name, deployment in objects.kind("Deployment").items():
        (container,) = deployment["spec"]["template"]["spec"]["containers"]
        for kind in ("startupProbe", "readinessProbe", "livenessProbe"):
            probe = container[kind]
            looks = probe["httpGet"]["path"] if "httpGet" in probe else probe["exec"]["command"][-1]
            assert looks.startswith(
                {"web": "/healthz", "api-gateway": "/health", "service-core": "find ", "redis": "redis-cli "}[name]
            ), f"{kind} of {name}"


def test_services_reach_pods(objects: Any) -> None:
    services = objects.kind("Service")
    assert "service-core" not in services
    for name, service in services.items():
        assert service["spec"]["type"] == "ClusterIP"
        (template,) = [
            template for template in objects.pod_templates().values() if selects(service["spec"]["selector"], template)
        ]
        ports = {port["name"]: port["containerPort"] for port in template["spec"]["containers"][0]["ports"]}
        for port in service["spec"]["ports"]:
            assert ports[port["targetPort"]] == port["port"], name


def test_what_pods_refer_to_exists(objects: Any) -> None:
    external = set() if "luckyplans-secrets" in objects.kind("Secret") else {"luckyplans-secrets"}
    for template in objects.pod_templates().values():
        for source in template["spec"]["containers"][0].get("envFrom", []):
            if "configMapRef" in source:
                assert source["configMapRef"]["name"] in objects.kind("ConfigMap")
            else:
                assert source["secretRef"]["name"] in {*objects.kind("Secret"), *external}
        for volume in template["spec"]["volumes"]:
            if "persistentVolumeClaim" in volume:
                assert volume["persistentVolumeClaim"]["claimName"] in objects.kind("PersistentVolumeClaim")


def test_disruption_budgets_only_where_a_pod_can_be_spared(objects: Any) -> None:
    spared = {
        name for name, item in objects.kind("Deployment").items() if item["spec"]["replicas"] > 1 and name != "redis"
    }
    budgets = objects.kind("PodDisruptionBudget")
    assert set(budgets) == spared
    for name, budget in budgets.items():
        assert budget["spec"]["maxUnavailable"] == 1
        matched = [
            workload
            for workload, template in objects.pod_templates().items()
            if selects(budget["spec"]["selector"]["matchLabels"], template)
        ]
        assert matched == [name]


@pytest.mark.parametrize("replicas", [0, 1, 2, 3])
def test_disruption_budget_by_replicas(chart: Any, replicas: int) -> None:
    objects = chart.render({"apiGateway": {"replicas": replicas}})
    assert set(objects.kind("PodDisruptionBudget")) == ({"api-gateway"} if replicas > 1 else set())


def test_one_replica_of_each_fits_a_small_laptop(chart: Any) -> None:
    total = 0
    for template in chart.render().pod_templates().values():
        (container,) = template["spec"]["containers"]
        request = container["resources"]["requests"]["cpu"]
        assert request.endswith("m")
        total += int(request[:-1])
    assert 0 < total < 500


def test_prod_renders_twice_the_same_and_without_a_secret(chart: Any) -> None:
    prod = chart.path / "values.prod.yaml"
    first = chart.text(file=prod)
    assert first == chart.text(file=prod)
    assert not chart.render(file=prod).kind("Secret")


def test_prod_differs_as_the_design_document_says(chart: Any) -> None:
    objects = chart.render(file=chart.path / "values.prod.yaml")
    config = objects.one("ConfigMap", "luckyplans-config")["data"]
    assert (config["NODE_ENV"], config["CORS_ORIGIN"]) == ("production", "https://luckyplans.xyz")
    assert objects.one("Ingress", "luckyplans")["spec"]["tls"][0]["hosts"] == ["luckyplans.xyz"]
    for name in ("web", "api-gateway", "service-core"):
        deployment = objects.one("Deployment", name)
        image = deployment["spec"]["template"]["spec"]["containers"][0]["image"]
        assert deployment["spec"]["replicas"] == 2
        assert re.fullmatch(rf"ghcr\.io/takeshi-su57/{name}:(sha-[0-9a-f]{{7,40}}|[0-9]+\.[0-9]+\.[0-9]+)", image)


def test_local_is_as_the_design_document_says(chart: Any) -> None:
    objects = chart.render()
    assert sorted((item["kind"], item["metadata"]["name"]) for item in objects) == [
        ("ConfigMap", "luckyplans-config"),
        ("Deployment", "api-gateway"),
        ("Deployment", "redis"),
        ("Deployment", "service-core"),
        ("Deployment", "web"),
        ("Ingress", "luckyplans"),
        ("Namespace", "luckyplans"),
        ("NetworkPolicy", "redis"),
        ("Secret", "luckyplans-secrets"),
        ("Service", "api-gateway"),
        ("Service", "redis"),
        ("Service", "web"),
    ]
    assert objects.one("ConfigMap", "luckyplans-config")["data"] == {
        "NODE_ENV": "development",
        "CORS_ORIGIN": "http://localhost",
        "REDIS_HOST": "redis",
        "REDIS_PORT": "6379",
        "LOG_LEVEL": "info",
    }


def test_argo_cd_sees_only_annotations_it_knows(objects: Any) -> None:
    for item in objects:
        annotations = item["metadata"].get("annotations", {})
        found = {key for key in annotations if key.startswith("argocd.argoproj.io/")}
        # A hook annotation of Argo CD's own would switch off the Helm hooks of the whole chart.
        assert found <= {"argocd.argoproj.io/sync-options"}


def test_a_claim_is_kept(chart: Any) -> None:
    claim = chart.render({"redis": {"persistence": {"enabled": True}}}).one("PersistentVolumeClaim", "redis-data")
    assert claim["metadata"]["annotations"] == {
        "helm.sh/resource-policy": "keep",
        "argocd.argoproj.io/sync-options": "Prune=false,Delete=false",
    }
    assert "storageClassName" not in claim["spec"]


def test_values_files_are_one_document_each() -> None:
    for path in [*PROFILES, CHART_DIR / "values.yaml"]:
        assert isinstance(yaml.safe_load(path.read_text()), dict), path.name
