# Reference values of units.poisson. Run from this folder: Rscript make.R
library(lme4); library(MASS); library(jsonlite)
all <- read.csv("../../../evidence/ny-hip-infections/data/hospital_years.csv")
some <- all[all$facility_id %in% c(1, 4, 5, 1446, 1447), ]
class <- ifelse(some$unit_class == "general", 1, 2)

# log likelihood of a unit's rows, its level integrated out by R's own adaptive quadrature
unit <- function(y, e, mu, sigma, shape) {
  inside <- function(u) sapply(u, function(one) {
    mean <- e * exp(one)
    like <- if (is.infinite(shape)) dpois(y, mean, log = TRUE) else dnbinom(y, size = shape, mu = mean, log = TRUE)
    exp(sum(like) + dnorm(one, mu, sigma, log = TRUE) - top)
  })
  h <- function(one) {
    mean <- e * exp(one)
    like <- if (is.infinite(shape)) dpois(y, mean, log = TRUE) else dnbinom(y, size = shape, mu = mean, log = TRUE)
    sum(like) + dnorm(one, mu, sigma, log = TRUE)
  }
  best <- optimize(h, c(mu - 8 * sigma - 3, mu + 8 * sigma + 3), maximum = TRUE, tol = 1e-10)
  top <- best$objective
  left <- integrate(inside, best$maximum - 12 * sigma, best$maximum, rel.tol = 1e-11, subdivisions = 2000)$value
  right <- integrate(inside, best$maximum, best$maximum + 12 * sigma, rel.tol = 1e-11, subdivisions = 2000)$value
  top + log(left + right)
}
seen <- function(e, least, mu, sigma)
  log(integrate(function(u) ppois(least - 1, e * exp(u), lower.tail = FALSE) * dnorm(u, mu, sigma),
                mu - 12 * sigma, mu + 12 * sigma, rel.tol = 1e-11, subdivisions = 2000)$value)

points <- list(c(0, -0.2, 0.3, 0.5, 0.25), c(0.4, -1, 0.8, 0.1, 0.6), c(-0.3, 0.2, 0.15, 1.2, 0.05))
by_unit <- split(seq_len(nrow(some)), some$facility_id)
value <- function(p, shape) sum(sapply(by_unit, function(i) {
  g <- class[i[1]]
  unit(some$infections[i], some$expected_infections[i], p[g], p[2 + g], shape)
}))
negative <- sapply(points, function(p) value(p, p[5]^-2))
plain <- sapply(points, function(p) value(p, Inf))

cut <- data.frame(y = c(11, 12, 30, 19, 11, 80), e = c(6.5, 14, 22, 25, 18, 60), g = c(1, 1, 1, 2, 2, 2))
truncated <- sapply(points, function(p) sum(mapply(function(y, e, g)
  unit(y, e, p[g], p[2 + g], Inf) - seen(e, 11, p[g], p[2 + g]), cut$y, cut$e, cut$g)))

summed <- aggregate(cbind(infections, expected_infections) ~ facility_id, all, sum)
mixed <- glmer(infections ~ 1 + offset(log(expected_infections)) + (1 | facility_id), summed, family = poisson,
               nAGQ = 25, control = glmerControl(optimizer = "bobyqa", optCtrl = list(rhoend = 1e-9)))
rows <- glm.nb(infections ~ 1 + offset(log(expected_infections)), all, control = glm.control(epsilon = 1e-12, maxit = 200))
write_json(list(
  made_with = list(R = R.version.string, lme4 = as.character(packageVersion("lme4")), MASS = as.character(packageVersion("MASS"))),
  points = points, negative_binomial = negative, poisson = plain, truncated = truncated, cut = cut,
  glmer = list(intercept = unname(fixef(mixed)), spread = unname(attr(VarCorr(mixed)$facility_id, "stddev"))),
  glm_nb = list(intercept = unname(coef(rows)), size = rows$theta, log_likelihood = as.numeric(logLik(rows)))
), "expected.json", digits = NA, auto_unbox = TRUE, pretty = TRUE)
