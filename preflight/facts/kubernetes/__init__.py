"""The cluster, as kubectl on the controller tells of it.

    command    how kubectl is called     existing  namespace, binding, what was deployed before
    version    kubectl's, the server's   kubelets  whether the API server reaches a node's kubelet
    members    the cluster's nodes       images    what is in the Gluster image
    claims     claims, and volumes       pods      what each is for, and whether it does it
    reviews    what the user may do      shapes    parts of an object, whatever it lacks
    selectors  what an abort would delete
    names      what gk-deploy, heketi-cli and Kubernetes call things
    tried      one try of what the API server passes on to a kubelet

Each probe is made from `kubectl(node)`, the words that call it: whichever cluster those lead to is
a part of the question. Where the API server's own answer is all that is wanted, it is asked for as
it stands (`get --raw`): one request, the same text by every kubectl, and no discovery, which a
newer kubectl tries five times over where the server does not answer.
"""

from __future__ import annotations

from preflight.facts.kubernetes.claims import Claim, Volume, claim, volumes
from preflight.facts.kubernetes.command import kubectl, site
from preflight.facts.kubernetes.existing import (
    Binding,
    Listed,
    Namespace,
    Planned,
    Unreadable,
    binding,
    namespace,
    needs_binding,
    objects,
    topology,
)
from preflight.facts.kubernetes.images import GLUSTER, Image, image
from preflight.facts.kubernetes.kubelets import Kubelet, kubelet
from preflight.facts.kubernetes.members import LABEL, Member, Taint, nodes
from preflight.facts.kubernetes.names import (
    ACCOUNT,
    BINDING,
    CONFIG,
    COPY_JOB,
    DATABASE,
    ENDPOINTS,
    ENFORCE,
    PRIVILEGED,
    ROLE,
)
from preflight.facts.kubernetes.reviews import Right, rights
from preflight.facts.kubernetes.selectors import Selected, selected
from preflight.facts.kubernetes.tried import Try
from preflight.facts.kubernetes.version import Told, Version, client, server

__all__ = [
    "ACCOUNT",
    "BINDING",
    "CONFIG",
    "COPY_JOB",
    "DATABASE",
    "ENDPOINTS",
    "ENFORCE",
    "GLUSTER",
    "LABEL",
    "PRIVILEGED",
    "ROLE",
    "Binding",
    "Claim",
    "Image",
    "Kubelet",
    "Listed",
    "Member",
    "Namespace",
    "Planned",
    "Right",
    "Selected",
    "Taint",
    "Told",
    "Try",
    "Unreadable",
    "Version",
    "Volume",
    "binding",
    "claim",
    "client",
    "image",
    "kubectl",
    "kubelet",
    "namespace",
    "needs_binding",
    "nodes",
    "objects",
    "rights",
    "selected",
    "server",
    "site",
    "topology",
    "volumes",
]
