# Copyright (c) 2026, luckyplans contributors
# GNU General Public License v3.0+ (see LICENSE or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later

from __future__ import annotations

from typing import Any

import pytest
from charts import TLS, Chart


def test_spec(chart: Chart) -> None:
    objects = chart.render()
    spec = objects.one("Service", "web")["spec"]
    assert spec["ports"] == [{"name": "http", "port": 3000, "targetPort": "http"}]
    assert objects.selected(spec["selector"]) == {"web"}


@pytest.mark.parametrize(("values", "secure"), [({}, "false"), (TLS, "true")])
def test_the_scripts_of_a_page_come_from_the_pod_that_gave_it(chart: Chart, values: dict[str, Any], secure: str) -> None:
    cookie = "traefik.ingress.kubernetes.io/service.sticky.cookie"
    assert chart.render(values).one("Service", "web")["metadata"]["annotations"] == {
        cookie: "true",
        f"{cookie}.name": "luckyplans_web",
        f"{cookie}.httponly": "true",
        f"{cookie}.samesite": "lax",
        f"{cookie}.secure": secure,
    }
