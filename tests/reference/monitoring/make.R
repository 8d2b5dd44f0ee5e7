# Run lengths of a risk-adjusted CUSUM and of an XmR chart, in R: Rscript make.R
# Writes expected.json beside this file. Everything is made by fixed rules, so that no data file is needed.
library(jsonlite)
library(spc)

weight <- function(y, p, A) y * log(A) - log(1 - p + A * p)

# A path, procedure by procedure.
n <- 300
risk <- plogis(-2 + 1.3 * sin(1:n))
event <- as.numeric((1:n * 7919) %% 1000 < 1000 * pmin(1, 1.8 * risk))
path <- function(A) {
  x <- 0
  sapply(1:n, function(i) x <<- max(0, x + weight(event[i], risk[i], A)))
}

# Exact chain where weights lie on a lattice: A = 2 and p such that an event weighs k times what no event does.
lattice <- function(k, steps, truth) {
  A <- 2
  p <- (A^(1 / (k + 1)) - 1) / (A - 1)
  q <- truth * p / (1 - p + truth * p)
  Q <- matrix(0, steps, steps)
  for (i in 0:(steps - 1)) {
    j <- max(0, i - 1)
    Q[i + 1, j + 1] <- Q[i + 1, j + 1] + 1 - q
    if (i + k < steps) Q[i + 1, i + k + 1] <- Q[i + 1, i + k + 1] + q
  }
  list(k = k, steps = steps, truth = truth, risk = p, threshold = steps * log(A) / (k + 1),
       run_length = solve(diag(steps) - Q, rep(1, steps))[1])
}

# Brook and Evans as they wrote it, over intervals, for a mix of risks off any lattice.
brook_evans <- function(mix, share, A, h, truth, t) {
  w <- h / t
  mid <- c(0, (seq_len(t) - 0.5) * w)
  q <- truth * mix / (1 - mix + truth * mix)
  P <- matrix(0, t + 1, t + 1)
  for (i in seq_len(t + 1)) for (m in seq_along(mix)) {
    for (y in 0:1) {
      x <- mid[i] + weight(y, mix[m], A)
      mass <- share[m] * if (y == 1) q[m] else 1 - q[m]
      if (x <= 0) P[i, 1] <- P[i, 1] + mass
      else if (x < h) { j <- floor(x / w) + 2; P[i, j] <- P[i, j] + mass }
    }
  }
  solve(diag(t + 1) - P, rep(1, t + 1))[1]
}
mix <- c(0.01, 0.03, 0.08, 0.2)
share <- c(0.4, 0.3, 0.2, 0.1)
chain <- lapply(list(c(2, 1), c(2, 2), c(0.5, 1), c(0.5, 0.5)), function(s) {
  list(alternative = s[1], truth = s[2], threshold = 2.5,
       interval_chain = brook_evans(mix, share, s[1], 2.5, s[2], 1500))
})

# Simulation by R's own random numbers.
set.seed(20)
simulated <- lapply(list(c(2, 1), c(2, 2), c(0.5, 1)), function(s) {
  q <- s[2] * mix / (1 - mix + s[2] * mix)
  runs <- replicate(3000, {
    x <- 0; count <- 0
    repeat {
      m <- sample.int(4, 200, TRUE, share)
      w <- weight(runif(200) < q[m], mix[m], s[1])
      for (v in w) { x <- max(0, x + v); count <- count + 1; if (x >= 2.5) break }
      if (x >= 2.5) break
    }
    count
  })
  list(alternative = s[1], truth = s[2], threshold = 2.5, mean = mean(runs), error = sd(runs) / sqrt(3000))
})

# XmR charts: run length of values and moving ranges together, limits known (package spc).
d2 <- 2 / sqrt(pi)
xmr <- list(limit = 2.66 * d2, range_limit = 3.268 * d2,
            in_control = imr.arl(2.66 * d2, 3.268 * d2, 0, 1),
            shifted = imr.arl(2.66 * d2, 3.268 * d2, 1, 1))
values <- round(50 + 10 * sin((1:40)^2) + ifelse(1:40 > 30, 25, 0), 6)
chart <- function(x, base) {
  mr <- mean(abs(diff(x[1:base]))); m <- mean(x[1:base])
  side <- rle(sign(x - m)); run <- unlist(lapply(side$lengths, seq_len))
  step <- rle(sign(c(NA, diff(x)))); trend <- unlist(lapply(step$lengths, seq_len))
  far <- ifelse(x - m > 2 / 3 * 2.66 * mr, 1, ifelse(x - m < -2 / 3 * 2.66 * mr, -1, 0))
  two <- sapply(seq_along(x), function(i) far[i] != 0 && any(far[setdiff(max(1, i - 2):i, i)] == far[i]))
  list(mean = m, mean_range = mr, beyond = which(abs(x - m) > 2.66 * mr),
       range = which(c(FALSE, abs(diff(x)) > 3.268 * mr)), run = which(run >= 8 & sign(x - m) != 0),
       trend = which(trend >= 5 & c(FALSE, diff(x) != 0)), two = which(two))
}

write_json(
  list(
    r = R.version.string, spc = as.character(packageVersion("spc")), call = "Rscript make.R",
    risk = risk, event = event, path_worse = path(2), path_better = path(0.5),
    lattice = list(lattice(1, 2, 1), lattice(3, 12, 1), lattice(3, 12, 2), lattice(9, 40, 1), lattice(29, 100, 1)),
    mix = mix, share = share, chain = chain, simulated = simulated,
    xmr = xmr, values = values, chart_all = chart(values, 40), chart_20 = chart(values, 20)
  ),
  "expected.json", digits = NA, auto_unbox = TRUE, pretty = TRUE
)
