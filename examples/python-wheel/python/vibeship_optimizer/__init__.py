"""The program, as a module. See `__main__.py`."""
