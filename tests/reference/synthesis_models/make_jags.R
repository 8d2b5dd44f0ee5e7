# Posterior of counts by JAGS, for bayes_counts. Writes expected_jags.json beside this script.
# Run from the repository root: Rscript tests/reference/synthesis_models/make_jags.R
suppressPackageStartupMessages(library(rjags))
here <- "tests/reference/synthesis_models"
model <- function(link, power) sprintf("model { for (i in 1:k) {
  x1[i] ~ dbin(p1[i], n1[i]); x2[i] ~ dbin(p2[i], n2[i]); %s(p2[i]) <- b[i]; %s(p1[i]) <- b[i] + theta[i]
  b[i] ~ dnorm(0, 1.0E-4); theta[i] ~ dnorm(mu, q[i] / (tau * tau)) }
  mu ~ dnorm(0, 1.0E-4); tau ~ dnorm(0, 4)T(0,) }", link, link)
run <- function(d, link, q = rep(1, nrow(d))) {
  data <- list(k = nrow(d), x1 = d$events_1, n1 = d$n_1, x2 = d$events_2, n2 = d$n_2, q = q)
  m <- jags.model(textConnection(model(link)), data, n.chains = 4, quiet = TRUE,
    inits = lapply(1:4, function(s) list(.RNG.name = "base::Wichmann-Hill", .RNG.seed = s)))
  update(m, 4000, progress.bar = "none")
  s <- summary(coda.samples(m, c("mu", "tau"), 40000, thin = 4, progress.bar = "none"))$statistics
  sprintf('{"mean": %.8f, "mean_error": %.8f, "sd": %.8f, "tau": %.8f, "tau_error": %.8f, "tau_sd": %.8f}',
    s["mu", 1], s["mu", 4], s["mu", 2], s["tau", 1], s["tau", 4], s["tau", 2])
}
known <- function(n) read.csv(file.path("tests/reference/synthesis/data", paste0(n, ".csv")))
col <- known("collins"); col <- col[col$events_1 + col$events_2 > 0, ]
bcg <- known("bcg")
cells <- c(bcg.logit = run(bcg, "logit"), bcg.cloglog = run(bcg, "cloglog"), collins.logit = run(col, "logit"),
  bcg_quality.logit = run(bcg, "logit", ifelse(bcg$alloc == "random", 1, 0.4)))
writeLines(c("{", paste0('"source": {"call": "Rscript tests/reference/synthesis_models/make_jags.R", "rjags": "', packageVersion("rjags"), '"},'),
  paste0('"', names(cells), '": ', cells, collapse = ",\n"), "}"), file.path(here, "expected_jags.json"))
