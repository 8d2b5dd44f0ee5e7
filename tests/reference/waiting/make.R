# Treated and removed as competing causes, in weekly bands: survival::survfit.
# Run from this folder: Rscript make.R
suppressMessages({library(survival); library(jsonlite)})
set.seed(20261123)
n <- 250
a <- rexp(n, 1 / 9); b <- rexp(n, 1 / 40); stop_at <- 26
weeks <- ceiling(pmin(a, b, stop_at))
outcome <- ifelse(pmin(a, b) > stop_at, "waiting", ifelse(a < b, "treated", "removed"))
late <- sample(n, 30); weeks[late] <- pmin(weeks[late], 11); outcome[late] <- ifelse(weeks[late] == 11, "waiting", outcome[late])
d <- data.frame(weeks, outcome)
write.csv(d, "waits.csv", row.names = FALSE)
f <- survfit(Surv(weeks, factor(outcome, c("waiting", "treated", "removed"))) ~ 1, data = d)
k <- survfit(Surv(weeks, outcome != "waiting") ~ 1, data = d)
at <- c(1, 4, 8, 12, 20, 26)
s <- summary(f, times = at); z <- summary(k, times = at)
write_json(list(versions = list(R = R.version.string, survival = as.character(packageVersion("survival"))),
  call = "survfit(Surv(weeks, factor(outcome)) ~ 1)", at = at,
  treated = s$pstate[, 2], removed = s$pstate[, 3], treated_se = s$std.err[, 2], removed_se = s$std.err[, 3],
  waiting = z$surv, waiting_se = z$std.err), "expected.json", digits = 15, auto_unbox = TRUE, pretty = TRUE)
