# Real studies as a publication would show them, and what their individual data say. Writes expected.json.
# Run from the repository root: Rscript tests/reference/reconstruct/make.R
suppressPackageStartupMessages({library(survival); library(jsonlite)})
here <- "tests/reference/reconstruct"

# One arm: its Kaplan-Meier curve read at every step and rounded to 3 decimals, as a digitiser reads it;
# numbers at risk at round times; survival, restricted mean and events from the individual data.
arm <- function(time, event, at, tau) {
  f <- survfit(Surv(time, event) ~ 1)
  step <- f$n.event > 0 | seq_along(f$time) == length(f$time)
  early <- summary(f, times = at[at <= max(time)], extend = TRUE)
  list(people = length(time), events = sum(event), points = list(time = f$time[step], survival = round(f$surv[step], 3)),
       at_risk = list(time = at, number = sapply(at, function(t) sum(time >= t))),
       survival = list(time = early$time, estimate = early$surv, std_error = early$std.err),
       rmst = unname(summary(f, rmean = tau)$table[c("rmean", "se(rmean)")]))
}
study <- function(time, event, arm_of, at, tau, call) {
  arms <- lapply(split(seq_along(time), arm_of), function(i) arm(time[i], event[i], at, tau))
  x <- as.integer(factor(arm_of)) - 1
  f <- coxph(Surv(time, event) ~ x, ties = "efron")
  list(call = call, tau = tau, arms = arms, log_hazard_ratio = unname(coef(f)), std_error = unname(sqrt(vcov(f)[1, 1])))
}
co <- subset(colon, etype == 2 & rx != "Lev"); p <- subset(pbc, !is.na(trt)); g <- mgus2[mgus2$sex == "F" | mgus2$sex == "M", ]
out <- list(
  versions = list(R = as.character(getRversion()), survival = as.character(packageVersion("survival"))),
  studies = list(
    lung = study(lung$time, lung$status == 2, paste("sex", lung$sex), seq(0, 1000, 200), 600, "coxph(Surv(time, status) ~ sex)"),
    veteran = study(veteran$time, veteran$status == 1, paste("arm", veteran$trt), seq(0, 600, 100), 300, "coxph(Surv(time, status) ~ trt)"),
    colon = study(co$time, co$status == 1, as.character(co$rx), seq(0, 3000, 500), 2500, "coxph(Surv(time, status) ~ rx), deaths, Obs v Lev+5FU"),
    pbc = study(p$time, p$status == 2, paste("arm", p$trt), seq(0, 4000, 1000), 3000, "coxph(Surv(time, status == 2) ~ trt)"),
    mgus2 = study(g$futime, g$death == 1, as.character(g$sex), seq(0, 360, 60), 240, "coxph(Surv(futime, death) ~ sex)"),
    ovarian = study(ovarian$futime, ovarian$fustat == 1, paste("arm", ovarian$rx), seq(0, 1000, 250), 700, "coxph(Surv(futime, fustat) ~ rx)")))
write(toJSON(out, digits = I(17), auto_unbox = TRUE), file.path(here, "expected.json"))
