"""The generating parameters of syn-registry, read from its evidence package: one table.

Three scenarios stand side by side in it:

    default          specialist units are better, by a stated amount; hidden severity is mild
    no_difference    every class has the same hazard at the same case mix, and referral hides nothing
    referral_bias    as default, but patients sent to specialist units are worse in a way no extract records
"""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from dataclasses import dataclass, field
from pathlib import Path
from types import MappingProxyType

import numpy as np
import pandas as pd
from numpy.typing import NDArray

from soa_evidence.errors import InputError, nearest

__all__ = ["CLASSES", "NAME", "REFERENCE", "SCENARIOS", "Parameters", "of_scenario", "read"]

NAME = "syn-registry"
SCENARIOS = ("default", "no_difference", "referral_bias")
#: Classes of unit by their short name in the table of parameters; the second is the reference.
CLASSES: Mapping[str, str] = MappingProxyType(
    {
        "specialist": "specialist orthopaedic",
        "general_large": "NHS general, larger",
        "general_small": "NHS general, smaller",
        "independent": "independent sector",
    }
)
REFERENCE = "NHS general, larger"


@dataclass(frozen=True, eq=False, kw_only=True)
class Parameters:
    """Every generating parameter of one scenario, by name.

    Attributes
    ----------
    scenario : str
        Its name; with values changed by hand, the name and what was changed.
    values : mapping of str to float
    table : DataFrame
        parameter, value, unit, meaning, why, source.
    """

    scenario: str
    values: Mapping[str, float]
    table: pd.DataFrame = field(repr=False)

    def __getitem__(self, name: str) -> float:
        if name not in self.values:
            raise InputError(f"syn-registry has no parameter '{name}'.{nearest(name, self.values)}")
        return self.values[name]

    def row(self, pattern: str, names: Sequence[str]) -> NDArray[np.float64]:
        """Return the parameters that `pattern` gives when '*' is each of `names`."""
        return np.array([self[pattern.replace("*", name)] for name in names])

    def named(self, prefix: str) -> tuple[str, ...]:
        """Return the distinct names one step below `prefix`, in the table's order."""
        below = (name.removeprefix(prefix) for name in self.values if name.startswith(prefix))
        return tuple(dict.fromkeys(rest.split(".")[0] for rest in below))

    def changed(self, values: Mapping[str, float]) -> Parameters:
        """Return a copy with some values changed; a name may end in '*' and then stands for all it begins.

        Raises
        ------
        InputError
            On a name that is no parameter's, or a value that is not finite.
        """
        new = dict(self.values)
        for name, value in values.items():
            known = [k for k in new if k.startswith(name[:-1])] if name.endswith("*") else [name]
            if not known or known[0] not in new:
                raise InputError(f"syn-registry has no parameter '{name}'.{nearest(name, new)}")
            if not np.isfinite(value):
                raise InputError(f"Parameter '{name}' is set to {value}; expected a finite number.")
            new |= dict.fromkeys(known, float(value))
        told = ", ".join(f"{name} = {value:g}" for name, value in values.items())
        table = self.table.assign(value=self.table["parameter"].map(new))
        return Parameters(scenario=f"{self.scenario} with {told}", values=MappingProxyType(new), table=table)


def of_scenario(scenario: str = "default", *, folder: str | Path | None = None) -> Parameters:
    """Read the parameters of a scenario from the package syn-registry.

    Raises
    ------
    InputError
        On an unknown scenario.
    EvidenceError
        When the package is missing or was changed since it was sealed.
    """
    if scenario not in SCENARIOS:
        raise InputError(
            f"scenario is {scenario!r}.{nearest(scenario, SCENARIOS)} "
            f"Expected one of: {', '.join(SCENARIOS)}."
        )
    from soa_evidence.evidence.load import load

    return _chosen(load(NAME, folder).table("truth"), scenario)


def read(path: Path, scenario: str) -> Parameters:
    """Read a table of parameters that is not sealed yet."""
    return _chosen(pd.read_csv(path), scenario)


def _chosen(table: pd.DataFrame, scenario: str) -> Parameters:
    kept = table[["parameter", "unit", "meaning", "why", "source"]].copy()
    kept.insert(1, "value", table[scenario])
    values = dict(zip(table["parameter"], table[scenario].astype(float), strict=True))
    return Parameters(scenario=scenario, values=MappingProxyType(values), table=kept)
