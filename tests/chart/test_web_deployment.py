# Copyright (c) 2026, luckyplans contributors
# GNU General Public License v3.0+ (see LICENSE or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later

from __future__ import annotations

from charts import Chart, Objects


def test_environment(chart: Chart) -> None:
    container = chart.render().container("web")
    # Kubernetes sets HOSTNAME to the pod's name, and Next.js listens on what it says.
    assert container["env"] == [{"name": "PORT", "value": "3000"}, {"name": "HOSTNAME", "value": "0.0.0.0"}]
    assert "envFrom" not in container


def test_probes(chart: Chart) -> None:
    container = chart.render().container("web")
    assert container["ports"] == [{"name": "http", "containerPort": 3000}]
    for probe in ("startupProbe", "readinessProbe", "livenessProbe"):
        assert container[probe]["httpGet"] == {"path": "/healthz", "port": "http"}


def test_the_built_pages_are_not_hidden(chart: Chart) -> None:
    paths = [mount["mountPath"] for mount in chart.render().container("web")["volumeMounts"]]
    assert paths == ["/tmp", "/app/apps/web/.next/cache"]


def test_pods_are_replaced_without_a_gap_and_apart_from_each_other(objects: Objects) -> None:
    spec = objects.one("Deployment", "web")["spec"]
    pod = spec["template"]["spec"]
    assert spec["strategy"] == {"type": "RollingUpdate", "rollingUpdate": {"maxSurge": 1, "maxUnavailable": 0}}
    assert objects.container("web")["lifecycle"] == {"preStop": {"sleep": {"seconds": 10}}}
    assert pod["terminationGracePeriodSeconds"] == 30
    (spread,) = pod["topologySpreadConstraints"]
    assert (spread["maxSkew"], spread["topologyKey"], spread["whenUnsatisfiable"]) == (1, "kubernetes.io/hostname", "ScheduleAnyway")
    assert spread["matchLabelKeys"] == ["pod-template-hash"]
    assert objects.selected(spread["labelSelector"]["matchLabels"]) == {"web"}
