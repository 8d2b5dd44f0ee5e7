# Draws of two published worked examples, by R's own random numbers, so that printed results can be met exactly.
# Rscript tests/reference/published_decisions/make.R   (from the repository root; needs jsonlite and mgcv)
suppressPackageStartupMessages({library(jsonlite); library(mgcv)})
here <- "tests/reference/published_decisions"
save <- function(frame, name) {
  to <- gzfile(file.path(here, paste0(name, ".csv.gz")), "w")
  write.csv(format(frame, digits = 10, scientific = FALSE, trim = TRUE), to, row.names = FALSE, quote = FALSE); close(to)
}

# 1. The normal example of voi's overview: effect N(1, 1), cost N(0, 2), 10,000 draws from seed 1
set.seed(1)
normal <- data.frame(effect = rnorm(10000, 1, 1), cost = rnorm(10000, 0, 2))
save(normal, "voi_normal")
ours <- function(f, k) { g <- fitted(gam(f, data = normal)); mean(pmax(0, g)) - max(0, mean(k * normal$effect - normal$cost)) }
again <- list(
  evpi = sapply(1:3, function(k) { d <- k * normal$effect - normal$cost; mean(pmax(0, d)) - max(0, mean(d)) }),
  evppi_effect = sapply(1:3, function(k) { normal$d <<- k * normal$effect - normal$cost; ours(d ~ s(effect), k) }),
  evppi_cost = { normal$d <- normal$effect - normal$cost; ours(d ~ s(cost), 1) }
)

# 2. The example of hesim's cost-effectiveness article: three strategies, two groups, 1,000 draws from seed 131
set.seed(131); n <- 1000
cost <- mapply(function(m, s) rlnorm(n, m, s), c(2, 2, 11, 11, 11, 11), c(.1, .1, .15, .15, .15, .15))
qaly <- mapply(function(m, s) rnorm(n, m, s), c(8, 8, 10, 10.5, 8.5, 11), c(.2, .2, .8, .8, .6, .6))
names <- paste0(rep(c("s1", "s2", "s3"), each = 2), c("_g1", "_g2"))
made <- data.frame(cost, qaly); colnames(made) <- c(paste0("cost_", names), paste0("qaly_", names))
save(made, "hesim")

write_json(list(call = "rnorm, rlnorm as printed on the pages; mgcv::gam for EVPPI", R = R.version.string,
  mgcv = as.character(packageVersion("mgcv")), again = again, first = list(cost = cost[1:6, 1], qaly = qaly[1:6, 1])),
  file.path(here, "expected.json"), auto_unbox = TRUE, digits = NA, pretty = TRUE)
