"""What `against_bfcl.py` is made of: the official checker in a process of its own, and calls mutated from answers."""
