"""Measurements that anyone can repeat: how fast gkprep starts, and how fast it asks a fleet."""
