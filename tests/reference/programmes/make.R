# Difference in differences, Newey-West, simplex weights, prediction, gamma tail: base R, sandwich, quadprog.
# Run from this folder: Rscript make.R
suppressMessages({library(sandwich); library(quadprog); library(jsonlite)})
set.seed(20261122)
units <- 12; years <- 9
d <- expand.grid(unit = sprintf("u%02d", 1:units), year = 2010:(2009 + years))
d$value <- round(20 + rnorm(units)[as.integer(d$unit)] + .2 * (d$year - 2010) + rnorm(nrow(d), 0, .7), 3)
treated <- c("u02", "u05", "u09")
d$value <- d$value + .9 * (d$unit %in% treated) * (d$year >= 2016)
write.csv(d, "panel.csv", row.names = FALSE)
d$D <- as.numeric(d$unit %in% treated & d$year >= 2016)
f <- lm(value ~ 0 + factor(unit) + factor(year) + D, data = d)
V <- vcovCL(f, cluster = ~unit, type = "HC1")
e <- lm(value ~ factor(unit) + factor(year) + relevel(factor(ifelse(unit %in% treated, year, 2015)), "2015"), data = d)
lead <- coef(e)[grepl("relevel", names(coef(e)))]
s <- aggregate(value ~ year, d[d$unit %in% treated, ], mean)
s$t <- 1:years; s$after <- as.numeric(s$year >= 2015); s$turn <- (s$t - 6) * s$after
g <- lm(value ~ t + after + turn, data = s)
NW <- NeweyWest(g, lag = 2, prewhite = FALSE, adjust = TRUE)
w <- reshape(d[, c("unit", "year", "value")], idvar = "unit", timevar = "year", direction = "wide")
Y <- as.matrix(w[, -1]); rownames(Y) <- w$unit; pre <- 1:6
b <- colMeans(Y[treated, pre]); A <- t(Y[!rownames(Y) %in% treated, pre]); m <- ncol(A); ridge <- .05
q <- solve.QP(t(A) %*% A + ridge * diag(m), as.vector(t(A) %*% b), cbind(1, diag(m)), c(1, rep(0, m)), meq = 1)
x <- rowMeans(Y[, 1:6]); y <- rowMeans(Y[, 7:9]); out <- !names(x) %in% treated
h <- lm(y ~ x, subset = out)
ok <- sapply(1:17, function(r) integrate(function(z) z * dbeta(pnorm(z), 17 - r + 1, r) * dnorm(z), -9, 9, rel.tol = 1e-12)$value)
write_json(list(
  versions = list(R = R.version.string, sandwich = as.character(packageVersion("sandwich")), quadprog = as.character(packageVersion("quadprog"))),
  did = list(call = "lm(value ~ unit + year + D); vcovCL(HC1)", estimate = unname(coef(f)["D"]), se = sqrt(V["D", "D"])),
  event = list(year = sub(".*\\)", "", names(lead)), estimate = unname(lead)),
  series = list(call = "lm(value ~ t + after + turn); NeweyWest(lag = 2, prewhite = FALSE, adjust = TRUE)", coef = unname(coef(g)), covariance = unname(NW)),
  synthetic = list(call = "solve.QP", units = colnames(A), ridge = ridge, weights = unname(q$solution)),
  shrinkage = list(call = "predict(lm(after ~ before))", expected = unname(predict(h, data.frame(x = x[treated]))), slope = unname(coef(h)[2])),
  best_of = list(call = "1 - pgamma(5.3, 1/v^2, scale = v^2)^10", variation = c(.5, 1, 1.5), probability = sapply(c(.5, 1, 1.5), function(v) 1 - pgamma(5.3, 1 / v^2, scale = v^2)^10)),
  largest = list(of = 17, mean_of_two = mean(ok[1:2]))
), "expected.json", digits = 15, auto_unbox = TRUE, pretty = TRUE)
