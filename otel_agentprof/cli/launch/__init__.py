"""A directory to put at the front of ``PYTHONPATH``; nothing imports it as a package."""
