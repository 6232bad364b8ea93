"""States of Gluster's folders on a node."""
