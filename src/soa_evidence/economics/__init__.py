"""Money: what care costs, what is paid for it, and what follows for decisions."""

from soa_evidence.economics import case_mix_income, tariff
from soa_evidence.economics.tariff_rules import Rules

__all__ = ["Rules", "case_mix_income", "tariff"]
