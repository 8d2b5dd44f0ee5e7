"""The PyMC model of `survival.hierarchical`, in coordinates where its posterior is nearly standard normal."""

from __future__ import annotations

from dataclasses import dataclass
from typing import Any

import numpy as np
from numpy.typing import NDArray

from soa_evidence.priors import HierarchicalPriors, Normal
from soa_evidence.survival.hierarchical_cells import Cells
from soa_evidence.survival.hierarchical_layout import Block
from soa_evidence.survival.hierarchical_normal import Peak

__all__ = ["Data", "build", "data_for"]

FloatArray = NDArray[np.float64]


@dataclass(frozen=True, eq=False, kw_only=True)
class Data:
    """Everything numeric that the model is built on; names as in `Cells` and `Peak`.

    Attributes
    ----------
    person_years : array of shape (J * B, P)
    unit_events : array of shape (J,)
    events, death_events : arrays of shape (M,), (M2,)
        Sums of the events' rows of the design, by parameter.
    death_person_years : array of shape (G * B, P)
    """

    person_years: FloatArray
    unit_events: FloatArray
    events: FloatArray
    unit_linear: FloatArray
    unit_information: FloatArray
    cross: FloatArray
    linear: FloatArray
    information: FloatArray
    log_spread: FloatArray
    spread_information: FloatArray
    death_person_years: FloatArray
    death_events: FloatArray
    death_linear: FloatArray
    death_information: FloatArray


def data_for(cells: Cells, revision: Block, death: Block, peak: Peak, death_peak: Peak) -> Data:
    """Gather what the model needs."""
    P = len(cells.share)
    by_class = cells.by_group(cells.revisions)
    return Data(
        person_years=cells.person_years.reshape(-1, P),
        unit_events=cells.revisions.sum(axis=1),
        events=_events(cells, revision, by_class, cells.revisions_by_pattern, own_level=False),
        unit_linear=peak.unit_linear,
        unit_information=peak.unit_information,
        cross=peak.cross,
        linear=peak.linear,
        information=peak.information,
        log_spread=peak.log_spread,
        spread_information=peak.spread_information,
        death_person_years=cells.by_group(cells.person_years).reshape(-1, P),
        death_events=_events(cells, death, cells.deaths, cells.deaths_by_pattern, own_level=True),
        death_linear=death_peak.linear,
        death_information=death_peak.information,
    )


def _events(
    cells: Cells, block: Block, by_class_band: FloatArray, by_pattern: FloatArray, *, own_level: bool
) -> FloatArray:
    total = np.zeros(block.size)
    if own_level:
        total[block.classes] = by_class_band.sum(axis=1)
    total[block.time] = np.einsum("gb,gbm->m", by_class_band, block.time_basis)
    total[block.case_mix] = by_pattern @ cells.design
    return total


def build(cells: Cells, data: Data, revision: Block, death: Block | None, priors: HierarchicalPriors) -> Any:
    """Return the PyMC model of the docstring of `survival.hierarchical`.

    Its variables: ``level`` (units), ``revision`` and ``death`` (the blocks' `phi`), the log spreads, the
    sampler's own coordinates (standard normal, nearly), and per draw, without constants, the log likelihood
    and the log density of those priors that no spread scales. Without deaths, `death` is None.
    """
    import pymc as pm
    import pytensor.tensor

    pt: Any = pytensor.tensor
    coords = {"unit": cells.units, "class": cells.groups}
    own, n_groups = cells.group_of_unit, len(cells.groups)
    shape = (len(cells.units), len(cells.breaks) - 1)
    with pm.Model(coords=coords) as model:
        typical, top = _spread(pm, "typical_log_spread", priors.typical_log_spread)
        prior = priors.class_log_spread
        told, own_tight = data.spread_information, prior.sd**-2
        sure = told + own_tight
        z = pm.Flat("class_log_spread_coordinate", dims="class")
        log_spread = (told * data.log_spread + own_tight * (typical + prior.mean)) / sure + z * sure**-0.5
        pm.Deterministic("class_log_spread", log_spread, dims="class")
        top = top - 0.5 * own_tight * ((log_spread - typical - prior.mean) ** 2).sum()
        tight = pt.exp(-2 * log_spread)
        scaled, more = _scaled_precision(pm, pt, revision, priors, "")
        top = top + more

        # Precision of phi given the spreads, the units' levels integrated out, were the likelihood normal.
        precise = data.unit_information + tight[own]
        in_class = np.zeros((shape[0], revision.size))
        in_class[np.arange(shape[0]), 1 + own] = 1.0
        V = data.cross - in_class * tight[own][:, None]
        from_units = pt.concatenate([np.zeros(1), tight, np.zeros(revision.size - 1 - n_groups)])
        precision = data.information + revision.precision - pt.dot(V.T, V / precise[:, None])
        precision = precision + pt.diag(scaled + in_class.sum(axis=0) * from_units)
        pull = data.linear + revision.precision @ revision.prior_mean
        pull = pull - pt.dot(data.unit_linear / precise, V)
        phi, volume = _from_standard(pm, pt, "revision", revision, precision, pull)
        z = pm.Flat("level_coordinate", dims="unit")
        level = (data.unit_linear - pt.dot(V, phi)) / precise + z * precise**-0.5
        pm.Deterministic("level", level, dims="unit")
        volume = volume - 0.5 * pt.log(precise).sum()
        top = top + _log_fixed(pt, phi, revision)
        below = _log_scaled(pt, phi, revision, scaled)
        gap = level - phi[1 + own]
        below = below - 0.5 * (gap**2 * tight[own]).sum() - log_spread[own].sum()

        time = pt.exp(pt.dot(revision.time_basis, phi[revision.time]))[own]
        kinds = pt.exp(pt.dot(cells.design, phi[revision.case_mix]))
        expected = pt.exp(level) * (pt.dot(data.person_years, kinds).reshape(shape) * time).sum(axis=1)
        likelihood = pt.dot(data.unit_events, level) + pt.dot(data.events, phi) - expected.sum()

        if death is not None:
            scaled, more = _scaled_precision(pm, pt, death, priors, "death_")
            precision = data.death_information + death.precision + pt.diag(scaled)
            pull = data.death_linear + death.precision @ death.prior_mean
            phi, more_volume = _from_standard(pm, pt, "death", death, precision, pull)
            top = top + more + _log_fixed(pt, phi, death)
            below = below + _log_scaled(pt, phi, death, scaled)
            volume = volume + more_volume
            log_rate = phi[death.classes][:, None] + pt.dot(death.time_basis, phi[death.time])
            kinds = pt.exp(pt.dot(cells.design, phi[death.case_mix]))
            exposure = pt.dot(data.death_person_years, kinds).reshape((n_groups, shape[1]))
            likelihood = likelihood + pt.dot(data.death_events, phi) - (exposure * pt.exp(log_rate)).sum()

        pm.Deterministic("log_prior", top)
        pm.Deterministic("log_likelihood", likelihood)
        pm.Potential("posterior", top + below + likelihood + volume)
    return model


def _spread(pm: Any, name: str, prior: Normal) -> tuple[Any, Any]:
    """Return a log spread and its log prior density; the sampler moves in prior standard deviations."""
    z = pm.Flat(f"{name}_coordinate")
    return pm.Deterministic(name, prior.mean + prior.sd * z), -0.5 * z**2


def _scaled_precision(
    pm: Any, pt: Any, block: Block, priors: HierarchicalPriors, prefix: str
) -> tuple[Any, Any]:
    """Return the part of the diagonal of the prior precision that spreads scale, and their density."""
    diagonal, density = pt.zeros(block.size), pt.zeros(())
    if block.steps:
        value, more = _spread(pm, f"{prefix}log_smoothing", priors.log_smoothing)
        diagonal, density = diagonal + pt.exp(-2 * value) * block.step_scale, density + more
    if block.departures:
        value, more = _spread(pm, f"{prefix}log_period_spread", priors.log_period_spread)
        diagonal, density = diagonal + pt.exp(-2 * value) * block.departure_scale, density + more
    return diagonal, density


def _from_standard(pm: Any, pt: Any, name: str, block: Block, precision: Any, pull: Any) -> tuple[Any, Any]:
    """Return phi with (nearly) that precision and mean, from standard coordinates, and log |d phi / d z|."""
    from pytensor.tensor.linalg import cholesky, solve_triangular

    z = pm.Flat(f"{name}_coordinate", shape=block.size)
    lower = cholesky(precision)
    # phi = precision^-1 pull + lower^-T z
    phi = solve_triangular(
        lower.T, solve_triangular(lower, pt.as_tensor_variable(pull), lower=True) + z, lower=False
    )
    return pm.Deterministic(name, phi), -pt.log(pt.diag(lower)).sum()


def _log_fixed(pt: Any, phi: Any, block: Block) -> Any:
    """Log density of the priors of phi that no spread scales, without its constant."""
    gap = phi - block.prior_mean
    return -0.5 * pt.dot(gap, pt.dot(block.precision, gap))


def _log_scaled(pt: Any, phi: Any, block: Block, scaled: Any) -> Any:
    """Log density of steps and departures given their spreads, without its constant."""
    moving = np.flatnonzero(block.step_scale + block.departure_scale)
    if not len(moving):
        return pt.zeros(())
    return 0.5 * pt.log(scaled[moving]).sum() - 0.5 * (scaled * phi**2).sum()
