"""Samplers of host simulators, in this process and in workers."""
