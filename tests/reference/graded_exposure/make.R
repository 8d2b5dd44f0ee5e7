# Trends over ranks, worked out from the figures that abstracts print. Writes expected.json beside this script.
# Run from the repository root: Rscript tests/reference/graded_exposure/make.R
suppressPackageStartupMessages(library(metafor))
# the most concentrated level is step 0; ratios stand against the level at step `ref`, as printed
studies <- list(
  "hagen-2010" = list(ref = 0, step = 1:4, or = c(1.10, 1.24, 1.32, 1.59),
                      low = c(1.07, 1.21, 1.28, 1.53), high = c(1.13, 1.28, 1.36, 1.65)),
  "jeschke-2017" = list(ref = 0, step = 1:4, or = c(1.1, 1.2, 1.5, 1.6),
                        low = c(0.9, 1.0, 1.3, 1.4), high = c(1.2, 1.3, 1.7, 2.0)),
  # more against fewest, so that the reference is the last step
  "nara-2017" = list(ref = 3, step = 0:2, or = c(0.82, 0.78, 0.87),
                     low = c(0.70, 0.68, 0.76), high = c(0.94, 0.91, 0.99)))
trend <- function(s, r) {
  y <- log(s$or); se <- (log(s$high) - log(s$low)) / (2 * qnorm(0.975)); x <- s$step - s$ref
  V <- r * outer(se, se); diag(V) <- se^2
  W <- solve(V); v <- 1 / drop(t(x) %*% W %*% x); b <- v * drop(t(x) %*% W %*% y)
  e <- y - x * b; q <- drop(t(e) %*% W %*% e)
  m <- rma.mv(y, V, mods = ~ x - 1, method = "FE")
  stopifnot(abs(m$b[1] - b) < 1e-10, abs(m$se - sqrt(v)) < 1e-10, abs(m$QE - q) < 1e-7)
  sprintf('"%g": {"b": %.17g, "se": %.17g, "q": %.17g, "p_even": %.17g}', r, b, sqrt(v), q, pchisq(q, length(y) - 1, lower.tail = FALSE))
}
rows <- sapply(names(studies), function(n) sprintf('  "%s": {\n    %s\n  }', n,
  paste(sapply(c(0, 0.3, 0.5, 0.7), function(r) trend(studies[[n]], r)), collapse = ",\n    ")))
cat("{\n", sprintf('  "made_by": "R %s, metafor %s",\n', getRversion(), packageVersion("metafor")),
    paste(rows, collapse = ",\n"), "\n}\n", sep = "", file = "tests/reference/graded_exposure/expected.json")
