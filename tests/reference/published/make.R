# Rscript tests/reference/published/make.R   (from the root of the repository)
# The sets of published results that the reports pool, pooled by metafor straight from what the papers print.
suppressMessages({library(metafor); library(jsonlite)})
here <- "tests/reference/published"
said <- function(x) list(call = deparse1(x$call), k = x$k, estimate = as.numeric(x$b), se = x$se,
  lower = x$ci.lb, upper = x$ci.ub, tau2 = x$tau2, q = x$QE, i2 = x$I2)
# the default stops when tau2 moves by 1e-5, too early to compare eight digits
tight <- list(threshold = 1e-13, maxiter = 10000)
of <- function(y, se) {
  reml <- rma(yi = y, sei = se, method = "REML", control = tight)
  p <- predict(reml)
  list(FE = said(rma(yi = y, sei = se, method = "FE")), DL = said(rma(yi = y, sei = se, method = "DL")),
       REML = said(reml), HK = said(rma(yi = y, sei = se, method = "REML", test = "knha", control = tight)),
       prediction_z = c(p$pi.lb, p$pi.ub))
}
counts <- read.csv(file.path(here, "data/counts.csv"))
ratios <- read.csv(file.path(here, "data/ratios.csv"))
means <- read.csv(file.path(here, "data/means.csv"))
out <- list(versions = list(R = R.version.string, metafor = as.character(packageVersion("metafor"))))
for (s in unique(counts$set)) {
  d <- counts[counts$set == s, ]
  e <- escalc("OR", ai = less_events, n1i = less_n, ci = more_events, n2i = more_n, data = d)
  out[[s]] <- of(e$yi, sqrt(e$vi))
  out[[s]]$peto <- said(rma.peto(ai = less_events, n1i = less_n, ci = more_events, n2i = more_n, data = d))
}
for (s in unique(ratios$set)) {
  d <- ratios[ratios$set == s, ]
  y <- log(d$printed); se <- (log(d$upper) - log(d$lower)) / (2 * qnorm(1 - (1 - d$level) / 2))
  turn <- ifelse(d$exposed == "more", -1, 1)
  out[[s]] <- of(turn * y, se)
}
for (s in unique(means$set)) {
  d <- means[means$set == s, ]
  e <- escalc("MD", m1i = less_mean, sd1i = less_sd, n1i = less_n, m2i = more_mean, sd2i = more_sd, n2i = more_n, data = d)
  out[[s]] <- of(e$yi, sqrt(e$vi))
}
write(toJSON(out, digits = 12, auto_unbox = TRUE, pretty = TRUE), file.path(here, "expected.json"))
