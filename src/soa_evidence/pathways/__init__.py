"""How patients come to treatment: how often it is used, how services are arranged, how long people wait."""

from typing import TYPE_CHECKING

from soa_evidence import lazy

if TYPE_CHECKING:
    from soa_evidence.pathways import (
        break_even,
        capacity_needed,
        completion,
        difference_in_differences,
        expected_use,
        interrupted_series,
        intervention_rates,
        queue_forecast,
        redesign,
        redesign_options,
        regression_to_mean,
        reported_contrast,
        reported_wait,
        saving_forecast,
        synthetic_control,
        waiting_flow,
        waiting_times,
    )

__all__ = [
    "break_even",
    "capacity_needed",
    "completion",
    "difference_in_differences",
    "expected_use",
    "interrupted_series",
    "intervention_rates",
    "queue_forecast",
    "redesign",
    "redesign_options",
    "regression_to_mean",
    "reported_contrast",
    "reported_wait",
    "saving_forecast",
    "synthetic_control",
    "waiting_flow",
    "waiting_times",
]

lazy.on_use(__name__)
