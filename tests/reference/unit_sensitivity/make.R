# Sensitivity of class comparisons, in R: Rscript make.R
# Writes expected.json beside this file. Counts are made by a fixed rule, so that no data file is needed.
library(jsonlite)
suppressMessages(library(metafor))

# ---- counts by unit and stratum: three specialist, nine general, four independent units
unit <- 1:16
group <- c(rep("specialist", 3), rep("general", 9), rep("independent", 4))
cells <- expand.grid(age = c("old", "young"), sex = c("f", "m"), unit = unit, stringsAsFactors = FALSE)
cells$group <- group[cells$unit]
cells$n <- round(40 + 15 * sin(3 * cells$unit) + 10 * (cells$age == "old") + 30 * (cells$group == "specialist"))
eta <- -2 + 0.5 * (cells$age == "old") + 0.2 * (cells$sex == "m") - 0.3 * (cells$group == "specialist") + 0.4 * cos(5 * cells$unit)
cells$events <- round(cells$n * plogis(eta))
cells$control <- round(cells$n * plogis(-1.6 + 0.3 * (cells$age == "young") + 0.25 * sin(7 * cells$unit)))
cells$unit <- sprintf("u%02d", cells$unit)

fit_one <- function(d, y = "events") {
  d$y <- d[[y]]
  glm(cbind(y, n - y) ~ 0 + group + age + sex, binomial, d, control = list(epsilon = 1e-14, maxit = 100))
}
g_computation <- function(d, y = "events") {
  m <- fit_one(d, y)
  f <- function(b) {
    r <- function(g) { z <- d; z$group <- g; plogis(as.vector(model.matrix(~ 0 + group + age + sex, within(z, group <- factor(group, levels = sort(unique(d$group))))) %*% b)) }
    weighted.mean(r("specialist") - r("general"), d$n)
  }
  b <- coef(m)
  gradient <- sapply(seq_along(b), function(k) { h <- 1e-5; e <- b; e[k] <- b[k] + h; s <- b; s[k] <- b[k] - h; (f(e) - f(s)) / (2 * h) })
  v <- vcov(m)
  list(estimate = f(b), std_error = sqrt(drop(gradient %*% v %*% gradient)), model = m, gradient = gradient, vcov = v)
}
influences <- function(d, fit, gradient, y = "events") {
  x <- model.matrix(~ 0 + group + age + sex, d)
  r <- fitted(fit$model)
  score <- rowsum(x * (d[[y]] - d$n * r), d$unit)
  weight <- tapply(d$n * r * (1 - r), d$unit, sum)
  of <- tapply(d$group, d$unit, `[`, 1)
  h <- weight / tapply(weight, of, sum)[of]
  list(psi = drop(score %*% fit$vcov %*% gradient), h = as.vector(h), group = as.vector(of))
}
clustered <- function(i) {
  part <- sapply(c("specialist", "general"), function(g) with(i, sum(psi[group == g]^2 / (1 - h[group == g]))))
  dof <- sapply(c("specialist", "general"), function(g) 1 / sum(i$h[i$group == g]^2) - 1)
  v <- sum(part) + sum(i$psi[i$group == "independent"]^2)
  list(std_error = sqrt(v), dof = min(dof))
}
whole <- g_computation(cells)
out <- list(cells = cells)
out$g_computation <- whole[c("estimate", "std_error")]
out$clustered <- clustered(influences(cells, whole, whole$gradient))

two <- cells[cells$group != "independent", ]
strata <- aggregate(cbind(events, n) ~ age + sex + group, two, sum)
wide <- merge(strata[strata$group == "specialist", ], strata[strata$group == "general", ], by = c("age", "sex"))
mh <- rma.mh(ai = events.x, n1i = n.x, ci = events.y, n2i = n.y, data = wide, measure = "RD", correct = FALSE)
out$mantel_haenszel <- list(estimate = as.vector(mh$beta), std_error = mh$se)

base <- { z <- cells; z$group <- "general"; predict(whole$model, z, type = "response") }
own <- fitted(whole$model)
size <- tapply(cells$n, cells$unit, sum)
y <- tapply(cells$events - cells$n * base, cells$unit, sum) / size
v <- tapply(cells$n * own * (1 - own), cells$unit, sum) / size^2
keep <- group != "independent"
re <- rma(as.vector(y[keep]), as.vector(v[keep]), mods = ~ I(group[keep] == "specialist"), method = "DL", test = "knha")
out$unit_means <- list(estimate = as.vector(re$beta)[2], std_error = re$se[2], dof = re$k - re$p)

out$leave_one_out <- lapply(c("u01", "u02", "u03", "u07"), function(u) c(list(unit = u), g_computation(cells[cells$unit != u, ])[c("estimate", "std_error")]))

# ---- negative control: log odds ratios, and their difference
one <- function(y) {
  m <- list(model = fit_one(cells, y)); m$vcov <- vcov(m$model)
  b <- coef(m$model); gradient <- as.numeric(names(b) == "groupspecialist") - as.numeric(names(b) == "groupgeneral")
  i <- influences(cells, m, gradient, y)
  c(list(estimate = sum(gradient * b)), clustered(i), list(i = i))
}
a <- one("events"); b <- one("control")
both <- list(psi = a$i$psi - b$i$psi, h = pmax(a$i$h, b$i$h), group = a$i$group)
out$negative_control <- list(outcome = a[1:3], control = b[1:3], corrected = c(list(estimate = a$estimate - b$estimate), clustered(both)))

# ---- E-values, written out
e <- function(rr) { rr <- max(rr, 1 / rr); rr + sqrt(rr * (rr - 1)) }
hr <- function(x) (1 - 0.5^sqrt(x)) / (1 - 0.5^sqrt(1 / x))
out$e_value <- list(rr = e(3.9), rr_limit = e(1.8), protective = e(0.80), protective_limit = e(0.91), or_common = e(sqrt(0.71)),
  hr_common = e(hr(0.56)), hr_common_limit = e(hr(0.69)), difference = e(exp(0.91 * 0.4)), difference_limit = e(exp(0.91 * 0.4 - 1.78 * 0.1)),
  not_none = e(2.0 / 1.2))

# ---- unrecorded severity, on draws made by a rule
s <- 1:500
p1 <- 0.058 + 0.004 * sin(s); p0 <- 0.066 + 0.002 * cos(3 * s)
corrected <- function(r, q0, d) p1 * (1 + (r - 1) * q0) / (1 + (r - 1) * (q0 + d)) - p0
out$severity <- list(
  surface = lapply(list(c(2, -0.1), c(3, 0.15)), function(a) { d <- 1000 * corrected(a[1], 0.2, a[2]); c(mean(d), quantile(d, c(0.025, 0.975), names = FALSE)) }),
  to_none = uniroot(function(d) mean(corrected(2, 0.2, d)), c(-0.2, 0.5), tol = 1e-12)$root,
  to_interval = uniroot(function(d) quantile(corrected(3, 0.2, d), 0.025), c(-0.2, 0.5), tol = 1e-12)$root,
  to_interval_low = uniroot(function(d) quantile(corrected(3, 0.2, d), 0.975), c(-0.2, 0.5), tol = 1e-12)$root)

# ---- patients who did not answer, on draws made by a rule
risks <- sapply(1:5, function(j) 0.06 + 0.003 * j + 0.005 * sin(s * j))
operations <- c(200, 300, 150, 400, 500); answers <- c(120, 90, 100, 200, 300)
cover <- answers / operations
side <- c("a", "a", "b", "b", "b")
risk_of <- function(g, k) { w <- operations[side == g]; m <- risks[, side == g]; cv <- cover[side == g]
  drop((sweep(m, 2, cv, `*`) + sweep(plogis(qlogis(m) + log(k)), 2, 1 - cv, `*`)) %*% (w / sum(w))) }
gap <- function(k1, k0) risk_of("a", k1) - risk_of("b", k0)
out$non_response <- list(at = lapply(list(c(1, 1), c(2, 0.5), c(1.5, 1.5)), function(k) { d <- 1000 * gap(k[1], k[2]); c(mean(d), quantile(d, c(0.025, 0.975), names = FALSE)) }),
  specialist_only = exp(uniroot(function(l) mean(gap(exp(l), 1)), c(-3, 3), tol = 1e-12)$root),
  comparator_only = exp(uniroot(function(l) mean(gap(1, exp(l))), c(-3, 3), tol = 1e-12)$root))

out$versions <- list(R = R.version.string, metafor = as.character(packageVersion("metafor")), jsonlite = as.character(packageVersion("jsonlite")))
write_json(out, "expected.json", digits = NA, auto_unbox = TRUE, pretty = TRUE)
