"""OpenSSH's own files, read as OpenSSH reads them; pure, and without an SSH library.

`config` answers what `ssh` would do for a host (ssh_config(5)), `known_hosts` which host keys are
trusted for it (sshd(8), SSH_KNOWN_HOSTS FILE FORMAT). What they cannot honour they refuse.
"""
