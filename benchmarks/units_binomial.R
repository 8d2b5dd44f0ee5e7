# The model of units.binomial in JAGS, timed: Rscript units_binomial.R <folder> <chains> <tune> <draws> <seed>
# Reads data.json from the folder; writes draws.csv (one column a parameter, chains stacked) and seconds.txt.

suppressPackageStartupMessages({
  library(rjags)
  library(jsonlite)
})
arguments <- commandArgs(trailingOnly = TRUE)
folder <- arguments[1]
chains <- as.integer(arguments[2])
tune <- as.integer(arguments[3])
draws <- as.integer(arguments[4])
seed <- as.integer(arguments[5])

model <- "model {
  common ~ dnorm(p[1], pow(p[2], -2))
  typical ~ dnorm(p[3], pow(p[4], -2))
  for (g in 1:G) {
    class_level[g] ~ dnorm(common, pow(p[5], -2))
    class_log_spread[g] ~ dnorm(typical, pow(p[6], -2))
    precision[g] <- exp(-2 * class_log_spread[g])
  }
  for (j in 1:J) { level[j] ~ dnorm(class_level[group[j]], precision[group[j]]) }
  for (k in 1:K) { case_mix[k] ~ dnorm(p[7], pow(p[8], -2)) }
  for (c in 1:C) {
    logit(risk[c]) <- level[unit[c]] + inprod(X[c, ], case_mix)
    y[c] ~ dbin(risk[c], n[c])
  }
}"

data <- fromJSON(file.path(folder, "data.json"))
data$X <- as.matrix(data$X)
inits <- lapply(seq_len(chains), function(chain) list(.RNG.name = "base::Mersenne-Twister", .RNG.seed = seed + chain))
began <- proc.time()[["elapsed"]]
load.module("glm", quiet = TRUE) # block updates for logistic models: without it far slower
built <- jags.model(textConnection(model), data, inits, n.chains = chains, n.adapt = tune, quiet = TRUE)
kept <- c("level", "class_level", "class_log_spread", "case_mix")
found <- coda.samples(built, kept, n.iter = draws, progress.bar = "none")
writeLines(sprintf("%.3f", proc.time()[["elapsed"]] - began), file.path(folder, "seconds.txt"))
write.csv(do.call(rbind, lapply(found, as.matrix)), file.path(folder, "draws.csv"), row.names = FALSE)
