# Control limits and over-dispersion by their formulas, in R: Rscript make.R
# Writes expected.json beside this file. The units are made by a fixed rule, so that no data file is needed.
library(jsonlite)

units <- 1:40
size <- round(30 * 1.12^units)
events_proportion <- round(size * (0.05 + 0.03 * sin(units)))
expected_events <- size * 0.06
events_ratio <- round(expected_events * (1 + 0.5 * sin(2 * units)))

interpolated <- function(p, quantile, cumulative, mass) {
  r <- quantile(p)
  r - (cumulative(r) - p) / mass(r)
}
exact_binomial <- function(p, n, q) interpolated(p, function(p) qbinom(p, n, q), function(r) pbinom(r, n, q), function(r) dbinom(r, n, q)) / n
exact_poisson <- function(p, e, q) interpolated(p, function(p) qpois(p, e * q), function(r) ppois(r, e * q), function(r) dpois(r, e * q)) / e

dispersion <- function(y, target, s, outer) {
  z <- (y - target) / s
  ends <- quantile(z, c(0.1, 0.9))
  keep <- rep(TRUE, length(z))
  if (outer == "truncate") keep <- z >= ends[1] & z <= ends[2]
  used <- if (outer == "winsorise") pmin(pmax(z, ends[1]), ends[2]) else z[keep]
  n <- length(used)
  phi <- sum(used^2) / n
  w <- 1 / s[keep]^2
  tau2 <- max(0, (n * phi - (n - 1)) / (sum(w) - sum(w^2) / sum(w)))
  list(phi = phi, tau = sqrt(tau2), kept = n)
}

cases <- list()
q <- sum(events_proportion) / sum(size)
p <- c(0.025, 0.975, 0.001, 0.999)
cases$proportion_exact <- lapply(p, function(p) pmin(pmax(sapply(size, function(n) exact_binomial(p, n, q)), 0), 1))
cases$proportion_normal <- lapply(p, function(p) pmin(pmax(q + qnorm(p) * sqrt(q * (1 - q) / size), 0), 1))
score <- function(n, sign, z) (q * n + z^2 / 2 + sign * z * sqrt(q * (1 - q) * n + z^2 / 4)) / (n + z^2)
cases$proportion_wilson <- list(score(size, -1, qnorm(0.975)), score(size, 1, qnorm(0.975)), score(size, -1, qnorm(0.999)), score(size, 1, qnorm(0.999)))
# prop.test without continuity correction gives the same score interval where q * n is whole
cases$wilson_of_prop_test <- as.numeric(prop.test(12, 200, correct = FALSE)$conf.int)
cases$ratio_exact <- lapply(p, function(p) pmax(sapply(expected_events, function(e) exact_poisson(p, e, 1)), 0))
cases$arcsine_winsorised <- dispersion(asin(sqrt(events_proportion / size)), asin(sqrt(q)), 1 / (2 * sqrt(size)), "winsorise")
cases$sqrt_winsorised <- dispersion(sqrt(events_ratio / expected_events), 1, 1 / (2 * sqrt(expected_events)), "winsorise")
positive <- events_ratio > 0
cases$log_truncated <- dispersion(log(events_ratio[positive] / expected_events[positive]), 0, 1 / sqrt(expected_events[positive]), "truncate")
mid <- function(x, n, q) min(1, 2 * min(pbinom(x, n, q) - dbinom(x, n, q) / 2, 1 - pbinom(x, n, q) + dbinom(x, n, q) / 2))
cases$mid_p <- mapply(mid, events_proportion, size, q)
cases$bh <- p.adjust(cases$mid_p, "BH")
cases$by <- p.adjust(cases$mid_p, "BY")

write_json(
  list(
    r = R.version.string, call = "Rscript make.R",
    units = list(size = size, events_proportion = events_proportion, expected = expected_events, events_ratio = events_ratio),
    cases = cases
  ),
  "expected.json", digits = NA, auto_unbox = TRUE, pretty = TRUE
)
