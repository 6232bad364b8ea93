"""The commented inventory that `gkprep init` writes; inventory.example.yaml is the same text.

It stands in a module, and not beside it, so that no packaging can lose it.
"""

from __future__ import annotations

from pathlib import Path

from preflight.errors import UsageError

INVENTORY = """\
# The machines that are to carry GlusterFS, as gkprep reads them:
#
#   gkprep check inventory.yaml        tells whether they are ready, and changes nothing
#   gkprep topology inventory.yaml     prints the topology.json that heketi loads
#
# Only a name, an address and, for a node with bricks, a device have no default. A key that is
# commented out stands here with its default, unless "for example" says otherwise.

# Any key of a node but its name and addresses, for all nodes. A node's own key goes first; `ssh`
# is put together key by key. Clients (role: client) do not get the devices.
defaults:
  ssh:
    user: root                       # default: what ~/.ssh/config says, else your own name
    # port: 22                       # default: what ~/.ssh/config says, else 22
    # identity_file: ~/.ssh/id_ed25519   # for example; default: ~/.ssh/config and the agent
    # proxy_jump: bastion            # for example; default: what ~/.ssh/config says, else none
  devices:                           # whole, empty disks: heketi takes all of each
    - /dev/sdb
  # zone: 1                          # heketi's failure domain; replicas are spread over zones
  # role: storage                    # storage: has bricks; client: only mounts volumes
  # become: true                     # use sudo; default: true unless the user is root

nodes:
  - name: node-181                   # what `kubectl get nodes` calls it
    address: 192.168.136.181         # where SSH connects: an IP, a name, a Host of ~/.ssh/config
    # storage: 192.168.136.181       # the IP address that Gluster uses; default: address
  - name: node-182
    address: 192.168.136.182
  - name: node-183
    address: 192.168.136.183
    # A node's own devices take the place of the default ones. A serial number or a World Wide
    # Name pins the disk: a letter that moved at a reboot cannot lead gkprep to another one. A
    # consent token, printed by `gkprep check`, allows it to wipe this disk as it is now.
    # devices:                       # for example
    #   - /dev/sdb
    #   - {path: /dev/sdc, serial: WD-123, wipe: df9a1c2b77d0}
    #   - {path: /dev/sdd, wwn: "0x5000c500a1b2c3d4"}

  # A node that only mounts volumes, for example:
  # - {name: node-190, address: 192.168.136.190, role: client}

policy:
  single_node: false                 # true: fewer than three nodes are no failure
  gluster_block: true                # false: the module target_core_user is not needed
  rpcbind: pod                       # pod: port 111 must be free; host: rpcbind must run there
  brick_ports: 49152-49251           # GlusterFS 10 and later need 49152-60999

# Only `gkprep deploy` needs these.
# deployer:
#   gk_deploy: ./gluster-kubernetes/deploy/gk-deploy   # for example; default: cloned by gkprep
#   repository: https://github.com/gluster/gluster-kubernetes.git   # where to clone it from
#   namespace: glusterfs
#   kubectl: kubectl                 # its name, or a path
#   kubeconfig: ~/.kube/config       # for example; default: what kubectl uses by itself
#   context: prod                    # for example; default: the current one
#   tolerate: ["node-role.kubernetes.io/master:NoSchedule"]   # for example; default: no taints
#   images: {gluster/gluster-centos: gluster/gluster-centos:gluster4u1_centos7}   # for example
"""


def write(path: Path) -> None:
    """Write the inventory to a new file; raises UsageError where it cannot, or already exists."""
    try:
        with path.open("x", encoding="utf-8") as file:
            file.write(INVENTORY)
    except FileExistsError:
        raise UsageError(f"{path} exists already, and init overwrites nothing") from None
    except OSError as exc:
        raise UsageError(f"{path} cannot be written: {exc.strerror}") from exc
