# Expected values for tests/reference/frailty, made by R. Run from this folder: Rscript make.R
# Writes data/*.csv (public data sets of R's survival package that tests/reference/survival/data does not hold) and
# expected.json. coxph's own search for the variance stops early, so the maximum is found here: coxph at a *fixed*
# theta, to the last digits, with the slope of the marginal likelihood in theta brought to 0 by uniroot.
suppressMessages(library(survival))
options(warn = 1)

js <- function(x) {
  if (is.list(x)) return(paste0("{", paste0('"', names(x), '": ', vapply(x, js, ""), collapse = ",\n "), "}"))
  if (is.character(x)) return(as.character(jsonlite::toJSON(x, auto_unbox = TRUE)))
  paste0("[", paste(ifelse(is.finite(x), sprintf("%.17g", x), "null"), collapse = ", "), "]")
}
cases <- list()
keep <- function(name, frame) {
  write.csv(frame, file.path("data", paste0(name, ".csv")), row.names = FALSE, quote = FALSE, na = "")
  frame
}
tight <- coxph.control(eps = 1e-13, toler.chol = 1e-15, iter.max = 200, outer.max = 200)

# ---- data ------------------------------------------------------------------------------------------------
rats <- survival::rats
female <- subset(rats, sex == "f")
kidney <- survival::kidney
lung <- na.omit(transform(survival::lung, dead = status - 1)[, c("time", "dead", "age", "sex", "ph.ecog", "inst")])
diabetic <- keep("diabetic", transform(survival::diabetic, adult = as.integer(age > 18), both = trt * (age > 18))[, c("id", "time", "status", "trt", "adult", "both")])
cgd <- keep("cgd", transform(survival::cgd, treated = as.integer(treat == "rIFN-g"), centre = as.integer(center))[, c("id", "centre", "tstart", "tstop", "status", "treated", "age")])
bladder2 <- keep("bladder2", transform(survival::bladder2, treated = rx - 1)[, c("id", "start", "stop", "event", "treated", "number", "size", "enum")])

# ---- the fit at one theta -----------------------------------------------------------------------------------
at <- function(left, right, unit, data, dist, theta, ties) {
  data$u__ <- factor(data[[unit]])
  f <- as.formula(paste(left, "~", right, "+ frailty(u__, distribution = '", dist, "', theta = ", sprintf("%.17g", theta), ", sparse = FALSE)", sep = ""))
  m <- coxph(f, data, ties = ties, control = tight)
  p <- length(attr(terms(as.formula(paste(left, "~", right))), "term.labels"))
  p <- sum(!grepl("^strata", attr(terms(as.formula(paste(left, "~", right))), "term.labels")))
  list(b = m$coefficients[seq_len(p)], w = m$coefficients[-seq_len(p)], var = m$var, p = p, m = m,
       pl = pl(left, right, data, ties, m$coefficients[seq_len(p)], m$coefficients[-seq_len(p)]))
}
# log partial likelihood at given coefficients and frailties, by an offset and no iteration
pl <- function(left, right, data, ties, b, w) {
  data$off__ <- w[as.integer(data$u__)]
  coxph(as.formula(paste(left, "~", right, "+ offset(off__)")), data, ties = ties, init = b, control = coxph.control(iter.max = 0))$loglik[1]
}
gamma_marginal <- function(fit, theta, d) {
  nu <- 1 / theta; u <- exp(fit$w)
  fit$pl - nu * sum(u - 1 - fit$w) +
    sum(d - (nu + d) * log1p(d * theta)) + sum(sapply(d, function(n) if (n) sum(log1p((seq_len(n) - 1) * theta)) else 0))
}
gamma_slope <- function(fit, theta, d) {   # derivative in log theta
  x <- d * theta; u <- exp(fit$w)
  sum(u - 1 - fit$w) / theta + sum((log1p(x) - x) / theta) +
    sum(sapply(d, function(n) { k <- (seq_len(n) - 1) * theta; if (n) sum(k / (1 + k)) else 0 }))
}
laplace <- function(fit, theta) {
  H <- solve(fit$var); inside <- -seq_len(fit$p)
  fit$pl - sum(fit$w^2) / (2 * theta) - 0.5 * as.numeric(determinant(theta * H[inside, inside])$modulus)
}
frail <- function(id, data_name, data, left, right, unit, dist, ties, model) {
  event <- with(data, eval(parse(text = left)))[, "status"]
  d <- as.vector(tapply(event, factor(data[[unit]]), sum))
  fit <- function(tau) at(left, right, unit, data, dist, exp(tau), ties)
  like <- function(tau) if (dist == "gamma") gamma_marginal(fit(tau), exp(tau), d) else laplace(fit(tau), exp(tau))
  slope <- function(tau) {
    if (dist == "gamma") return(gamma_slope(fit(tau), exp(tau), d))
    h <- 0.02   # fourth order
    (8 * (like(tau + h) - like(tau - h)) - (like(tau + 2 * h) - like(tau - 2 * h))) / (12 * h)
  }
  none <- coxph(as.formula(paste(left, "~", right)), data, ties = ties, control = tight)
  grid <- log(c(0.002, 0.02, 0.1, 0.3, 1, 3))
  s <- sapply(grid, slope); k <- which(s > 0 & c(s[-1], -1) < 0)[1]
  tau <- uniroot(slope, grid[k + 0:1], tol = 1e-11)$root
  top <- fit(tau); h <- 1e-3
  curvature <- -(slope(tau + h) - slope(tau - h)) / (2 * h)
  change <- (8 * (fit(tau + h)$b - fit(tau - h)$b) - (fit(tau + 2 * h)$b - fit(tau - 2 * h)$b)) / (12 * h)
  top_like <- like(tau); target <- top_like - qchisq(0.95, 1) / 2
  above <- uniroot(function(t) like(t) - target, c(tau, tau + 2.5), tol = 1e-10)$root
  below <- if (none$loglik[2] >= target) -Inf else uniroot(function(t) like(t) - target, c(tau - 4, tau), tol = 1e-10)$root
  v <- top$var[seq_len(top$p), seq_len(top$p), drop = FALSE]
  cases[[id]] <<- list(data = data_name, model = model, call = sprintf("coxph(%s ~ %s + frailty(%s, '%s', theta = <maximum>, sparse = FALSE), ties = '%s')", left, right, unit, dist, ties),
    values = list(theta = exp(tau), beta = top$b, std_error_theta_fixed = sqrt(diag(v)), std_error = sqrt(diag(v) + change^2 / curvature),
      log_frailty = top$w, frailty_error_theta_fixed = sqrt(diag(top$var)[-seq_len(top$p)]), log_likelihood = top_like, without = none$loglik[2], limits = exp(c(below, above)),
      error_log_theta = 1 / sqrt(curvature), reported = if (dist == "gamma") top$m$history[[1]]$c.loglik else NA))
  cat(id, exp(tau), top$b, top_like, "\n")
}
# ---- cases -------------------------------------------------------------------------------------------------
S <- "Surv(time, status)"
for (dist in c("gamma", "gauss")) {
  frail(paste0("rats_female_", dist), "rats", female, S, "rx", "litter", dist, "efron", "female rats")
  frail(paste0("rats_female_breslow_", dist), "rats", female, S, "rx", "litter", dist, "breslow", "female rats")
  frail(paste0("rats_strata_", dist), "rats", rats, S, "rx + strata(sex)", "litter", dist, "efron", "baseline by sex")
  frail(paste0("kidney_", dist), "kidney", kidney, S, "age + sex", "id", dist, "efron", "")
  frail(paste0("diabetic_", dist), "diabetic", diabetic, S, "trt + adult + both", "id", dist, "efron", "")
  frail(paste0("cgd_", dist), "cgd", cgd, "Surv(tstart, tstop, status)", "treated + age", "id", dist, "efron", "delayed entry")
  frail(paste0("bladder2_", dist), "bladder2", bladder2, "Surv(start, stop, event)", "treated + number + size", "id", dist, "efron", "delayed entry")
}
# institutions of the lung data: the likelihood falls from theta = 0 on
d <- as.vector(tapply(lung$dead, lung$inst, sum)); none <- coxph(Surv(time, dead) ~ age + sex, lung, control = tight)
thetas <- c(1e-3, 1e-2, 1e-1, 1)
cases$lung_zero <- list(data = "lung", model = "", call = "coxph(Surv(time, dead) ~ age + sex + frailty(inst, theta = 0.001 to 1))",
  values = list(theta = thetas, log_likelihood = sapply(thetas, function(t) gamma_marginal(at("Surv(time, dead)", "age + sex", "inst", lung, "gamma", t, "efron"), t, d)),
    without = none$loglik[2], beta = none$coefficients))
versions <- list(R = R.version.string, survival = as.character(packageVersion("survival")))
writeLines(js(list(versions = versions, cases = cases)), "expected.json")
