"""States of a disk that device-clean tells apart."""
