# Reference values for economics, by plain loops and matrices; nothing of ours is used.
# Rscript tests/reference/economics/make.R   (from the repository root; needs jsonlite and mgcv)
suppressPackageStartupMessages({library(jsonlite); library(mgcv)})
here <- "tests/reference/economics"
inputs <- "evidence/hip-model-inputs/data"
co <- read.csv(file.path(inputs, "coefficients.csv")); b <- setNames(co$coefficient, co$name)
lt <- read.csv(file.path(inputs, "life_table.csv")); lt <- lt[lt$sex == "female", ]

# The total hip model, one transition matrix a cycle
thr <- function(b, rr_cost, omr_p, omr_r, rrr, u, price, np1, age = 60, cycles = 59, rc = .06, ro = .015) {
  lambda <- exp(b[["cons"]] + b[["age"]] * age + b[["np1"]] * np1); gamma <- exp(b[["lngamma"]])
  m <- c(1, 0, 0, 0, 0); cost <- price; qaly <- 0; trace <- matrix(0, cycles, 5)
  for (t in 1:cycles) {
    p <- 1 - exp(lambda * ((t - 1)^gamma - t^gamma))
    d <- lt$deaths_per_1000[max(which(lt$from_age <= age + t))] / 1000
    M <- rbind(c(0, 1 - omr_p, 0, 0, omr_p), c(0, 1 - p - d, p, 0, d), c(0, 0, 0, 1 - omr_r - d, omr_r + d),
               c(0, 0, rrr, 1 - rrr - d, d), c(0, 0, 0, 0, 1))
    m <- as.vector(m %*% M); trace[t, ] <- m
    cost <- cost + rr_cost * m[3] / (1 + rc)^t
    qaly <- qaly + sum(m * c(0, u[1], u[2], u[3], 0)) / (1 + ro)^t
  }
  c(cost = cost, qaly = qaly, alive = 1 - m[5])
}
u <- c(.85, .30, .75)
base <- list(standard = thr(b, 5294, .02, .02, .04, u, 394, 0), np1 = thr(b, 5294, .02, .02, .04, u, 579, 1))

# 200 fixed draws: the same numbers go through both programs
set.seed(60); n <- 200
draws <- data.frame(lngamma = rnorm(n, b[["lngamma"]], .04), cons = rnorm(n, b[["cons"]], .2), np1 = rnorm(n, b[["np1"]], .38),
  cost_revision = rgamma(n, (5294 / 1487)^2, scale = 1487^2 / 5294), death_primary = rbeta(n, 2, 98), death_revision = rbeta(n, 2, 98),
  re_revision = rbeta(n, 4, 96), utility_primary = rnorm(n, .85, .03), utility_revision_year = rnorm(n, .3, .03), utility_revised = rnorm(n, .75, .04))
run <- t(sapply(1:n, function(i) with(draws[i, ], {
  bb <- b; bb[["lngamma"]] <- lngamma; bb[["cons"]] <- cons; bb[["np1"]] <- np1
  uu <- c(utility_primary, utility_revision_year, utility_revised)
  c(thr(bb, cost_revision, death_primary, death_revision, re_revision, uu, 394, 0)[1:2],
    thr(bb, cost_revision, death_primary, death_revision, re_revision, uu, 579, 1)[1:2])
})))
write.csv(format(draws, digits = 17), file.path(here, "draws.csv"), row.names = FALSE, quote = FALSE)

# decision quantities of those draws at several thresholds
lam <- c(0, 1000, 2000, 5000, 20000)
decide <- lapply(lam, function(k) {
  nb <- cbind(k * run[, 2] - run[, 1], k * run[, 4] - run[, 3])
  list(threshold = k, accept = mean(nb[, 2] > nb[, 1]), evpi = mean(apply(nb, 1, max)) - max(colMeans(nb)), inb = mean(nb[, 2] - nb[, 1]))
})

# EVPPI by generalised additive models, as BCEA and voi do, on a made-up net benefit with a known answer
set.seed(7); m <- 4000
x <- rnorm(m); y <- rnorm(m); z <- rnorm(m)
d <- 100 * (1 + 2 * x + x^2 - 1 + y + .5 * x * y) + 300 * z
toy <- data.frame(x = x, y = y, d = d)
evppi <- function(f) { g <- fitted(gam(f, data = toy)); mean(pmax(0, g)) - max(0, mean(d)) }
voi <- list(x = evppi(d ~ s(x, bs = "cr")), y = evppi(d ~ s(y, bs = "cr")), xy = evppi(d ~ te(x, y, k = 5, bs = "cr")))
write.csv(format(toy, digits = 12), file.path(here, "voi.csv"), row.names = FALSE, quote = FALSE)

q <- c(.025, .5, .975)
write_json(list(
  call = "thr() above: matrices by cycle; mgcv::gam for EVPPI", R = R.version.string, mgcv = as.character(packageVersion("mgcv")),
  base = lapply(base, as.list), draws = list(cost_standard = run[, 1], qaly_standard = run[, 2], cost_np1 = run[, 3], qaly_np1 = run[, 4]),
  decide = decide, voi = voi,
  quantiles = list(beta = qbeta(q, 4, 96), gamma = qgamma(q, (5294 / 1487)^2, scale = 1487^2 / 5294), lnorm = qlnorm(q, log(.8), .1), beta_mean = qbeta(q, .85 * (.85 * .15 / .03^2 - 1), .15 * (.85 * .15 / .03^2 - 1)))
), file.path(here, "expected.json"), digits = NA, auto_unbox = TRUE, pretty = TRUE)
