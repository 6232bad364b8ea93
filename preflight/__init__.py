"""gkprep: checks and prepares nodes for GlusterFS on Kubernetes."""
