# Times coxph with a gamma frailty on the CSV file that survival_frailty.py wrote: seconds of the model call alone, best
# of `runs`, with the variance and the marginal likelihood that it came to.
suppressMessages({library(survival); library(data.table)})
argument <- commandArgs(TRUE); folder <- argument[1]; runs <- as.integer(argument[2])
d <- as.data.frame(fread(file.path(folder, "frailty.csv")))
say <- function(name, call) {
  took <- replicate(runs, { t <- system.time(m <<- call())[["elapsed"]]; t })
  h <- m$history[[1]]
  cat(name, min(took), sprintf("%.8g %.10g\n", h$theta, h$c.loglik))
}
say("coxph_defaults", function() coxph(Surv(time, event) ~ a + b + c + d + frailty(unit), d))
tight <- coxph.control(eps = 1e-10, iter.max = 50, outer.max = 50)
say("coxph_tight", function() coxph(Surv(time, event) ~ a + b + c + d + frailty(unit, eps = 1e-8), d, control = tight))
