# Copyright (c) 2026, luckyplans contributors
# GNU General Public License v3.0+ (see LICENSE or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later

from __future__ import annotations

import pytest
from ansible_collections.luckyplans.platform.plugins.module_utils import _contract


@pytest.mark.parametrize(
    ("name", "key"),
    [("web", "web"), ("api-gateway", "apiGateway"), ("a-b_c.d", "aBCD"), ("service-core-2", "serviceCore2"), ("myApp-webUI", "myAppWebUI"), ("a--b-", "aB")],
)
def test_camel_case(name: str, key: str) -> None:
    assert _contract.camel_case(name) == key


def test_what_stands_in_images_and_values_of_others_stays() -> None:
    assert (_contract.LABEL_CONTENT, _contract.LABEL_ARGUMENT) == ("io.luckyplans.content", "io.luckyplans.build-arg.")
    assert _contract.ARGUMENTS == {"graphqlUrl": "NEXT_PUBLIC_GRAPHQL_URL"}
