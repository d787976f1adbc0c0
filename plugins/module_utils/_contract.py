# Copyright (c) 2026, luckyplans contributors
# GNU General Public License v3.0+ (see LICENSE or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later

# Private to luckyplans.platform: may change without notice.
"""What an image and the chart's values say of each other: image_plan writes it, image_check reads it."""

from __future__ import annotations

import re

LABEL_CONTENT = "io.luckyplans.content"
"""Label with the hash of everything that can change the image."""
LABEL_ARGUMENT = "io.luckyplans.build-arg."
"""Beginning of the labels with the build arguments."""
ARGUMENTS = {"graphqlUrl": "NEXT_PUBLIC_GRAPHQL_URL"}
"""Keys in the values, below <component>.buildArgs, and the build arguments that they are."""


def camel_case(name: str) -> str:
    """The key of an application in the chart's values: api-gateway is apiGateway."""
    first, *others = re.split(r"[-_.]+", name)
    return first + "".join(part[:1].upper() + part[1:] for part in others)
