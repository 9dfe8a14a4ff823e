"""Patching: one engine, one small file of data per client library."""
