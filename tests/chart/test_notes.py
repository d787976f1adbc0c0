# Copyright (c) 2026, luckyplans contributors
# GNU General Public License v3.0+ (see LICENSE or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later
"""NOTES.txt, which `helm install` prints."""

from __future__ import annotations

from typing import Any

import pytest
from charts import AUTH, FIXED, TLS, Chart


def notes(chart: Chart, values: dict[str, Any]) -> str:
    done = chart.run("install", "luckyplans", str(chart.path), "--namespace=plans", "--dry-run=client", values=values)
    assert done.returncode == 0, done.stderr
    return done.stdout.partition("NOTES:\n")[2]


@pytest.mark.parametrize(
    ("values", "says", "leaves_out"),
    [
        ({}, "Open    http://<any host that leads to Traefik>/", "Secret "),
        (TLS, "Open    https://plans.example.org/", "port-forward"),
        ({"ingress": {"enabled": False}}, "kubectl -n plans port-forward service/web 3000", "Traefik"),
        (FIXED, "luckyplans-secrets has to exist here, with JWT_SECRET;", "REDIS_PASSWORD"),
        (FIXED | AUTH, "luckyplans-secrets has to exist here, with JWT_SECRET and REDIS_PASSWORD;", "https"),
    ],
)
def test_they_say_where_it_is_and_what_is_missing(chart: Chart, values: dict[str, Any], says: str, leaves_out: str) -> None:
    text = notes(chart, values)
    assert text.startswith("luckyplans 0.2.0 is in the namespace plans.\n")
    assert says in text
    assert leaves_out not in text


def test_they_tell_no_secret(chart: Chart) -> None:
    assert "JWT_SECRET" not in notes(chart, {})
