"""Catalogue, parameters, execution, publication gate, record and page: from a notebook to a sealed report."""
