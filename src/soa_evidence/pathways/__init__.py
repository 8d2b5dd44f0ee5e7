"""How patients come to treatment: how often it is used, how services are arranged, how long people wait."""

from soa_evidence.pathways import (
    break_even,
    completion,
    expected_use,
    intervention_rates,
    redesign,
    saving_forecast,
)

__all__ = ["break_even", "completion", "expected_use", "intervention_rates", "redesign", "saving_forecast"]
