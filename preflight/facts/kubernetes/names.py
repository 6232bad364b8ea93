"""Fixed names: gk-deploy and heketi-cli give them and let nobody choose, or Kubernetes does."""

BINDING = "heketi-sa-view"
ROLE, ACCOUNT = "edit", "heketi-service-account"
CONFIG = "heketi-config-secret"
ENDPOINTS = "heketi-storage-endpoints"
"""Of a service and its endpoints."""
COPY_JOB, DATABASE = "heketi-storage-copy-job", "heketi-storage-secret"
"""The job that copies heketi's database onto its volume, and the secret that it copies it from."""

ENFORCE = "pod-security.kubernetes.io/enforce"
"""The label of a namespace that says which pods it lets in (Pod Security Admission)."""
PRIVILEGED = "privileged"
"""Its value that lets in all."""
