"""Tests of gkprep, and the tools that record what they are held to."""
