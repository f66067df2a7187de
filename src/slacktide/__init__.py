"""Slacktide: planned downtime for systems that many organizations share."""
