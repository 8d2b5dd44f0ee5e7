r"""What a decision model is fed with: one distribution over one or several named parameters.

=================  ==========================================================================
``fixed``          a value known, or decided, without error
``beta``           probabilities and utilities: from events out of a number, or mean and error
``gamma``          costs and other values above 0: from mean and standard error
``log_normal``     ratios: the value given is the median, the error is of its logarithm
``normal``         one or several parameters jointly, by covariance (drawn by Cholesky's factor)
``dirichlet``      shares that add up to 1: from counts
=================  ==========================================================================

What another method found comes in by `economics.carried`.

Every parameter says its unit, where its value comes from, and which of three kinds of number it is:
``measured`` (in our own data), ``reported by others``, or ``assumed``. A parameter in pounds says the year of
its prices. Nothing has a default.

When not to use it: a beta or gamma made from a mean and an error is right only if the error is that of the
mean, not the spread of patients.

Checked against: the distributions' own moments, and R's quantiles (tests/reference/economics).
"""

from __future__ import annotations

import zlib
from collections.abc import Mapping, Sequence
from dataclasses import dataclass, field
from types import MappingProxyType
from typing import Literal, get_args

import numpy as np
from numpy.typing import ArrayLike, NDArray

from soa_evidence.economics import covariance as covariances
from soa_evidence.errors import InputError, nearest
from soa_evidence.results import Estimates

__all__ = [
    "Kind",
    "Parameter",
    "beta",
    "dirichlet",
    "fixed",
    "gamma",
    "log_normal",
    "normal",
]

FloatArray = NDArray[np.float64]
Kind = Literal["measured", "reported by others", "assumed"]
KINDS: tuple[str, ...] = get_args(Kind)
MONEY = "GBP"


@dataclass(frozen=True, eq=False, kw_only=True)
class Parameter:
    """One distribution over one or several named parameters; made by the functions of this module.

    Attributes
    ----------
    names : tuple of str, length k
    distribution : str
    centre : array of shape (k,)
        The values of the deterministic model: means, for a ratio the median.
    lower, upper : arrays of shape (k,)
        Equal-tailed limits of 95 %, each parameter by itself.
    settings : mapping of str to array
        What the distribution was made from.
    unit, source : str
    kind : one of measured, reported by others, assumed
    price_year : str or None
        Of money only.
    factor : float
        What inflation has multiplied the values by.
    """

    names: tuple[str, ...]
    distribution: str
    centre: FloatArray
    lower: FloatArray
    upper: FloatArray
    settings: Mapping[str, FloatArray]
    unit: str
    source: str
    kind: Kind
    price_year: str | None = None
    factor: float = 1.0
    estimates: Estimates | None = field(default=None, repr=False)

    def __post_init__(self) -> None:
        names = tuple(str(name) for name in self.names)
        if not names or not all(name.isidentifier() for name in names):
            raise InputError(
                f"A parameter is named {', '.join(map(repr, names)) or 'nothing'}; expected names "
                f"of letters, "
                "digits and '_', such as 'cost_revision'."
            )
        if len(set(names)) != len(names):
            raise InputError(f"Parameters {', '.join(names)} repeat a name; each needs its own.")
        shown = ", ".join(names)
        for what, text in (("unit", self.unit), ("source", self.source)):
            if not str(text).strip():
                raise InputError(f"Parameter '{shown}' has no {what}; say it in {what}=.")
        if self.kind not in KINDS:
            raise InputError(
                f"Parameter '{shown}' is of kind {self.kind!r}.{nearest(self.kind, KINDS)} "
                f"Expected one of: {', '.join(KINDS)}."
            )
        if self.is_money and not self.price_year:
            raise InputError(
                f"Parameter '{shown}' is in {self.unit} without the year of its prices; give price_year=."
            )
        if self.price_year and not self.is_money:
            raise InputError(
                f"Parameter '{shown}' has prices of {self.price_year} but the unit '{self.unit}'; "
                f"money has a "
                f"unit that starts with {MONEY}, and nothing else has a price year."
            )
        object.__setattr__(self, "names", names)
        object.__setattr__(self, "settings", MappingProxyType(dict(self.settings)))
        for name in ("centre", "lower", "upper"):
            values = np.array(getattr(self, name), dtype=float)
            if values.shape != (len(names),) or not np.isfinite(values).all():
                raise InputError(
                    f"Parameter '{shown}': {name} is {values}; expected {len(names)} finite value(s)."
                )
            values.setflags(write=False)
            object.__setattr__(self, name, values)

    @property
    def is_money(self) -> bool:
        """Whether the unit is money."""
        return self.unit.startswith(MONEY)

    def draw(self, n: int, *, seed: int) -> FloatArray:
        """Return `n` joint draws, shape (n, k).

        The stream of random numbers depends on `seed` and on the names, so that adding a parameter changes no
        other's draws. Draws of `Estimates` come in their own order, row i the same state of the world for all
        Estimates of one result.
        """
        if n < 1:
            raise InputError(f"draw() was asked for {n} draws; ask for at least 1.")
        rng = np.random.default_rng([seed, zlib.crc32("|".join(self.names).encode())])
        return np.asarray(self.factor * self._raw(n, seed, rng), dtype=float)

    def _raw(self, n: int, seed: int, rng: np.random.Generator) -> FloatArray:
        s = self.settings
        match self.distribution:
            case "fixed":
                return np.tile(s["value"], (n, 1))
            case "beta":
                return rng.beta(s["a"], s["b"], (n, 1))
            case "gamma":
                return rng.gamma(s["shape"], s["scale"], (n, 1))
            case "log-normal":
                return np.exp(rng.normal(s["log_median"], s["log_error"], (n, 1)))
            case "normal":
                return np.asarray(s["mean"] + rng.standard_normal((n, len(self.names))) @ s["factor"].T)
            case "dirichlet":
                return rng.dirichlet(s["counts"], n)
            case _:
                return self._of_estimates(n, seed, rng)

    def _of_estimates(self, n: int, seed: int, rng: np.random.Generator) -> FloatArray:
        if self.estimates is None:
            raise InputError(f"Parameter '{', '.join(self.names)}' has no estimates to draw from.")
        # Draws share the seed, hence the rows, with every other Estimates that holds as many draws; moments
        # have no rows to share, and take a stream of their own.
        own = seed if self.estimates.draws is not None else int(rng.integers(2**31))
        return np.asarray(self.settings["sign"] * self.estimates.sample(n, seed=own))


def fixed(
    name: str, value: float, *, unit: str, source: str, kind: Kind, price_year: str | None = None
) -> Parameter:
    """Return a parameter known, or decided, without error."""
    _finite(name, value=value)
    _allowed(name, value, unit)
    at = np.array([float(value)])
    return Parameter(
        names=(name,),
        distribution="fixed",
        centre=at,
        lower=at,
        upper=at,
        settings={"value": at},
        unit=unit,
        source=source,
        kind=kind,
        price_year=price_year,
    )


def beta(
    name: str,
    *,
    unit: str,
    source: str,
    kind: Kind,
    events: float | None = None,
    of: float | None = None,
    mean: float | None = None,
    std_error: float | None = None,
) -> Parameter:
    """Return a probability or utility: from `events` out of `of`, or from `mean` and `std_error`."""
    if (
        (events is None) != (of is None)
        or (mean is None) != (std_error is None)
        or (events is None) == (mean is None)
    ):
        raise InputError(f"Beta '{name}' needs either events= and of=, or mean= and std_error=.")
    if events is not None and of is not None:
        _finite(name, events=events, of=of)
        if not 0 < events < of:
            raise InputError(
                f"Beta '{name}' has {events:g} events of {of:g}; expected more than 0 and fewer than all."
            )
        a, b = float(events), float(of - events)
    elif mean is not None and std_error is not None:
        _finite(name, mean=mean, std_error=std_error)
        if not 0 < mean < 1:
            raise InputError(f"Beta '{name}' has mean {mean:g}; a probability lies above 0 and below 1.")
        if not 0 < std_error**2 < mean * (1 - mean):
            raise InputError(
                f"Beta '{name}' has standard error {std_error:g}, which no beta with mean {mean:g} can have; "
                f"expected above 0 and below {np.sqrt(mean * (1 - mean)):.3g}."
            )
        total = mean * (1 - mean) / std_error**2 - 1
        a, b = mean * total, (1 - mean) * total
    else:  # unreachable by the first test; it tells the type checker so
        raise InputError(f"Beta '{name}' needs either events= and of=, or mean= and std_error=.")
    from scipy import stats

    lower, upper = stats.beta.ppf([0.025, 0.975], a, b)
    return _single(name, "beta", a / (a + b), lower, upper, {"a": a, "b": b}, unit, source, kind, None)


def gamma(
    name: str,
    *,
    mean: float,
    std_error: float,
    unit: str,
    source: str,
    kind: Kind,
    price_year: str | None = None,
) -> Parameter:
    """Return a cost, or another value above 0, from its mean and the standard error of the mean."""
    _finite(name, mean=mean, std_error=std_error)
    if not (mean > 0 and std_error > 0):
        raise InputError(
            f"Gamma '{name}' has mean {mean:g} and standard error {std_error:g}; expected both above 0. "
            "For a value known without error use fixed()."
        )
    from scipy import stats

    shape, scale = (mean / std_error) ** 2, std_error**2 / mean
    lower, upper = stats.gamma.ppf([0.025, 0.975], shape, scale=scale)
    made = {"shape": shape, "scale": scale}
    return _single(name, "gamma", mean, lower, upper, made, unit, source, kind, price_year)


def log_normal(
    name: str,
    *,
    estimate: float,
    unit: str,
    source: str,
    kind: Kind,
    log_error: float | None = None,
    lower: float | None = None,
    upper: float | None = None,
    level: float = 0.95,
) -> Parameter:
    """Return a ratio: its median `estimate`, and the error of its logarithm or the limits printed with it."""
    from scipy import stats

    _finite(name, estimate=estimate, level=level)
    if not estimate > 0:
        raise InputError(f"Log-normal '{name}' has estimate {estimate:g}; a ratio is above 0.")
    if not 0 < level < 1:
        raise InputError(
            f"Log-normal '{name}' has level {level:g}; expected above 0 and below 1, such as 0.95."
        )
    if (log_error is None) == (lower is None or upper is None):
        raise InputError(f"Log-normal '{name}' needs either log_error=, or both lower= and upper=.")
    if lower is not None and upper is not None:
        if not 0 < lower < estimate < upper:
            raise InputError(
                f"Log-normal '{name}' has limits {lower:g} to {upper:g} around {estimate:g}; expected "
                "0 < lower < estimate < upper."
            )
        log_error = float(np.log(upper / lower) / (2 * stats.norm.ppf(0.5 + level / 2)))
    if log_error is None or not (np.isfinite(log_error) and log_error > 0):
        raise InputError(f"Log-normal '{name}' has log_error {log_error}; expected a number above 0.")
    limits = np.exp(np.log(estimate) + log_error * stats.norm.ppf([0.025, 0.975]))
    made = {"log_median": np.log(estimate), "log_error": log_error}
    return _single(name, "log-normal", estimate, limits[0], limits[1], made, unit, source, kind, None)


def normal(
    names: str | Sequence[str],
    *,
    mean: ArrayLike,
    unit: str,
    source: str,
    kind: Kind,
    covariance: ArrayLike | None = None,
    std_error: float | None = None,
    price_year: str | None = None,
) -> Parameter:
    """Return one or several normal parameters, jointly by their covariance.

    Raises
    ------
    InputError
        When the covariance has another shape, is not symmetric, implies a correlation beyond 1 or has a
        negative eigenvalue: the message names the pair, which is usually a misprinted figure.
    """
    names = (names,) if isinstance(names, str) else tuple(names)
    at = np.atleast_1d(np.array(mean, dtype=float))
    shown = ", ".join(names)
    if (covariance is None) == (std_error is None):
        raise InputError(f"Normal '{shown}' needs either covariance=, or std_error= for a single one.")
    if covariance is None:
        if len(names) != 1 or std_error is None or not (np.isfinite(std_error) and std_error > 0):
            raise InputError(
                f"Normal '{shown}' has std_error {std_error}; expected one parameter and a number above 0."
            )
        covariance = [[std_error**2]]
    matrix = np.array(covariance, dtype=float)
    if at.shape != (len(names),) or matrix.shape != (len(names),) * 2:
        raise InputError(
            f"Normal '{shown}': mean {at.shape} and covariance {matrix.shape} do not fit {len(names)} names."
        )
    covariances.require_covariance(names, at, matrix)
    half = 1.959963984540054 * np.sqrt(np.diag(matrix))
    return Parameter(
        names=names,
        distribution="normal",
        centre=at,
        lower=at - half,
        upper=at + half,
        settings={"mean": at, "covariance": matrix, "factor": covariances.factor(matrix)},
        unit=unit,
        source=source,
        kind=kind,
        price_year=price_year,
    )


def dirichlet(names: Sequence[str], *, counts: ArrayLike, unit: str, source: str, kind: Kind) -> Parameter:
    """Return shares that add up to 1, from counts."""
    from scipy import stats

    n = np.array(counts, dtype=float)
    if n.ndim != 1 or len(n) != len(names) or len(n) < 2:
        raise InputError(
            f"Dirichlet '{', '.join(names)}' has {n.size} count(s) for {len(names)} names; "
            f"expected one each, "
            "at least two."
        )
    if not (np.isfinite(n).all() and (n > 0).all()):
        at = int(np.argmax(~(np.isfinite(n) & (n > 0))))
        raise InputError(f"Dirichlet: the count of '{names[at]}' is {n[at]}; expected a number above 0.")
    limits = stats.beta.ppf([[0.025], [0.975]], n, n.sum() - n)
    return Parameter(
        names=tuple(names),
        distribution="dirichlet",
        centre=n / n.sum(),
        lower=limits[0],
        upper=limits[1],
        settings={"counts": n},
        unit=unit,
        source=source,
        kind=kind,
    )


def _single(
    name: str,
    distribution: str,
    centre: float,
    lower: float,
    upper: float,
    settings: Mapping[str, float],
    unit: str,
    source: str,
    kind: Kind,
    price_year: str | None,
) -> Parameter:
    return Parameter(
        names=(name,),
        distribution=distribution,
        centre=np.array([centre]),
        lower=np.array([lower]),
        upper=np.array([upper]),
        settings={key: np.array(value) for key, value in settings.items()},
        unit=unit,
        source=source,
        kind=kind,
        price_year=price_year,
    )


def _finite(name: str, **values: float) -> None:
    for what, value in values.items():
        if not isinstance(value, int | float | np.number) or not np.isfinite(value):
            raise InputError(f"Parameter '{name}': {what} is {value!r}; expected a finite number.")


def _allowed(name: str, value: float, unit: str) -> None:
    if unit == "probability" and not 0 <= value <= 1:
        raise InputError(f"Parameter '{name}' is a probability of {value:g}; expected a value from 0 to 1.")
    if unit == "utility" and value > 1:
        raise InputError(
            f"Parameter '{name}' is a utility of {value:g}; full health is 1, nothing is above it."
        )
