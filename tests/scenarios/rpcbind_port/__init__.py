"""States of the host's rpcbind."""
