# Hybrid (between and within) binomial model of units by year: lme4.
# Run from this folder: Rscript make.R
suppressMessages({library(lme4); library(jsonlite)})
set.seed(20260723)
J <- 60; years <- 3
d <- expand.grid(unit = sprintf("u%02d", 1:J), year = 2016:2018)
size <- exp(rnorm(J, 4, .9))
d$volume <- pmax(2, round(size[as.integer(d$unit)] * exp(rnorm(nrow(d), 0, .25))))
d$n <- pmax(1, rbinom(nrow(d), d$volume, .5))
d$log2v <- log2(d$volume)
d$m <- ave(d$log2v, d$unit)
d$within <- d$log2v - d$m
u <- rnorm(J, 0, .35)
eta <- -2 - .10 * (d$m - mean(d$m)) - .05 * d$within + u[as.integer(d$unit)] + rnorm(nrow(d), 0, .15)
d$y <- rbinom(nrow(d), d$n, plogis(eta))
write.csv(d[, c("unit", "year", "volume", "n", "y")], "units.csv", row.names = FALSE)
M <- mean(tapply(d$m, d$unit, mean))
d$x <- d$m - M
d$f <- factor(d$year)
d$row <- factor(seq_len(nrow(d)))
one <- glmer(cbind(y, n - y) ~ f + x + within + (1 | unit), data = d, family = binomial, nAGQ = 25,
             control = glmerControl(optimizer = "bobyqa", optCtrl = list(maxfun = 1e6, rhoend = 1e-9)))
two <- glmer(cbind(y, n - y) ~ f + x + within + (1 | unit) + (1 | row), data = d, family = binomial,
             control = glmerControl(optimizer = "bobyqa", optCtrl = list(maxfun = 1e6, rhoend = 1e-9)))
# The whole log likelihood, with binomial constants, at the estimates: integrate() over each unit's effect.
whole <- function(fit) {
  eta <- as.numeric(model.matrix(fit) %*% fixef(fit)); s <- as.data.frame(VarCorr(fit))$sdcor[1]
  sum(sapply(split(seq_len(nrow(d)), d$unit), function(i) log(integrate(function(u) sapply(u, function(a)
    exp(sum(dbinom(d$y[i], d$n[i], plogis(eta[i] + a), log = TRUE))) * dnorm(a, 0, s)),
    -8 * s, 8 * s, rel.tol = 1e-12, subdivisions = 2000)$value)))
}
show <- function(fit) {
  s <- as.data.frame(VarCorr(fit))
  list(coefficients = as.list(fixef(fit)), std_errors = as.list(sqrt(diag(as.matrix(vcov(fit))))),
       sd = setNames(as.list(s$sdcor), s$grp), log_likelihood = as.numeric(logLik(fit)))
}
out <- list(versions = list(R = R.version.string, lme4 = as.character(packageVersion("lme4"))),
            calls = c("glmer(cbind(y, n - y) ~ year + between + within + (1 | unit), nAGQ = 25)",
                      "glmer(... + (1 | unit) + (1 | unit:year), nAGQ = 1)", "integrate() over each unit's effect"),
            middle = M, one = show(one), two = show(two), whole_log_likelihood = whole(one),
            constant = sum(lchoose(d$n, d$y)))
names(out$one$std_errors) <- names(fixef(one)); names(out$two$std_errors) <- names(fixef(two))
writeLines(toJSON(out, auto_unbox = TRUE, digits = NA, pretty = TRUE), "expected.json")
