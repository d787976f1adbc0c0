# Copyright (c) 2026, luckyplans contributors
# GNU General Public License v3.0+ (see LICENSE or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later

from __future__ import annotations

import pytest
from charts import Chart


@pytest.mark.parametrize("port", [6379, 6390])
def test_it_is_the_host_of_the_config_on_its_port(chart: Chart, port: int) -> None:
    objects = chart.render({"config": {"redisPort": port}})
    service = objects.one("Service", "redis")
    assert service["spec"]["ports"] == [{"name": "redis", "port": port, "targetPort": "redis"}]
    config = objects.one("ConfigMap", "luckyplans-config")["data"]
    assert (config["REDIS_HOST"], config["REDIS_PORT"]) == (service["metadata"]["name"], str(port))
