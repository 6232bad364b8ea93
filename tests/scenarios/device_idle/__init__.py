"""Uses of a disk that device-idle tells apart."""
