# Expected values for tests/reference/parametric, made by R. Run from this folder: Rscript make.R
# Reads ../survival/data, writes data/*.csv (two more public data sets) and expected.json: for every case the data,
# the R call, and its numbers with 17 significant digits. The tests read both and never need R.
# flexsurv is not in Debian: Gompertz, generalised gamma and the spline are likelihoods written out here from their
# definitions, maximised by optim and polished by Newton steps on numDeriv's Richardson derivatives.
suppressMessages({library(survival); library(KMsurv); library(numDeriv)})
options(warn = 1)

js <- function(x) {
  if (is.list(x)) return(paste0("{", paste0('"', names(x), '": ', vapply(x, js, ""), collapse = ",\n "), "}"))
  if (is.matrix(x)) return(paste0("[", paste(apply(x, 1, function(r) js(as.vector(r))), collapse = ", "), "]"))
  if (is.character(x)) return(as.character(jsonlite::toJSON(x, auto_unbox = TRUE)))
  v <- ifelse(is.finite(x), sprintf("%.17g", x), "null")
  paste0("[", paste(v, collapse = ", "), "]")
}
cases <- list()
add <- function(id, data, call, values) { cat(id, "\n"); cases[[id]] <<- list(data = data, call = call, values = values) }
old <- function(name) read.csv(file.path("../survival/data", paste0(name, ".csv")))
keep <- function(name, frame) {
  write.csv(frame, file.path("data", paste0(name, ".csv")), row.names = FALSE, quote = FALSE, na = "")
  frame
}
lung <- old("lung"); veteran <- old("veteran"); ovarian <- old("ovarian"); pbc <- old("pbc"); mgus2 <- old("mgus2")
channing <- old("channing"); stanford2 <- old("stanford2"); colon <- old("colon")
gbsg <- keep("gbsg", transform(survival::gbsg, years = rfstime / 365)[, c("years", "status", "age", "hormon", "nodes")])
data(bcdeter, package = "KMsurv")
b <- transform(bcdeter, upper = ifelse(is.na(upper), Inf, upper))
b$upper[b$upper >= 100] <- Inf
cosmesis <- keep("cosmesis", b[, c("lower", "upper", "treat")])

# ---- survreg: exponential, Weibull, log-normal, log-logistic -----------------------------------------------------
tight <- survreg.control(rel.tolerance = 1e-13, maxiter = 100)
reg <- function(id, data, call) {
  f <- eval(parse(text = call))
  add(id, data, call, list(coef = unname(coef(f)), log_scale = unname(log(f$scale)), variance = unname(f$var),
    naive = unname(if (is.null(f$naive.var)) f$var else f$naive.var), loglik = f$loglik))
}
for (d in c("exponential", "weibull", "lognormal", "loglogistic")) {
  reg(paste0("reg_lung_", d), "lung", sprintf('survreg(Surv(time, dead) ~ age + sex + ph.ecog, lung, dist = "%s", control = tight)', d))
  reg(paste0("reg_veteran_", d), "veteran", sprintf('survreg(Surv(time, status) ~ karno + celltype, veteran, dist = "%s", control = tight)', d))
  reg(paste0("reg_cosmesis_", d), "cosmesis", sprintf('survreg(Surv(ifelse(lower == 0, NA, lower), ifelse(is.infinite(upper), NA, upper), type = "interval2") ~ treat, cosmesis, dist = "%s", control = tight)', d))
}
reg("reg_lung_weighted", "lung", 'survreg(Surv(time, dead) ~ age + sex, lung, weights = ph.ecog + 1, dist = "weibull", control = tight)')
reg("reg_lung_cluster", "lung", 'survreg(Surv(time, dead) ~ age + sex + cluster(inst), lung, dist = "loglogistic", control = tight)')
# survreg(robust = TRUE) leaves the weights out of the residuals it squares; they belong in (as in coxph).
reg("reg_lung_robust_weights", "lung", 'local({f <- survreg(Surv(time, dead) ~ age + sex, lung, weights = (ph.ecog + 1) / 2, dist = "lognormal", control = tight); f$naive.var <- f$var; f$var <- crossprod(residuals(f, type = "dfbeta", weighted = TRUE)); f})')
reg("reg_lung_strata", "lung", 'survreg(Surv(time, dead) ~ age + sex + strata(sex), lung, dist = "weibull", control = tight)')
reg("reg_pbc_lognormal", "pbc", 'survreg(Surv(time, status > 0) ~ age + log(bili) + albumin, pbc, dist = "lognormal", control = tight)')
local({
  f <- survreg(Surv(time, dead) ~ age + sex, lung, dist = "weibull", control = tight)
  q <- predict(f, data.frame(age = c(60, 70), sex = c(1, 2)), type = "uquantile", p = c(.1, .5, .9), se.fit = TRUE)
  add("reg_lung_quantiles", "lung", 'predict(survreg(Surv(time, dead) ~ age + sex, lung), type = "uquantile", p = c(.1, .5, .9), se.fit = TRUE)',
      list(log_time = q$fit, std_error = q$se.fit))
})

# ---- likelihoods of our own --------------------------------------------------------------------------------------
# Second derivatives are Richardson's of the score where that is written out; otherwise of the likelihood, with wider
# steps than numDeriv's own and more of them (its default is good to about 1e-3 only).
fine <- list(eps = 3e-3, d = 3e-2, r = 6, zero.tol = 1e-9, v = 2)
ml <- function(loglik, start, score = NULL) {
  f <- function(p) { v <- -loglik(p); if (is.finite(v)) v else 1e10 }
  first <- function(p) if (is.null(score)) grad(f, p) else -score(p)
  second <- function(p) if (is.null(score)) hessian(f, p, method.args = fine) else { J <- jacobian(first, p); (J + t(J)) / 2 }
  at <- start
  for (i in 1:3) at <- suppressWarnings(optim(at, f, method = "Nelder-Mead", control = list(maxit = 5000, reltol = 1e-14))$par)
  for (i in 1:3) at <- optim(at, f, method = "BFGS", control = list(maxit = 1000, reltol = 1e-15))$par
  for (i in 1:5) at <- at - solve(second(at), first(at))
  stopifnot(max(abs(first(at))) < 1e-5)
  list(estimate = at, covariance = solve(second(at)), loglik = loglik(at))
}
# What follows from survival S(t, theta): log(-log S), restricted mean and standardised survival with delta-method errors.
predictions <- function(fit, S, times, tau) {
  ll <- function(p) log(-log(S(times, p)))
  area <- function(p) integrate(S, 0, tau, p = p, rel.tol = 1e-10, subdivisions = 2000)$value
  delta <- function(g) { J <- jacobian(g, fit$estimate); sqrt(diag(J %*% fit$covariance %*% t(J))) }
  list(times = times, survival = S(times, fit$estimate), log_log_error = delta(ll), tau = tau, mean = area(fit$estimate), mean_error = delta(area))
}
own <- function(id, data, call, fit, more = list()) add(id, data, call, c(fit, more))

Hgompertz <- function(t, a, r) if (abs(a) < 1e-12) r * t else r * expm1(a * t) / a
gompertz <- function(t, d, X, e = rep(0, length(t)), w = 1, unit = 1) function(p) {
  a <- p[1] / unit; r <- exp(drop(X %*% p[-1]))
  sum(w * (d * (log(r) + a * t) - Hgompertz(t, a, r) + Hgompertz(e, a, r)))
}
gompertz_score <- function(t, d, X, e = rep(0, length(t)), w = 1, unit = 1) function(p) {
  a <- p[1] / unit; r <- exp(drop(X %*% p[-1]))
  Ha <- function(t) r * (t * exp(a * t) / a - expm1(a * t) / a^2)
  c(sum(w * (d * t - Ha(t) + Ha(e))) / unit, drop(base::t(X) %*% (w * (d - Hgompertz(t, a, r) + Hgompertz(e, a, r)))))
}
# Shapes are searched in units of 1 / `unit`, and put back.
gompertz_fit <- function(t, d, X, unit, ...) {
  f <- ml(gompertz(t, d, X, ..., unit = unit), c(0.1, log(sum(d) / sum(t)), rep(0, ncol(X) - 1)), gompertz_score(t, d, X, ..., unit = unit))
  s <- c(1 / unit, rep(1, ncol(X)))
  list(estimate = f$estimate * s, covariance = f$covariance * outer(s, s), loglik = f$loglik)
}
f <- with(lung, gompertz_fit(time, dead, cbind(1, age - 60, sex), 1000))
own("gompertz_lung", "lung", "sum(d * log h - H), h = r exp(a t); age centred at 60", f,
    predictions(f, function(t, p) exp(-Hgompertz(t, p[1], exp(p[2] + 5 * p[3] + 2 * p[4]))), c(100, 500, 1500), 1000))
f <- with(veteran, gompertz_fit(time, status, cbind(1, karno - 60, trt), 1000))
own("gompertz_veteran", "veteran", "sum(d * log h - H), h = r exp(a t); karno centred at 60", f)
f <- with(channing, gompertz_fit(age / 12 - 80, death, cbind(1, gender == 2), 100, e = ageentry / 12 - 80))
own("gompertz_channing_entry", "channing", "the same with H at entry taken away; years from age 80, put back to 0 by log rate - 80 shape", list(
  estimate = c(f$estimate[1], f$estimate[2] - 80 * f$estimate[1], f$estimate[3]),
  covariance = local({ A <- diag(3); A[2, 1] <- -80; A %*% f$covariance %*% t(A) }), loglik = f$loglik))

weibull_entry <- local({
  t <- channing$age / 12; e <- channing$ageentry / 12; d <- channing$death; m <- channing$gender == 2
  ml(function(p) { k <- exp(p[1]); s <- exp(p[2] + p[3] * m); sum(d * dweibull(t, k, s, log = TRUE) + (1 - d) * pweibull(t, k, s, FALSE, TRUE) - pweibull(e, k, s, FALSE, TRUE)) },
     c(1.5, 4.5, 0)) })
own("weibull_channing_entry", "channing", "dweibull, pweibull less that at entry; years of age", weibull_entry)
lnorm_entry <- local({
  t <- channing$age / 12; e <- channing$ageentry / 12; d <- channing$death; m <- channing$gender == 2
  ml(function(p) { mu <- p[1] + p[2] * m; s <- exp(p[3]); sum(d * dlnorm(t, mu, s, log = TRUE) + (1 - d) * plnorm(t, mu, s, FALSE, TRUE) - plnorm(e, mu, s, FALSE, TRUE)) },
     c(4.5, 0, -1.5)) })
own("lognormal_channing_entry", "channing", "dlnorm, plnorm less that at entry; years of age", lnorm_entry)

# Generalised gamma by R's gamma distribution: exp(Q w) / Q^2 is gamma with shape 1 / Q^2, w = (log t - mu) / sigma.
gg <- function(t, mu, s, Q) {
  w <- (log(t) - mu) / s; g <- 1 / Q^2; u <- g * exp(Q * w)
  list(f = dgamma(u, g, log = TRUE) + log(abs(Q)) + log(u) - log(s) - log(t), S = pgamma(u, g, lower.tail = Q < 0, log.p = TRUE))
}
gg_loglik <- function(t, d, X, e = NULL) function(p) {
  k <- ncol(X); mu <- drop(X %*% p[1:k]); v <- gg(t, mu, exp(p[k + 1]), p[k + 2])
  late <- if (is.null(e)) 0 else gg(e, mu, exp(p[k + 1]), p[k + 2])$S
  sum(ifelse(d > 0, v$f, v$S) - late)
}
f <- with(lung, ml(gg_loglik(time, dead, cbind(1, age - 60, sex)), c(6, 0, 0, 0, .8)))
own("gengamma_lung", "lung", "dgamma, pgamma; age centred at 60", f,
    predictions(f, function(t, p) exp(gg(t, p[1] + 5 * p[2] + 2 * p[3], exp(p[4]), p[5])$S), c(100, 500, 1500), 1000))
f <- with(veteran, ml(gg_loglik(time, status, cbind(1, karno - 60)), c(4, 0, 0, .3)))
own("gengamma_veteran", "veteran", "dgamma, pgamma; karno centred at 60", f)
f <- with(gbsg, ml(gg_loglik(years, status, cbind(1, hormon)), c(1.5, 0, 0, -.5)))
own("gengamma_gbsg", "gbsg", "dgamma, pgamma", f)
f <- with(stanford2, ml(gg_loglik(time, status, cbind(1, age - 40)), c(6, 0, 1, -.5)))
own("gengamma_stanford2", "stanford2", "dgamma, pgamma; age centred at 40", f)

# ---- Royston-Parmar ----------------------------------------------------------------------------------------------
knots_of <- function(t, d, df) unname(quantile(log(t[d > 0]), seq(0, 1, length = df + 1)))
rcs <- function(x, k) {
  p <- function(u) pmax(u, 0); m <- length(k); B <- cbind(x); D <- cbind(rep(1, length(x)))
  for (j in seq_len(m - 2) + 1) {
    l <- (k[m] - k[j]) / (k[m] - k[1])
    B <- cbind(B, p(x - k[j])^3 - l * p(x - k[1])^3 - (1 - l) * p(x - k[m])^3)
    D <- cbind(D, 3 * (p(x - k[j])^2 - l * p(x - k[1])^2 - (1 - l) * p(x - k[m])^2))
  }
  list(B = B, D = D)
}
logS <- list(hazard = function(e) -exp(e), odds = function(e) plogis(e, lower.tail = FALSE, log.p = TRUE), normal = function(e) pnorm(-e, log.p = TRUE))
logf <- list(hazard = function(e) e - exp(e), odds = function(e) dlogis(e, log = TRUE), normal = function(e) dnorm(e, log = TRUE))
# Z: covariates; V: those whose effect varies, with knots kv. Columns are scaled by the least squares of R for the search.
rp_fit <- function(t, d, Z, df, scale, e = NULL, V = NULL, dfv = 0, k = knots_of(t, d, df)) {
  kv <- if (dfv) knots_of(t, d, dfv)
  columns <- function(x, rows) {
    s <- rcs(x, k); X <- cbind(1, s$B, Z[rows, , drop = FALSE]); D <- cbind(0, s$D, 0 * Z[rows, , drop = FALSE])
    if (dfv) { v <- rcs(x, kv); X <- cbind(X, V[rows] * v$B); D <- cbind(D, V[rows] * v$D) }
    list(X = X, D = D)
  }
  all <- seq_along(t); c1 <- columns(log(t), all); R <- qr.R(qr(c1$X)) / sqrt(length(t)); A <- solve(R)
  late <- if (is.null(e)) integer() else which(e > 0)
  c0 <- if (length(late)) columns(log(e[late]), late)$X %*% A
  X <- c1$X %*% A; D <- (c1$D %*% A)[d > 0, ]
  ll <- function(p) {
    eta <- drop(X %*% p); slope <- drop(D %*% p)
    if (any(slope <= 0)) return(-Inf)
    sum(ifelse(d > 0, logf[[scale]](eta), logS[[scale]](eta))) + sum(log(slope) - log(t[d > 0])) - if (length(late)) sum(logS[[scale]](drop(c0 %*% p))) else 0
  }
  by_eta <- function(eta, f) {  # slope of log f0 and log S0 by eta
    switch(scale, hazard = if (f) 1 - exp(eta) else -exp(eta), odds = if (f) 1 - 2 * plogis(eta) else -plogis(eta),
           normal = if (f) -eta else -exp(dnorm(eta, log = TRUE) - pnorm(-eta, log.p = TRUE)))
  }
  score <- function(p) {
    eta <- drop(X %*% p); slope <- drop(D %*% p)
    v <- drop(base::t(X) %*% ifelse(d > 0, by_eta(eta, TRUE), by_eta(eta, FALSE))) + drop(base::t(D) %*% (1 / slope))
    if (length(late)) v <- v - drop(base::t(c0) %*% by_eta(drop(c0 %*% p), FALSE))
    v
  }
  w <- survreg(Surv(t, d) ~ 1, dist = c(hazard = "weibull", odds = "loglogistic", normal = "lognormal")[scale])
  start <- c(-coef(w)[1] / w$scale, 1 / w$scale, rep(0, ncol(X) - 2))
  f <- ml(ll, drop(R %*% start), score)
  list(estimate = drop(A %*% f$estimate), covariance = A %*% f$covariance %*% t(A), loglik = f$loglik, knots = k)
}
rp <- function(id, data, call, f, more = list()) own(id, data, call, f, more)
Z0 <- function(n) matrix(0, n, 0)
for (s in c("hazard", "odds", "normal")) {
  f <- with(gbsg, rp_fit(years, status, cbind(hormon), 3, s))
  S <- function(t, p) exp(logS[[s]](drop(cbind(1, rcs(log(t), f$knots)$B, 1) %*% p)))
  rp(paste0("rp_gbsg_", s), "gbsg", sprintf("rp_fit(years, status, hormon, df = 3, scale = '%s')", s), f, predictions(f, S, c(1, 3, 10), 5))
}
f <- with(lung, rp_fit(time, dead, cbind(age, sex), 4, "hazard"))
rp("rp_lung_hazard", "lung", "rp_fit(time, dead, age + sex, df = 4)", f, local({
  S <- function(p) sapply(1:2, function(g) mean(exp(logS$hazard(drop(cbind(1, rcs(rep(log(365), nrow(lung)), f$knots)$B, lung$age, g) %*% p)))))
  J <- jacobian(S, f$estimate)
  list(standardised = S(f$estimate), standardised_covariance = J %*% f$covariance %*% t(J))
}))
f <- with(pbc, rp_fit(time, as.integer(status == 2), cbind(age, log(bili)), 3, "odds"))
rp("rp_pbc_odds", "pbc", "rp_fit(time, status == 2, age + log(bili), df = 3, scale = 'odds')", f)
f <- with(veteran, rp_fit(time, status, cbind(karno), 3, "hazard", V = veteran$karno, dfv = 2))
rp("rp_veteran_varying", "veteran", "rp_fit(time, status, karno, df = 3, karno varying with df 2)", f, local({
  kv <- knots_of(veteran$time, veteran$status, 2)
  loghaz <- function(t, z, p) { s <- rcs(log(t), f$knots); v <- rcs(log(t), kv); eta <- drop(cbind(1, s$B, z, z * v$B) %*% p); log(drop(cbind(0, s$D, 0, z * v$D) %*% p)) - log(t) + eta }
  g <- function(p) loghaz(c(10, 60, 200), 40, p) - loghaz(c(10, 60, 200), 80, p)
  J <- jacobian(g, f$estimate)
  list(log_hazard_ratio = g(f$estimate), log_hazard_ratio_error = sqrt(diag(J %*% f$covariance %*% t(J))))
}))
f <- with(channing, rp_fit(age / 12, death, cbind(gender == 2), 3, "hazard", e = ageentry / 12))
rp("rp_channing_entry", "channing", "rp_fit(age / 12, death, gender == 2, df = 3, entry)", f)
f <- with(mgus2, rp_fit(time[time > 0], as.integer(event == 2)[time > 0], cbind(age)[time > 0, , drop = FALSE], 5, "hazard"))
rp("rp_mgus2_hazard", "mgus2", "rp_fit(time, event == 2, age, df = 5), rows with time > 0", f)

# ---- piecewise exponential ---------------------------------------------------------------------------------------
pieces <- function(data, cut, start = NULL) {
  data$row <- seq_len(nrow(data))
  s <- survSplit(data, cut = cut, end = "stop", start = "begin", event = "had", episode = "band", id = "person")
  s$band <- factor(findInterval(s$begin + 1e-9, cut)); s$T <- s$stop - s$begin; s
}
exact <- glm.control(epsilon = 1e-14, maxit = 100)
pwe <- function(id, data, call, f, more = list()) {
  s <- f$data
  add(id, data, call, c(list(estimate = unname(coef(f)), covariance = unname(vcov(f)),
    loglik = sum(s$w * (s$had * log(fitted(f) / s$T) - fitted(f)))), more))
}
L <- pieces(transform(lung, stop = time, had = dead, begin = 0, w = 1), c(100, 200, 400))
f <- glm(had ~ 0 + band + age + sex + offset(log(T)), poisson, L, control = exact)
k <- estfun <- model.matrix(f) * (L$had - fitted(f))
by_inst <- rowsum(estfun, L$inst)
profile_limit <- function(column, sign) {  # of the log hazard of a band at age 60, sex 1: covariates moved there
  M <- model.matrix(~ 0 + band + I(age - 60) + I(sex - 1), L)
  g <- glm.fit(M, L$had, offset = log(L$T), family = poisson(), control = exact)
  gap <- function(v) glm.fit(M[, -column], L$had, offset = log(L$T) + v * M[, column], family = poisson(), control = exact)$deviance - g$deviance - qchisq(.95, 1)
  m <- g$coefficients[column]; uniroot(gap, sort(m + c(0, 2 * sign)), tol = 1e-12)$root
}
pwe("pwe_lung", "lung", "glm(had ~ 0 + band + age + sex + offset(log(T)), poisson, survSplit(lung, cut = c(100, 200, 400)))", f, list(
  robust = unname(vcov(f) %*% crossprod(by_inst) %*% vcov(f)),
  profile_lower = sapply(1:4, profile_limit, sign = -1), profile_upper = sapply(1:4, profile_limit, sign = 1)))
f <- glm(had ~ 0 + band + age + sex + sex:band + offset(log(T)), poisson, L, control = exact)
pwe("pwe_lung_interaction", "lung", "the same + sex:band", f)
V <- pieces(transform(veteran, stop = time, had = status, begin = 0, w = 1), c(30, 90, 180))
V$celltype <- relevel(factor(V$celltype), "squamous")
f <- glm(had ~ 0 + band + karno + celltype + offset(log(T)), poisson, V, control = exact)
pwe("pwe_veteran", "veteran", "glm(had ~ 0 + band + karno + celltype + offset(log(T)), poisson, survSplit(veteran, cut = c(30, 90, 180)))", f)
C <- pieces(transform(channing, stop = age / 12, had = death, begin = ageentry / 12, w = 1), c(75, 80, 85, 90))
f <- glm(had ~ 0 + band + I(gender == 2) + offset(log(T)), poisson, C, control = exact)
pwe("pwe_channing_entry", "channing", "glm(had ~ 0 + band + (gender == 2) + offset(log(T)), poisson, survSplit(channing, with entry, cut = c(75, 80, 85, 90)))", f)
G <- pieces(transform(lung, stop = time, had = dead, begin = 0, w = ph.ecog + 1), c(100, 300))
f <- glm(had ~ 0 + band + age + offset(log(T)), poisson, G, weights = w, control = exact)
pwe("pwe_lung_weighted", "lung", "glm(had ~ 0 + band + age + offset(log(T)), poisson, weights = ph.ecog + 1, survSplit(lung, cut = c(100, 300)))", f)
add("exposure_mgus2", "mgus2", "aggregate over survSplit(mgus2, cut = c(12, 60, 120)) by sex and band", local({
  M <- subset(transform(mgus2, stop = time, begin = 0), stop > 0)
  M$had <- as.integer(M$event > 0); M <- pieces(M, c(12, 60, 120))
  a <- aggregate(cbind(one = had * (event == 1), two = had * (event == 2), T) ~ band + sex, M, sum)
  list(sex = as.character(a$sex), band = as.integer(as.character(a$band)), one = a$one, two = a$two, person_time = a$T)
}))

versions <- list(R = R.version.string, survival = as.character(packageVersion("survival")), KMsurv = as.character(packageVersion("KMsurv")),
                 numDeriv = as.character(packageVersion("numDeriv")))
writeLines(js(list(versions = versions, cases = cases)), "expected.json")
