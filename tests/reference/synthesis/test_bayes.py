"""The quadrature against printed posteriors, and against a grid without any cleverness."""

from pathlib import Path

import numpy as np
import pandas as pd
import pytest
from scipy import stats

from soa_evidence.priors import SYNTHESIS_PRIORS, Normal, Spread, SynthesisPriors
from soa_evidence.synthesis import bayes, effect_sizes

HERE = Path(__file__).parent
SCHOOLS = pd.read_csv(HERE / "data" / "schools.csv").rename(columns={"yi": "estimate", "sei": "std_error"})
BCG = effect_sizes.fit(pd.read_csv(HERE / "data" / "bcg.csv"), measure="RR").table


def priors(spread, effect=None):
    return SynthesisPriors(name="test", effect=effect, spread=spread, because="test")


def normal(mean, sd):
    return Normal(mean=mean, sd=sd, because="test")


def spread(family, scale, location=0.0):
    return Spread(family=family, scale=scale, location=location, because="test")


def test_eight_schools_as_bayesmeta_prints_them():
    """Vignette of bayesmeta 2.0: half-Cauchy(25), effect Normal(0, 50).

    tau is one integral on both sides and agrees to the printed digits; bayesmeta's mean effect is a discrete
    mixture built to an accuracy of about 1 %.
    """
    result = bayes.fit(SCHOOLS, priors=priors(spread("half-Cauchy", 25), normal(0, 50)))
    row = result.summary.set_index("quantity")
    assert row.loc["spread", "mean"] == pytest.approx(5.884511, abs=1e-6)
    assert row.loc["spread", "sd"] == pytest.approx(4.869904, abs=1e-6)
    assert row.loc["spread", "median"] == pytest.approx(4.758539, abs=1e-6)
    assert result.tau.quantile(0.95) == pytest.approx(
        15.165894, abs=1e-5
    )  # its shortest interval starts at 0
    assert row.loc["pooled", "mean"] == pytest.approx(7.985729, abs=1e-3)
    assert row.loc["pooled", "sd"] == pytest.approx(4.995762, abs=1e-3)
    assert row.loc["pooled", "median"] == pytest.approx(7.962961, abs=1e-3)


def test_eight_schools_as_in_posteriordb():
    """Reference means of eight_schools_noncentered and Monte Carlo errors: Normal(0, 5), half-Cauchy(5)."""
    frame = SCHOOLS.assign(
        estimate=[28.0, 8, -3, 7, -1, 1, 18, 12], std_error=[15.0, 10, 16, 11, 9, 11, 10, 18]
    )
    row = bayes.fit(frame, priors=priors(spread("half-Cauchy", 5), normal(0, 5))).summary.set_index(
        "quantity"
    )
    reference = {
        "A": (6.15050229334425, 0.0557375282295219),
        "B": (4.9395811407422, 0.0462293788624847),
        "C": (3.90590609001582, 0.0542313705632124),
        "D": (4.79601675138494, 0.0474935816762281),
        "E": (3.6144363246799, 0.0461450610244603),
        "F": (4.0511475789675, 0.0485195392528031),
        "G": (6.31716975886893, 0.0498766794075794),
        "H": (4.88399694353288, 0.0542511606560972),
        "pooled": (4.41051833695493, 0.0330374705950917),
        "spread": (3.60205952364059, 0.0318615135640706),
    }
    for name, (mean, error) in reference.items():
        assert abs(row.loc[name, "mean"] - mean) < 4 * error, name


PRIORS = {
    "half-normal": priors(spread("half-normal", 0.5)),
    "half-Cauchy": priors(spread("half-Cauchy", 0.5)),
    "uniform": priors(spread("uniform", 1.5)),
    "cut normal": priors(spread("normal above 0", 0.05, 0.2)),
    "log-normal": priors(spread("log-normal of the square", 1.74, -2.56)),
    "sceptical": SYNTHESIS_PRIORS["sceptical"],
}


def brute_force(frame, chosen, size=2001):
    """Mean and SD of mu, tau, a new study and the first study from a plain two-dimensional grid."""
    y, v = frame["estimate"].to_numpy(), frame["std_error"].to_numpy() ** 2
    top = min(chosen.spread.upper, 12.0)
    u = (np.arange(size) + 0.5) / size
    tau = top * u**3  # finer near 0
    mu = np.linspace(y.min() - 6, y.max() + 6, 1201)
    log = chosen.spread.log_density(tau)[:, None] + np.log(3 * top * u**2)[:, None]
    if chosen.effect is not None:
        log = log + stats.norm.logpdf(mu, chosen.effect.mean, chosen.effect.sd)
    for yi, vi in zip(y, v, strict=True):
        total = (vi + tau**2)[:, None]
        log = log - 0.5 * np.log(total) - 0.5 * (yi - mu) ** 2 / total
    mass = np.exp(log - log.max())
    mass /= mass.sum()
    tau2 = tau[:, None] ** 2
    own = (y[0] * tau2 + mu * v[0]) / (v[0] + tau2)
    own_variance = v[0] * tau2 / (v[0] + tau2)

    def moments(mean, variance=0.0):
        first = (mass * mean).sum()
        return first, np.sqrt((mass * ((mean - first) ** 2 + variance)).sum())

    return {
        "pooled": moments(mu[None, :] + 0 * tau2),
        "spread": moments(tau[:, None] + 0 * mu),
        "new study": moments(mu[None, :] + 0 * tau2, tau2),
        frame["label"].iloc[0]: moments(own, own_variance),
    }


@pytest.mark.parametrize("name", list(PRIORS))
@pytest.mark.parametrize("size", [5, 13])
def test_against_a_brute_force_grid(name, size):
    frame = BCG.iloc[:size]
    row = bayes.fit(frame, priors=PRIORS[name]).summary.set_index("quantity")
    # The grid ends at tau = 12: a half-Cauchy with five studies keeps a little of its spread beyond.
    tolerance = 2e-3 if name == "half-Cauchy" and size == 5 else 2e-4
    for quantity, (mean, sd) in brute_force(frame, PRIORS[name]).items():
        assert row.loc[quantity, "mean"] == pytest.approx(mean, rel=tolerance, abs=tolerance), quantity
        assert row.loc[quantity, "sd"] == pytest.approx(sd, rel=tolerance), quantity


def test_hips_of_spiegelhalter_and_best_by_normal_likelihood():
    """BUGS prints HR mean 0.6054, median 0.5837, SD 0.1584, 0.3595 to 0.9727, with Monte Carlo error 0.0046.

    Quality weights 0.5, 1, 0.2, spread Normal(0.2, 0.05) above 0. BUGS uses binomial counts, this model
    normal log hazard ratios; the small study of 16 revisions makes the difference, which stays under 0.02.
    """
    frame = pd.read_csv(HERE / "data" / "stanmore.csv")
    effects = effect_sizes.fit(
        frame,
        measure="CLOGLOG",
        events_1="stanmore_revisions",
        n_1="stanmore_n",
        events_2="charnley_revisions",
        n_2="charnley_n",
    )
    table = effects.table.assign(quality=frame["quality"])
    chosen = priors(spread("normal above 0", 0.05, 0.2))
    result = bayes.fit(table, quality="quality", priors=chosen, estimand="log hazard ratio")
    shown = result.pooled.table(transform="exp").iloc[0]
    assert shown["estimate"] == pytest.approx(0.6054, abs=0.02)
    assert shown["std_error"] == pytest.approx(0.1584, abs=0.01)
    assert np.exp(result.summary["median"].iloc[0]) == pytest.approx(0.5837, abs=0.02)


def test_hips_of_spiegelhalter_and_best_by_their_own_likelihood():
    """The printed posterior from the binomial counts, on a grid: what the normal model comes near to."""
    frame = pd.read_csv(HERE / "data" / "stanmore.csv")
    delta = np.linspace(-6, 6, 601)
    base = np.linspace(-9, 2, 1101)
    likelihoods = []
    for row in frame.itertuples():
        log = 0.0
        for sign, events, n in (
            (-1, row.charnley_revisions, row.charnley_n),
            (1, row.stanmore_revisions, row.stanmore_n),
        ):
            hazard = np.exp(base[:, None] + sign * delta / 2)
            log = log + events * np.log(-np.expm1(-hazard)) - (n - events) * hazard
        likelihoods.append(np.exp(log - log.max()).sum(axis=0))
    mu = np.linspace(-3.5, 2.5, 601)
    tau = 0.2 + 0.05 * np.linspace(-3.9, 4.5, 41)
    posterior = np.zeros_like(mu)
    for value in tau:
        product = np.exp(-0.5 * ((value - 0.2) / 0.05) ** 2)
        for likelihood, quality in zip(likelihoods, frame["quality"], strict=True):
            kernel = stats.norm.pdf(delta, mu[:, None], value / np.sqrt(quality))
            product = product * (kernel @ likelihood)
        posterior += product
    posterior /= posterior.sum()
    ratio = np.exp(mu)
    mean = (ratio * posterior).sum()
    lower, median, upper = np.interp([0.025, 0.5, 0.975], np.cumsum(posterior), ratio)
    assert mean == pytest.approx(0.6054, abs=4 * 0.0046)
    assert np.sqrt(((ratio - mean) ** 2 * posterior).sum()) == pytest.approx(0.1584, abs=0.01)
    assert median == pytest.approx(0.5837, abs=0.015)
    assert (lower, upper) == pytest.approx((0.3595, 0.9727), abs=0.03)
