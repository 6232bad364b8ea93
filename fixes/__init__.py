"""What puts a failed check right: one file each, named for its check."""
