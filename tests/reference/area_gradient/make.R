# Weighted line over areas with HC3 errors, jackknifed correlation: R's own functions. Rscript make.R, in this folder.
library(sandwich); library(jsonlite)
a <- read.csv("areas.csv")
one <- function(y, n) {
  m <- lm(y ~ x, data = data.frame(y = y, x = a$exposure), weights = n)
  r <- function(k) cov.wt(cbind(a$exposure, y)[k, ], wt = (n / sum(n))[k] / sum((n / sum(n))[k]), cor = TRUE)$cor[1, 2]
  all <- seq_along(y); z <- sapply(all, function(k) atanh(r(all[-k])))
  list(slope = unname(coef(m)[2]), se = sqrt(vcovHC(m, type = "HC3")[2, 2]),
       r = r(all), se_z = sqrt((length(all) - 1) / length(all) * sum((z - mean(z))^2)), model = m)
}
f <- one(a$first, a$n_first); g <- one(a$second, a$n_second)
# Joint covariance: the two estimating functions side by side.
part <- function(m, n) { h <- hatvalues(m); x <- a$exposure - weighted.mean(a$exposure, n)
  n * x * residuals(m) / (1 - h) / sum(n * x^2) }
both <- sum(part(f$model, a$n_first) * part(g$model, a$n_second))
gap <- 0.3; v_gap <- 0.05^2; ratio <- g$slope / f$slope
v_ratio <- (g$se^2 - 2 * ratio * both + ratio^2 * f$se^2) / f$slope^2
out <- list(R = R.version.string, sandwich = as.character(packageVersion("sandwich")),
  call = "lm(weights), vcovHC(type = 'HC3'), cov.wt(cor = TRUE) without each area in turn",
  first = f[1:4], second = g[1:4], covariance = both,
  implied = c(gap / f$slope, sqrt(v_gap + gap^2 * f$se^2 / f$slope^2) / abs(f$slope)),
  consequence = c(gap * ratio, sqrt(v_gap * ratio^2 + gap^2 * v_ratio)))
write_json(out, "expected.json", digits = 16, auto_unbox = TRUE, pretty = TRUE)
