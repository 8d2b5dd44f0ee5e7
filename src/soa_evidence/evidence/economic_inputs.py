"""life-tables, hip-model-inputs and revision-reference-costs: what a lifetime model of a hip is fed with.

Mortality is official statistics; the hip model's numbers are those its authors printed, whose covariances
were compared between three public copies (one holds a slipped decimal point and is refused); unit costs are
the NHS's own. No number is ours.
"""

from __future__ import annotations

import re
from pathlib import Path

import numpy as np
import pandas as pd

from soa_evidence.errors import EvidenceError, nearest
from soa_evidence.evidence import economic_inputs_fields as fields
from soa_evidence.evidence.tables import read_list
from soa_evidence.evidence.write import Written, package

__all__ = ["build_costs", "build_hip_model", "build_life_tables"]

#: Our name of a figure, the row of the list, which of its numbers, which is its error, unit, what it is.
_FIGURES = (
    ("utility_primary", "T4-14", 0, 1, "utility", "year without revision after the first operation"),
    ("utility_revision_year", "T4-14", 2, 3, "utility", "year of a revision"),
    ("utility_revised", "T4-14", 4, 5, "utility", "year after a successful revision"),
    ("cost_revision", "T4-15", 0, 1, "GBP", "revision, as in the model; the page gives no price year"),
    ("cost_standard", "T4-16", 0, None, "GBP", "standard prosthesis; the page gives no price year"),
    ("cost_np1", "T4-16", 1, None, "GBP", "new prosthesis (NP1); the page gives no price year"),
    (
        "death_operation",
        "T4-17",
        0,
        None,
        "probability",
        "operative mortality, beta with 2 of 100; illustrative",
    ),
    ("re_revision", "T4-17", 1, None, "probability", "revised again within a year, beta with 4 of 100"),
    ("utility_cemented", "T4-27", 0, None, "utility", "EQ-5D after the operation, women aged 70, cemented"),
    (
        "utility_cementless",
        "T4-27",
        1,
        None,
        "utility",
        "EQ-5D after the operation, women aged 70, cementless",
    ),
    ("utility_hybrid", "T4-27", 2, None, "utility", "EQ-5D after the operation, women aged 70, hybrid"),
    ("cost_infected_revision", "T4-19", 0, None, "GBP", "hospital cost of a knee revision for infection"),
    ("cost_aseptic_revision", "T4-19", 1, None, "GBP", "hospital cost of a knee revision not for infection"),
)
_COEFFICIENTS = {"ln.gamma": "lngamma", "cons": "cons", "age": "age", "male": "male", "NP1": "np1"}
_NORM = re.compile(r"([\d.]+) \(([\d.]+); ([\d.]+)\)")
_BAND = re.compile(r"(\d+)(?:-(\d+)|\+)")


def build_life_tables(mortality: str | Path, out_folder: str | Path) -> Written:
    """Build life-tables from the long copy of the Office for National Statistics' tables for England.

    Raises
    ------
    EvidenceError
        On a missing file, column or period, or a probability that contradicts the survivors beside it.
    """
    path = Path(mortality)
    frame = _read(path, ("period", "sex", "age", "qx", "lx", "ex"))
    frame = frame[frame["period"].isin(fields.PERIODS)]
    missing = set(fields.PERIODS) - set(frame["period"])
    if missing:
        raise EvidenceError(f"{path.name} has no table for {', '.join(sorted(missing))}.")
    made = pd.DataFrame(
        {
            "period": frame["period"],
            "sex": frame["sex"],
            "age": frame["age"].astype("int64"),
            "probability_of_death": frame["qx"].astype(float),
            "survivors": frame["lx"].astype(float),
            "life_expectancy": frame["ex"].astype(float),
        }
    ).sort_values(["period", "sex", "age"], ignore_index=True)
    for (period, sex), rows in made.groupby(["period", "sex"]):
        kept = rows["survivors"].to_numpy()
        gap = np.abs(kept[:-1] * (1 - rows["probability_of_death"].to_numpy()[:-1]) - kept[1:])
        if len(rows) != 101 or gap.max() > 0.2:  # survivors of 100,000 are printed to 0.1
            raise EvidenceError(
                f"{path.name}: the table of {sex}s {period} contradicts itself or is not of ages 0 to 100; "
                f"survivors differ by up to {gap.max():.2g} of 100,000."
            )
    return package(Path(out_folder), fields.life_tables(path), {"mortality": made})


def build_hip_model(
    model: str | Path, figures: str | Path, norms: str | Path, out_folder: str | Path
) -> Written:
    """Build hip-model-inputs.

    Parameters
    ----------
    model
        Folder with the textbook model's files (coefficients, covariance, life table).
    figures
        The list of published figures.
    norms
        Mean EQ-5D by age and sex with limits.

    Raises
    ------
    EvidenceError
        On a missing file or figure, a figure that is no number, a covariance with a negative eigenvalue or
        one whose diagonal is not the square of the printed standard errors.
    """
    folder = Path(model)
    coefficients = _coefficients(_read(folder / "weibull_coefficients.csv", ("coef", "SE"), index=True))
    matrix = _read(folder / "weibull_covariance_NP1_hesim_verified_PSD.csv", ("cons", "np1"), index=True)
    frames = {
        "coefficients": coefficients,
        "covariance": _covariance(matrix.astype(float), coefficients),
        "life_table": _bands(_read(folder / "life_table_per_1000.csv", ("Male", "Female"), index=True)),
        "figures": _figures(_read(Path(figures), ("id", "estimate", "citation", "doi_or_url", "verified"))),
        "utility_norms": _norms(_read(Path(norms), ("sex", "age5_str", "m_ci", "n"))),
    }
    files = [*sorted(folder.glob("*.csv")), Path(figures), Path(norms)]
    return package(Path(out_folder), fields.hip_model(files, list(_COEFFICIENTS.values())), frames)


def build_costs(costs: str | Path, out_folder: str | Path) -> Written:
    """Build revision-reference-costs: national average unit costs of complex hip or knee operations."""
    path = Path(costs)
    frame = _read(path, ("sushrg", "description", "cost", "type", "Year"))
    frame = frame[frame["sushrg"].str.fullmatch("HN8[01][A-E]") & (frame["type"] == "Elective")]
    if frame.empty or set(frame["Year"]) != {"2016"}:
        raise EvidenceError(f"{path.name}: expected elective HN80 and HN81 of one year, 2016-17.")
    made = pd.DataFrame(
        {
            "hrg": frame["sushrg"],
            "description": frame["description"].str.replace(" , ", ", ", regex=False),
            "level": frame["sushrg"].str[:4].map({"HN80": "very complex", "HN81": "complex"}),
            "cost_gbp": frame["cost"].astype(float).round(2),
            "price_year": "2016/17",
        }
    ).sort_values("hrg", ignore_index=True)
    return package(Path(out_folder), fields.costs(path), {"costs": made})


def _read(path: Path, columns: tuple[str, ...], *, index: bool = False) -> pd.DataFrame:
    """Return a CSV as text; with `index` its first column, whatever it is called, names the rows."""
    frame, _ = read_list(path, path.name, columns)
    return frame.set_index(frame.columns[0]) if index else frame


def _coefficients(frame: pd.DataFrame) -> pd.DataFrame:
    missing = [name for name in _COEFFICIENTS if name not in frame.index]
    if missing:
        raise EvidenceError(f"weibull_coefficients.csv has no row '{missing[0]}'.")
    rows = frame.loc[list(_COEFFICIENTS)].astype(float)
    return pd.DataFrame(
        {
            "name": list(_COEFFICIENTS.values()),
            "coefficient": rows["coef"].to_numpy(),
            "std_error": rows["SE"].to_numpy(),
        }
    )


def _covariance(matrix: pd.DataFrame, coefficients: pd.DataFrame) -> pd.DataFrame:
    names = list(coefficients["name"])
    values = matrix.loc[names, names].to_numpy()
    errors = np.sqrt(np.diag(values))
    if np.abs(errors / coefficients["std_error"].to_numpy() - 1).max() > 1e-3:
        raise EvidenceError("The covariance's diagonal is not the square of the printed standard errors.")
    if np.abs(values - values.T).max() > 0 or np.linalg.eigvalsh(values).min() < 0:
        raise EvidenceError(
            "The covariance is not symmetric or has a negative eigenvalue; a decimal point may have slipped."
        )
    return pd.DataFrame(
        [(a, b, values[i, j]) for i, a in enumerate(names) for j, b in enumerate(names)],
        columns=["name", "other", "covariance"],
    )


def _bands(frame: pd.DataFrame) -> pd.DataFrame:
    rows = [
        (sex.lower(), int(str(band).split("-")[0].rstrip("+")), float(frame.loc[band, sex]))
        for sex in ("Female", "Male")
        for band in frame.index
    ]
    return pd.DataFrame(rows, columns=["sex", "from_age", "deaths_per_1000"])


def _figures(frame: pd.DataFrame) -> pd.DataFrame:
    frame = frame.set_index("id")
    rows = []
    for name, fact, which, error, unit, what in _FIGURES:
        if fact not in frame.index:
            raise EvidenceError(f"The list of figures holds no '{fact}'.{nearest(fact, frame.index)}")
        found = frame.loc[fact]
        values = [float(part) for part in re.findall(r"\d+(?:\.\d+)?", str(found["estimate"]))]
        if len(values) <= max(which, error or 0) or found["verified"] != "yes":
            raise EvidenceError(
                f"Figure '{fact}' is '{found['estimate']}'; expected verified numbers for {name}."
            )
        spread = None if error is None else values[error]
        rows.append((name, fact, values[which], spread, unit, what, found["citation"], found["doi_or_url"]))
    names = ["figure", "fact_id", "value", "std_error", "unit", "what", "citation", "link"]
    return pd.DataFrame(rows, columns=names)


def _norms(frame: pd.DataFrame) -> pd.DataFrame:
    rows = []
    for row in frame.to_dict("records"):
        mean, band = _NORM.fullmatch(str(row["m_ci"])), _BAND.fullmatch(str(row["age5_str"]))
        if mean is None or band is None:
            raise EvidenceError(f"Norm '{row['m_ci']}' at '{row['age5_str']}' is not 'mean (lower; upper)'.")
        last = int(band[2]) if band[2] else 100
        rows.append((row["sex"], int(band[1]), last, *(float(part) for part in mean.groups()), int(row["n"])))
    return pd.DataFrame(rows, columns=["sex", "from_age", "to_age", "utility", "lower", "upper", "people"])
