"""How patients come to treatment: how often it is used, how services are arranged, how long people wait."""

from soa_evidence.pathways import completion, expected_use, intervention_rates

__all__ = ["completion", "expected_use", "intervention_rates"]
