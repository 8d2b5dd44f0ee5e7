# Times R on the CSV files that survival.py wrote: seconds of the model call alone, best of `runs`.
suppressMessages({library(survival); library(data.table)})
argument <- commandArgs(TRUE); folder <- argument[1]; runs <- as.integer(argument[2])
best <- function(call) min(replicate(runs, system.time(call())[["elapsed"]]))
km <- fread(file.path(folder, "km.csv")); km <- as.data.frame(km)
cat("km", best(function() survfit(Surv(time, event) ~ group, km, conf.type = "log-log")), "\n"); rm(km); invisible(gc())
d <- as.data.frame(fread(file.path(folder, "cox.csv")))
f <- Surv(time, event) ~ a + b + c + d + e + f
cat("cox", best(function() coxph(f, d)), "\n")
set.seed(3); day <- d$time; d$time <- day - 0.999 * runif(nrow(d))
cat("cox_continuous", best(function() coxph(f, d)), "\n"); d$time <- day
# Its cost with clusters grows with the square of the rows: 10 s at 100,000.
if (nrow(d) <= 1e5) cat("cox_cluster", best(function() coxph(f, d, cluster = unit)), "\n")
cat("cox_entry", best(function() coxph(Surv(entry, time, event) ~ a + b + c + d + e + f, d)), "\n")
if (requireNamespace("cmprsk", quietly = TRUE)) cat("aj", best(function() cmprsk::cuminc(d$time, d$cause, d$group)), "\n")
few <- file.path(folder, "fine_gray.csv")
if (file.exists(few)) { rm(d); invisible(gc()); d <- as.data.frame(fread(few)); d$cause <- factor(d$cause, 0:2); x <- as.matrix(d[, c("a", "b", "c", "d")])
  cat("fine_gray_rows", system.time(coxph(Surv(fgstart, fgstop, fgstatus) ~ a + b + c + d, finegray(Surv(time, cause) ~ a + b + c + d, d, etype = 1), weights = fgwt))[["elapsed"]], "\n")
  if (requireNamespace("cmprsk", quietly = TRUE)) cat("fine_gray", system.time(cmprsk::crr(d$time, as.integer(as.character(d$cause)), x))[["elapsed"]], "\n") }
