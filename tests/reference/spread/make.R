# Restricted likelihood of units' means over years, and REML spread of one year: metafor.
# Run from this folder: Rscript make.R
suppressMessages({library(metafor); library(jsonlite)})
set.seed(20260722)
units <- 40; years <- 5
d <- expand.grid(unit = sprintf("u%02d", 1:units), year = 2011:(2010 + years))
d$n <- round(exp(rnorm(units, 5, .6)))[as.integer(d$unit)] + rpois(nrow(d), 5)
z <- matrix(0, units, years)
z[, 1] <- rnorm(units)
for (t in 2:years) z[, t] <- .6 * z[, t - 1] + sqrt(1 - .6^2) * rnorm(units)
tau <- seq(1.4, .8, length.out = years)
d$sd <- 8 - .1 * (d$year - 2011)
at <- cbind(as.integer(d$unit), d$year - 2010)
d$mean <- round(20 + .3 * (d$year - 2011) + tau[at[, 2]] * z[at] + rnorm(nrow(d), 0, d$sd / sqrt(d$n)), 3)
d <- d[-c(3, 47, 90, 133, 171), ]   # not every unit is published every year
write.csv(d, "means.csv", row.names = FALSE)
d$v <- d$sd^2 / d$n
one <- lapply(sort(unique(d$year)), function(y) {
  f <- rma.uni(mean, v, data = d[d$year == y, ], method = "REML",
               control = list(stepadj = .5, threshold = 1e-12, maxiter = 10000))
  list(year = y, tau2 = f$tau2, mean = as.numeric(f$beta))
})
d$f <- factor(d$year)
har <- rma.mv(mean, v, mods = ~ 0 + f, random = ~ year | unit, struct = "HAR", data = d, method = "REML",
              control = list(optimizer = "optim", optmethod = "BFGS", reltol = 1e-15, maxit = 5000))
out <- list(
  versions = list(R = R.version.string, metafor = as.character(packageVersion("metafor"))),
  calls = c("rma.uni(mean, v, method = 'REML') by year",
            "rma.mv(mean, v, mods = ~ 0 + year, random = ~ year | unit, struct = 'HAR', method = 'REML')"),
  by_year = one,
  har = list(tau2 = as.numeric(har$tau2), rho = har$rho, log_likelihood = as.numeric(logLik(har)),
             means = as.numeric(har$beta)))
writeLines(toJSON(out, auto_unbox = TRUE, digits = NA, pretty = TRUE), "expected.json")
