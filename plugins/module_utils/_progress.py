# Copyright (c) 2026, luckyplans contributors
# GNU General Public License v3.0+ (see LICENSE or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later

# Private to luckyplans.platform: may change without notice.
"""Progress lines of a long-running module, for whoever watches the run."""

from __future__ import annotations

import os

PROGRESS_FILE = "LUCKYPLANS_PROGRESS_FILE"


def report(line: str) -> None:
    """Append one line to the file named by LUCKYPLANS_PROGRESS_FILE, if it is set."""
    path = os.environ.get(PROGRESS_FILE, "")
    text = " ".join(line.split())
    if not path or not text:
        return
    try:
        with open(path, "a", encoding="utf-8") as stream:
            stream.write(text + "\n")
    except OSError:
        # Progress is a courtesy: a full disk or a removed directory must not end the work it tells about.
        pass
