# Copyright (c) 2026, luckyplans contributors
# GNU General Public License v3.0+ (see LICENSE or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later

from __future__ import annotations

import pytest
from charts import Chart, Objects


def test_it_is_neither_uninstalled_nor_pruned_nor_deleted(objects: Objects) -> None:
    assert objects.one("Namespace", "luckyplans")["metadata"]["annotations"] == {
        "helm.sh/resource-policy": "keep",
        "argocd.argoproj.io/sync-options": "Prune=false,Delete=false",
    }


@pytest.mark.parametrize("namespace", ["luckyplans", "elsewhere"])
def test_it_is_that_of_the_release(chart: Chart, namespace: str) -> None:
    assert list(chart.render(namespace=namespace).kind("Namespace")) == [namespace]
