"""Reproducible evidence synthesis for specialist orthopaedic services."""
