# Copyright (c) 2026, luckyplans contributors
# GNU General Public License v3.0+ (see LICENSE or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later
"""What holds for every profile, values.prod.yaml and each file in ci/, whatever the template."""

from __future__ import annotations

from pathlib import Path

from charts import CHART_DIR, PROFILES, Chart, Objects

# What a container writes, beside /tmp of the applications.
WRITABLE = {
    "web": {"/tmp", "/app/apps/web/.next/cache"},
    "api-gateway": {"/tmp"},
    "service-core": {"/tmp"},
    "redis": {"/data"},
    "smoke-test": {"/tmp"},
}


def test_profiles_are_found() -> None:
    assert len(PROFILES) > 5


def test_each_template_has_its_test() -> None:
    for path in (CHART_DIR / "templates").rglob("*.*"):
        parts = (*path.relative_to(CHART_DIR / "templates").parent.parts, path.stem.lstrip("_"))
        name = "_".join(parts).replace("-", "_").lower()
        assert (Path(__file__).parent / f"test_{name}.py").exists(), f"no test_{name}.py for {path.name}"


def test_lint(chart: Chart, profile: Path) -> None:
    done = chart.run("lint", "--strict", str(chart.path), "--values", str(profile))
    assert done.returncode == 0, done.stdout + done.stderr


def test_the_commands_of_the_design_document(chart: Chart) -> None:
    assert chart.run("lint", str(chart.path)).returncode == 0
    assert chart.run("template", "luckyplans", str(chart.path)).returncode == 0


def test_names_are_unique(objects: Objects) -> None:
    names = [(item["kind"], item["metadata"]["name"]) for item in objects]
    assert len(names) == len(set(names))


def test_everything_is_in_the_namespace_of_the_release(chart: Chart, profile: Path) -> None:
    for item in chart.render(file=profile, namespace="elsewhere"):
        if item["kind"] == "Namespace":
            assert item["metadata"]["name"] == "elsewhere"
        elif item["kind"] != "ClusterIssuer":
            assert item["metadata"]["namespace"] == "elsewhere", item["metadata"]["name"]


def test_containers_are_confined(objects: Objects) -> None:
    assert set(objects.pod_templates()) <= WRITABLE.keys()
    for name, template in objects.pod_templates().items():
        pod = template["spec"]
        uid = 999 if name == "redis" else 1001
        assert pod["automountServiceAccountToken"] is False, name
        # Else the Service redis sets REDIS_PORT=tcp://... in every pod.
        assert pod["enableServiceLinks"] is False, name
        assert pod["securityContext"] == {
            "runAsNonRoot": True,
            "runAsUser": uid,
            "runAsGroup": uid,
            "fsGroup": uid,
            "fsGroupChangePolicy": "OnRootMismatch",
            "seccompProfile": {"type": "RuntimeDefault"},
        }, name
        assert not pod.keys() & {"initContainers", "hostNetwork", "hostPID", "hostIPC"}, name
        assert objects.container(name)["securityContext"] == {
            "allowPrivilegeEscalation": False,
            "readOnlyRootFilesystem": True,
            "capabilities": {"drop": ["ALL"]},
        }, name


def test_a_read_only_root_has_exactly_the_writable_places_it_needs(objects: Objects) -> None:
    for name, template in objects.pod_templates().items():
        mounts = objects.container(name)["volumeMounts"]
        assert {mount["mountPath"] for mount in mounts if not mount.get("readOnly")} == WRITABLE[name], name
        assert {mount["name"] for mount in mounts} == {volume["name"] for volume in template["spec"]["volumes"]}
        # none without an end: a full one evicts its own pod, not its neighbours
        assert all(volume["emptyDir"]["sizeLimit"] for volume in template["spec"]["volumes"] if "emptyDir" in volume)


def test_every_container_asks_for_what_it_needs_and_has_an_end(objects: Objects) -> None:
    for name in objects.pod_templates():
        resources = objects.container(name)["resources"]
        assert resources["requests"].keys() == {"cpu", "memory"}, name
        assert "memory" in resources["limits"], name


def test_probes_can_fail(objects: Objects) -> None:
    asks = {"web": "/healthz", "api-gateway": "/health", "service-core": "find ", "redis": "redis-cli "}
    for name in objects.kind("Deployment"):
        for kind in ("startupProbe", "readinessProbe", "livenessProbe"):
            probe = objects.container(name)[kind]
            assert asks[name] in (probe["httpGet"]["path"] if "httpGet" in probe else probe["exec"]["command"][-1]), name


def test_services_reach_pods(objects: Objects) -> None:
    services = objects.kind("Service")
    assert set(services) == {"web", "api-gateway", "redis"} & objects.pod_templates().keys()
    for name, service in services.items():
        assert service["spec"]["type"] == "ClusterIP"
        assert objects.selected(service["spec"]["selector"]) == {name}
        ports = {port["name"]: port["containerPort"] for port in objects.container(name)["ports"]}
        for port in service["spec"]["ports"]:
            assert ports[port["targetPort"]] == port["port"], name


def test_what_pods_refer_to_exists(objects: Objects) -> None:
    external = set() if "luckyplans-secrets" in objects.kind("Secret") else {"luckyplans-secrets"}
    for name, template in objects.pod_templates().items():
        for source in objects.container(name).get("envFrom", []):
            assert source["configMapRef"]["name"] in objects.kind("ConfigMap")
        for variable in objects.container(name).get("env", []):
            if "valueFrom" in variable:
                assert variable["valueFrom"]["secretKeyRef"]["name"] in {*objects.kind("Secret"), *external}
        for volume in template["spec"]["volumes"]:
            if "persistentVolumeClaim" in volume:
                assert volume["persistentVolumeClaim"]["claimName"] in objects.kind("PersistentVolumeClaim")


def test_argo_cd_sees_annotations_it_knows_and_hooks_of_one_kind(objects: Objects) -> None:
    found: set[str] = set()
    for item in objects:
        found |= {key for key in item["metadata"].get("annotations", {}) if "argoproj.io/" in key or key.startswith("helm.sh/hook")}
    hooks = {key for key in found if "hook" in key}
    # To Argo CD, a hook of its own switches off every hook of Helm's.
    assert hooks in (
        set(),
        {"helm.sh/hook", "helm.sh/hook-delete-policy"},
        {"argocd.argoproj.io/hook", "argocd.argoproj.io/hook-delete-policy"},
    )
    # No waves: a claim would wait for its consumer and the consumer for the claim.
    assert found - hooks <= {"argocd.argoproj.io/sync-options"}


def test_what_holds_data_is_neither_uninstalled_nor_pruned_nor_deleted(objects: Objects) -> None:
    for item in objects:
        annotations = item["metadata"].get("annotations", {})
        kept = annotations.get("helm.sh/resource-policy") == "keep"
        assert kept is (item["kind"] in ("Namespace", "Secret", "PersistentVolumeClaim")), item["metadata"]["name"]
        assert kept is (annotations.get("argocd.argoproj.io/sync-options") == "Prune=false,Delete=false")
