# Copyright (c) 2026, luckyplans contributors
# GNU General Public License v3.0+ (see LICENSE or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later

# Private to luckyplans.platform: may change without notice.

from __future__ import annotations


class ModuleDocFragment:
    # Options that kind_cluster and k3d_cluster have in common.
    DOCUMENTATION = r"""
options:
  name:
    description:
      - Name of the cluster. The module looks at and changes the cluster of exactly this name and no other.
      - 1 to 32 of the characters C(a-z), C(0-9) and C(-); the first and the last one are not C(-).
    type: str
    required: true
  state:
    description:
      - V(present) creates the cluster where it does not exist, starts it where it is stopped, and compares it with the
        options where it does.
      - V(started) starts the nodes of an existing cluster. Its settings are not compared.
      - V(stopped) stops the nodes of an existing cluster. Its settings are not compared.
      - V(absent) deletes the cluster, its kubeconfig and its record.
    type: str
    choices: [present, absent, started, stopped]
    default: present
  image:
    description:
      - Full reference of the node image, with tag or digest. Required with O(state=present).
      - A cluster is left as it is when its nodes were made by this reference or from the image that the reference names
        now. A tag that has been moved to another image since is no difference.
    type: str
  kubeconfig:
    description:
      - Path of the cluster's own kubeconfig, written with mode C(0600). It is written again when it is missing, open to
        others, or leads elsewhere. C(~/.kube/config) is refused and never touched.
      - The directory also holds the module's record of the cluster, C(spec.json), and belongs to this one cluster. A
        cluster of this name without a matching record was made by somebody else and is refused in every state, unless
        O(adopt) takes it over.
    type: path
    required: true
  api_host:
    description:
      - Address of this machine on which the Kubernetes API is published.
      - With "any address" (C(0.0.0.0)), the kubeconfig names a loopback host instead.
    type: str
    default: 127.0.0.1
  api_port:
    description:
      - Port of this machine on which the Kubernetes API is published.
      - With V(0), a free port is chosen when the cluster is created, and kept.
    type: int
    default: 0
  recreate:
    description:
      - What to do where the options ask for something that only a new cluster can be.
      - V(never) fails with a table of the differences, and changes nothing, not even what could be changed in place.
      - V(if_needed) deletes the cluster, with everything in it, and creates it anew.
      - A cluster whose creation was interrupted never was one, holds nothing, and is replaced in both cases.
    type: str
    choices: [never, if_needed]
    default: never
  adopt:
    description:
      - Take over a cluster of this name that was made by other means, with O(state=present).
      - Only where it needs no new cluster to be what the options ask for; else it is refused whatever O(recreate) says.
        It gets a record and a kubeconfig, and is this module's from then on.
      - Without it such a cluster is refused, and the failure returns the differences.
    type: bool
    default: false
notes:
  - Runs C(docker) from E(PATH), on the machine that the module runs on.
  - One run at a time works on a cluster, guarded by a lock file beside the kubeconfig; another run waits for it.
  - While it runs, the engine's own lines are appended to the file named by the environment variable
    E(LUCKYPLANS_PROGRESS_FILE), if it is set.
  - In check mode nothing is written and nothing is waited for; a cluster that runs is not asked whether it is ready.
"""
