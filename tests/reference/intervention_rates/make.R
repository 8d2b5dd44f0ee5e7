# Indirect standardisation, negative binomial by maximum likelihood, and the gamma-Poisson posterior by quadrature over
# level and spread: Rscript make.R. Writes expected.json beside this file.
# Data: lip cancer in 56 districts of Scotland, 1975 to 1980, observed and expected (Clayton & Kaldor 1987, table 1).
library(MASS)
library(jsonlite)

observed <- c(9, 39, 11, 9, 15, 8, 26, 7, 6, 20, 13, 5, 3, 8, 17, 9, 2, 7, 9, 7, 16, 31, 11, 7, 19, 15, 7, 10, 16, 11, 5, 3,
              7, 8, 11, 9, 11, 8, 6, 4, 10, 8, 2, 6, 19, 3, 2, 3, 28, 6, 1, 1, 1, 1, 0, 0)
expected <- c(1.4, 8.7, 3, 2.5, 4.3, 2.4, 8.1, 2.3, 2, 6.6, 4.4, 1.8, 1.1, 3.3, 7.8, 4.6, 1.1, 4.2, 5.5, 4.4, 10.5, 22.7, 8.8,
              5.6, 15.5, 12.5, 6, 9, 14.4, 10.2, 4.8, 2.9, 7, 8.5, 12.3, 10.1, 12.7, 9.4, 7.2, 5.3, 18.8, 15.8, 4.3, 14.6,
              50.7, 8.2, 5.6, 9.3, 88.7, 19.6, 3.4, 3.6, 5.7, 7, 4.2, 1.8)
aff <- c(16, 16, 10, 24, 10, 24, 10, 7, 7, 16, 7, 16, 10, 24, 7, 16, 10, 7, 7, 10, 7, 16, 10, 7, 1, 1, 7, 7, 10, 10, 7, 24, 10,
         7, 7, 0, 10, 1, 16, 0, 1, 16, 16, 0, 1, 7, 1, 1, 0, 1, 1, 0, 1, 1, 16, 10)

nb <- glm.nb(observed ~ 1 + offset(log(expected)), control = glm.control(epsilon = 1e-14, maxit = 200))
nbx <- glm.nb(observed ~ scale(aff) + offset(log(expected)), control = glm.control(epsilon = 1e-14, maxit = 200))

# posterior: level m ~ N(0, 1), spread s ~ half-normal(0.5); gamma of shape 1/s^2 and mean exp(m)
ms <- seq(-1.5, 1.5, length.out = 1201)
ss <- seq(0.05, 2.5, length.out = 1226)
logpost <- outer(ms, ss, Vectorize(function(m, s) {
  sum(dnbinom(observed, size = 1 / s^2, mu = expected * exp(m), log = TRUE)) - m^2 / 2 - (s / 0.5)^2 / 2
}))
w <- exp(logpost - max(logpost)); w <- w / sum(w)
spread <- sum(colSums(w) * ss)
spread_sd <- sqrt(sum(colSums(w) * ss^2) - spread^2)
ratio <- sapply(seq_along(observed), function(i) {
  e <- outer(ms, ss, function(m, s) (1 / s^2 + observed[i]) / (1 / s^2 / exp(m) + expected[i]))
  sum(w * e)
})

# indirect standardisation, by its formula
people <- matrix(c(1000, 500, 200, 2000, 800, 100, 500, 900, 700), 3, byrow = TRUE)
ages <- c(3, 10, 30); totals <- c(15, 12, 21)
rate <- ages / colSums(people) * sum(totals) / sum(ages)
out <- list(
  made_with = list(R = R.version.string, MASS = as.character(packageVersion("MASS"))),
  observed = observed, expected = expected, aff = aff,
  maximum = list(level = unname(coef(nb)), theta = nb$theta, log_likelihood = as.numeric(logLik(nb))),
  with_covariate = list(level = unname(coef(nbx)[1]), slope = unname(coef(nbx)[2]), theta = nbx$theta,
                        se = unname(sqrt(diag(vcov(nbx))))),
  posterior = list(spread = spread, spread_sd = spread_sd, ratio = ratio),
  standardised = list(people = people, ages = ages, totals = totals, expected = drop(people %*% rate))
)
write_json(out, "expected.json", auto_unbox = TRUE, digits = 17, pretty = TRUE)
