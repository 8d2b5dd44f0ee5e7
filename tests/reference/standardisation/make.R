# Direct and indirect standardisation by formula and by epitools, in R: Rscript make.R
# Writes expected.json beside this file.
# Births and cases of Down's syndrome by maternal age (rows) and birth order: Stark & Mantel (1966), as in Fleiss
# (1981) table 14.4 and Fay & Feuer (1997). Deaths and population of the United States in 1940 and 1960: Selvin (2004).
library(jsonlite)
library(epitools)

age <- c("under 20", "20-24", "25-29", "30-34", "35-39", "40 and over")
births <- cbind(
  c(230061, 329449, 114920, 39487, 14208, 3052), c(72202, 326701, 208667, 83228, 28466, 5375),
  c(15050, 175702, 207081, 117300, 45026, 8660), c(2293, 68800, 132424, 98301, 46075, 9834),
  c(327, 30666, 123419, 149919, 104088, 34392)
)
cases <- cbind(
  c(107, 141, 60, 40, 39, 25), c(25, 150, 110, 84, 82, 39), c(3, 71, 114, 103, 108, 75), c(1, 26, 64, 89, 137, 96),
  c(0, 8, 63, 112, 262, 295)
)
order <- c("1", "2", "3", "4", "5+")
standard <- rowSums(births)

deaths60 <- c(141, 926, 1253, 1080, 1869, 4891, 14956, 30888, 41725, 26501, 5928)
people60 <- c(1784033, 7065148, 15658730, 10482916, 9939972, 10563872, 9114202, 6850263, 4702482, 1874619, 330915)
deaths40 <- c(45, 201, 320, 670, 1126, 3160, 9723, 17935, 22179, 13461, 2238)
people40 <- c(906897, 3794573, 10003544, 10629526, 9465330, 8249558, 7294330, 5022499, 2920220, 1019504, 142532)

garwood <- function(x, level) as.numeric(poisson.test(x, conf.level = level)$conf.int)
byar <- function(x, level) {
  z <- qnorm((1 + level) / 2)
  c(if (x > 0) x * (1 - 1 / (9 * x) - z / (3 * sqrt(x)))^3 else 0,
    (x + 1) * (1 - 1 / (9 * (x + 1)) + z / (3 * sqrt(x + 1)))^3)
}
gamma_of <- function(p, m, v) qgamma(p, shape = m^2 / v, scale = v / m)
direct <- function(x, n, standard, level) {
  share <- standard / sum(standard)
  w <- share / n
  t <- sum(w * x)
  v <- sum(w^2 * x)
  a <- (1 - level) / 2
  lower <- gamma_of(a, t, v)
  through <- function(limits) t + sqrt(v / sum(x)) * (limits - sum(x))
  normal <- function(v) t + c(-1, 1) * qnorm(1 - a) * sqrt(v)
  list(
    rate = t, std_error = sqrt(v),
    fay_feuer = c(lower, gamma_of(1 - a, t + max(w), v + max(w)^2)),
    tiwari = c(lower, gamma_of(1 - a, t + mean(w), v + mean(w^2))),
    dobson = through(garwood(sum(x), level)), byar = through(byar(sum(x), level)), normal = normal(v),
    proportion = list(std_error = sqrt(sum(share^2 * (x / n) * (1 - x / n) / n)),
                      normal = normal(sum(share^2 * (x / n) * (1 - x / n) / n)))
  )
}

named <- function(f) setNames(lapply(seq_along(order), f), order)
counts <- c(0, 1, 2, 3, 5, 10, 47, 1000, 60000)
write_json(
  list(
    r = R.version.string, epitools = as.character(packageVersion("epitools")), call = "Rscript make.R",
    downs = list(age = age, order = order, births = t(births), cases = t(cases)),
    selvin = list(deaths60 = deaths60, people60 = people60, deaths40 = deaths40, people40 = people40),
    direct_95 = named(function(j) direct(cases[, j], births[, j], standard, 0.95)),
    direct_998 = named(function(j) direct(cases[, j], births[, j], standard, 0.998)),
    epitools_direct = named(function(j) as.list(ageadjust.direct(cases[, j], births[, j], stdpop = standard))),
    selvin_direct = as.list(ageadjust.direct(deaths40, people40, stdpop = people60)),
    selvin_indirect = lapply(ageadjust.indirect(deaths40, people40, deaths60, people60), as.list),
    counts = counts,
    garwood = t(sapply(counts, garwood, 0.95)), byar = t(sapply(counts, byar, 0.95)),
    garwood_998 = t(sapply(counts, garwood, 0.998)), byar_998 = t(sapply(counts, byar, 0.998))
  ),
  "expected.json", digits = NA, auto_unbox = TRUE, pretty = TRUE
)
