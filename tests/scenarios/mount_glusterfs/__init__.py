"""States of the Gluster client."""
