# Reference values of the models beyond pooling. Writes data/*.csv and expected.json beside this script.
# Run from the repository root: Rscript tests/reference/synthesis_models/make.R
suppressPackageStartupMessages({library(metafor); library(metadat); library(lme4); library(clubSandwich)})
here <- "tests/reference/synthesis_models"; shared <- "tests/reference/synthesis/data"

# ---- writing: %.17g keeps every double exactly
num <- function(x) ifelse(is.na(x), "null", ifelse(is.infinite(x), ifelse(x > 0, '"inf"', '"-inf"'), sprintf("%.17g", x)))
json <- function(x, indent = "") {
  inner <- paste0(indent, " ")
  if (is.list(x)) {
    body <- paste0(inner, '"', names(x), '": ', sapply(x, json, indent = inner), collapse = ",\n")
    return(paste0("{\n", body, "\n", indent, "}"))
  }
  x <- if (is.character(x)) paste0('"', x, '"') else if (is.logical(x)) tolower(x) else num(as.numeric(x))
  if (length(x) == 1) x else paste0("[", paste(x, collapse = ", "), "]")
}
write_csv <- function(d, name) {
  text <- which(!sapply(d, is.numeric))
  for (v in names(d)) if (is.numeric(d[[v]])) d[[v]] <- ifelse(is.na(d[[v]]), "", sprintf("%.17g", d[[v]]))
  write.csv(d, file.path(here, "data", paste0(name, ".csv")), row.names = FALSE, quote = text)
}
known <- function(name) read.csv(file.path(shared, paste0(name, ".csv")))
tight <- function(yi, vi) { v <- max(var(yi), min(vi)); list(threshold = 1e-12 * v, tol = 1e-13 * v, maxiter = 5000, tau2.max = 1e4 * v) }
options(warn = -1)

# ---- data: metadat, fewer columns, and those the first part already has
bcg <- escalc("RR", ai = events_1, n1i = n_1, ci = events_2, n2i = n_2, data = known("bcg"))
bcg_or <- escalc("OR", ai = events_1, n1i = n_1, ci = events_2, n2i = n_2, data = known("bcg"))
latitude <- data.frame(label = bcg$label, latitude = dat.bcg$ablat); write_csv(latitude, "bcg_latitude"); bcg$latitude <- latitude$latitude
b <- dat.bangertdrowns2004
bangert <- with(b, data.frame(label = paste(author, id), yi, vi, length, wic, grade, ni))
bangert <- subset(bangert, !is.na(length) & !is.na(wic)); write_csv(bangert, "bangert_moderators")
raud <- known("raudenbush"); raud$weeks <- dat.raudenbush1985$weeks; write_csv(raud[c("label", "weeks")], "raudenbush_weeks")
hackshaw <- known("hackshaw")
kon <- with(dat.konstantopoulos2011, data.frame(label = paste("school", study), district, school, year, yi, vi)); write_csv(kon, "konstantopoulos")
berkey <- with(dat.berkey1998, data.frame(label = paste(trial, author, outcome), trial, outcome, year, yi, vi)); write_csv(berkey, "berkey")
ass <- with(dat.assink2016, data.frame(label = paste(study, esid), study, esid, year, yi, vi)); write_csv(ass, "assink")
out <- list()

# ---- regression
cells <- list(
  bcg.latitude = list(d = bcg, f = ~ latitude), bcg.latitude_year = list(d = bcg, f = ~ latitude + year),
  bcg.alloc = list(d = bcg, f = ~ alloc), bcg.alloc_latitude = list(d = bcg, f = ~ alloc + latitude),
  bangert.length = list(d = bangert, f = ~ length), bangert.length_wic = list(d = bangert, f = ~ length + wic),
  raudenbush.weeks = list(d = raud, f = ~ weeks))
methods <- c("DL", "DLIT", "HE", "HS", "HSk", "SJ", "ML", "REML", "EB", "PM", "PMM")
regression <- list()
for (n in names(cells)) for (m in methods) for (t in c("z", "t", "knha", "adhoc")) {
  d <- cells[[n]]$d
  r <- tryCatch(rma(yi, vi, mods = cells[[n]]$f, data = d, method = m, test = t, control = tight(d$yi, d$vi)), error = function(e) NULL)
  if (is.null(r)) next
  regression[[paste(n, m, t, sep = ".")]] <- list(tau2 = r$tau2, b = r$beta, se = r$se, lower = r$ci.lb, upper = r$ci.ub,
    qe = r$QE, qep = r$QEp, qm = r$QM, qmp = r$QMp, i2 = r$I2, h2 = r$H2, r2 = if (is.null(r$R2)) NA else r$R2)
}
out$regression <- regression
limits <- list(); predictions <- list()
for (n in c("bcg.latitude", "bangert.length", "raudenbush.weeks")) for (m in c("DL", "REML", "ML")) {
  d <- cells[[n]]$d; r <- rma(yi, vi, mods = cells[[n]]$f, data = d, method = m, control = tight(d$yi, d$vi))
  ctl <- list(tol = 1e-13 * var(d$yi), maxiter = 1e5, tau2.max = 1e4 * var(d$yi))
  ci <- confint(r, control = ctl)$random; limits[[paste(n, m, "q_profile", sep = ".")]] <- ci[1, 2:3]
  if (m != "DL") { ci <- confint(r, type = "PL", control = ctl)$random; limits[[paste(n, m, "profile_likelihood", sep = ".")]] <- ci[1, 2:3] }
  for (t in c("z", "knha")) {
    r <- rma(yi, vi, mods = cells[[n]]$f, data = d, method = m, test = t, control = tight(d$yi, d$vi))
    x <- quantile(model.matrix(r)[, 2], c(0, 0.5, 1)); p <- predict(r, newmods = as.numeric(x), pi.type = "t"); q <- predict(r, newmods = as.numeric(x), pi.type = "riley")
    predictions[[paste(n, m, t, sep = ".")]] <- list(x = as.numeric(x), pred = p$pred, se = p$se, lower = p$ci.lb, upper = p$ci.ub,
      z = predict(r, newmods = as.numeric(x))$pi.lb, t_low = p$pi.lb, t_high = p$pi.ub, riley_low = q$pi.lb, riley_high = q$pi.ub)
  }
}
out$regression_limits <- limits; out$regression_predictions <- predictions
small <- bcg[1:6, ]
out$permutation <- list()
for (m in c("REML", "DL")) for (t in c("z", "knha")) {
  r <- rma(yi, vi, mods = ~ latitude, data = small, method = m, test = t, control = tight(small$yi, small$vi))
  p <- permutest(r, exact = TRUE, progbar = FALSE)
  out$permutation[[paste("bcg6.latitude", m, t, sep = ".")]] <- list(p = p$pval[2], qmp = p$QMp)
}
r <- rma(yi, vi, mods = ~ alloc, data = bcg, method = "DL", control = tight(bcg$yi, bcg$vi))
a <- bcg[bcg$alloc != "alternate", ]; r <- rma(yi, vi, mods = ~ alloc, data = a, method = "DL", control = tight(a$yi, a$vi))
p <- permutest(r, exact = TRUE, progbar = FALSE); out$permutation[["bcg11.alloc.DL.z"]] <- list(p = p$pval[2], qmp = p$QMp)
r <- rma(yi, vi, data = small, method = "DL", control = tight(small$yi, small$vi)); p <- permutest(r, exact = TRUE, progbar = FALSE)
out$permutation[["bcg6.none.DL.z"]] <- list(p = p$pval[1], qmp = p$pval[1])

# ---- subgroups: separate fits, then a fixed-effect comparison; Welch by oneway.test on estimates of no error
sub <- list()
for (m in c("DL", "REML", "PM")) {
  parts <- lapply(split(bcg, bcg$alloc), function(d) rma(yi, vi, data = d, method = m, control = tight(d$yi, d$vi)))
  mu <- sapply(parts, function(r) as.numeric(r$beta)); se <- sapply(parts, function(r) r$se)
  e <- rma(mu, se^2, method = "EE"); sub[[m]] <- list(mean = as.numeric(mu), se = as.numeric(se), tau2 = as.numeric(sapply(parts, function(r) r$tau2)), q = e$QE, p = e$QEp)
}
w <- oneway.test(yi ~ alloc, data = bcg); sub$welch <- list(f = w$statistic, df = w$parameter, p = w$p.value)
out$subgroup <- sub

# ---- small studies
funnels <- list(bcg = bcg_or, hackshaw = hackshaw, bangert = known("bangert"), raudenbush = known("raudenbush"))
small_study <- list(); fill <- list(); pet <- list()
co <- function(f) { s <- summary(f)$coefficients; list(limit = s[1, 1], limit_se = s[1, 2], slope = s[2, 1], se = s[2, 2], p = s[2, 4]) }
for (n in names(funnels)) {
  d <- funnels[[n]]; d$sei <- sqrt(d$vi)
  r <- rma(yi, vi, data = d, method = "REML", control = tight(d$yi, d$vi)); lmr <- regtest(r, model = "lm", ret.fit = TRUE)
  rr <- rma(yi, vi, mods = ~ sei, data = d, test = "knha", control = tight(d$yi, d$vi))
  k <- suppressWarnings(ranktest(r))
  small_study[[n]] <- list(egger_t = lmr$zval, egger_p = lmr$pval, egger = co(lm(yi ~ sei, weights = 1 / vi, data = d)),
    random = list(limit = rr$beta[1], slope = rr$beta[2], se = rr$se[2], p = rr$pval[2]), begg = list(tau = k$tau, p = k$pval))
  pet[[n]] <- list(pet = co(lm(yi ~ sei, weights = 1 / vi, data = d)), peese = co(lm(yi ~ vi, weights = 1 / vi, data = d)))
  for (e in c("L0", "R0", "Q0")) for (s in c("left", "right")) for (m in c("EE", "REML")) {
    ff <- if (m == "EE") rma(yi, vi, data = d, method = "EE") else rma(yi, vi, data = d, method = m, control = tight(d$yi, d$vi))
    tf <- tryCatch(suppressWarnings(trimfill(ff, estimator = e, side = s)), error = function(e) NULL)
    if (!is.null(tf)) fill[[paste(n, e, s, m, sep = ".")]] <- list(k0 = tf$k0, estimate = as.numeric(tf$beta), se = tf$se, side = suppressWarnings(trimfill(ff))$side)
  }
}
harbord <- function(d) { for (v in c("events_1", "n_1", "events_2", "n_2")) d[[v]] <- as.numeric(d[[v]]) # integers overflow
  a <- d$events_1; n1 <- d$n_1; c0 <- d$events_2; n2 <- d$n_2; N <- n1 + n2; m <- a + c0
  z <- a - m * n1 / N; v <- n1 * n2 * m * (N - m) / (N^2 * (N - 1)); co(lm(I(z / v) ~ I(1 / sqrt(v)), weights = v)) }
peters <- function(d) { e <- escalc("OR", ai = events_1, n1i = n_1, ci = events_2, n2i = n_2, data = d); N <- d$n_1 + d$n_2; m <- d$events_1 + d$events_2
  co(lm(as.numeric(e$yi) ~ I(1 / N), weights = 1 / (1 / m + 1 / (N - m)))) }
for (n in c("bcg", "hine", "collins")) small_study[[paste0(n, ".counts")]] <- list(harbord = harbord(known(n)), peters = peters(known(n)))
out$small_study <- small_study; out$pet_peese <- pet; out$trim_fill <- fill

# ---- selection
sel <- list()
one <- function(d, ...) {
  r <- rma(yi, vi, data = d, method = "ML", control = tight(d$yi, d$vi))
  s <- NULL
  for (o in list(list(optimizer = "BFGS", reltol = 1e-15, maxit = 5000), list(optimizer = "Nelder-Mead", reltol = 1e-15, maxit = 20000), list()))
    if (is.null(s)) s <- tryCatch(selmodel(r, ..., control = o), error = function(e) NULL)
  list(estimate = as.numeric(s$beta), se = s$se, tau2 = s$tau2, delta = s$delta, delta_se = s$se.delta, ll = as.numeric(logLik(s)), lrt = s$LRT, lrtp = s$LRTp)
}
sel[["hackshaw.step.greater.0.025"]] <- one(hackshaw, type = "stepfun", alternative = "greater", steps = 0.025)
sel[["hackshaw.step.greater.0.05,0.5"]] <- one(hackshaw, type = "stepfun", alternative = "greater", steps = c(0.05, 0.5))
sel[["bangert.step.greater.0.025,0.5"]] <- one(known("bangert"), type = "stepfun", alternative = "greater", steps = c(0.025, 0.5))
sel[["bangert.step.two_sided.0.05"]] <- one(known("bangert"), type = "stepfun", alternative = "two.sided", steps = 0.05)
sel[["bcg.step.less.0.025"]] <- one(bcg_or, type = "stepfun", alternative = "less", steps = 0.025)
sel[["hackshaw.half_normal.greater"]] <- one(hackshaw, type = "halfnorm", alternative = "greater")
sel[["hackshaw.negative_exponential.greater"]] <- one(hackshaw, type = "negexp", alternative = "greater")
sel[["bangert.half_normal.greater"]] <- one(known("bangert"), type = "halfnorm", alternative = "greater")
sel[["bangert.negative_exponential.two_sided"]] <- one(known("bangert"), type = "negexp", alternative = "two.sided")
out$selection <- sel
# ---- several results a study
levels_of <- function(r) list(b = r$beta, se = r$se, sigma2 = r$sigma2, qe = r$QE)
mv <- function(...) { # as tight as its optimiser will go
  home <- parent.frame(); call <- as.call(c(quote(rma.mv), as.list(substitute(list(...)))[-1]))
  for (tol in c(1e-14, 1e-12, 1e-10)) { call$control <- list(optimizer = "nlminb", rel.tol = tol)
    r <- tryCatch(eval(call, home), error = function(e) NULL); if (!is.null(r)) return(r) }
  stop("rma.mv did not converge")
}
kon2 <- kon; kon2$result <- seq_len(nrow(kon2)); ass$result <- seq_len(nrow(ass)); berkey$result <- seq_len(nrow(berkey))
block <- function(d, by, rho) { s <- sqrt(d$vi); V <- rho * outer(s, s) * outer(d[[by]], d[[by]], "=="); diag(V) <- d$vi; V }
multi <- list()
fits <- list(
  kon.REML = mv(yi, vi, random = ~ 1 | district/school, data = kon2),
  kon.ML = mv(yi, vi, random = ~ 1 | district/school, data = kon2, method = "ML"),
  kon_year.REML = mv(yi, vi, mods = ~ year, random = ~ 1 | district/school, data = kon2),
  assink.REML = mv(yi, vi, random = ~ 1 | study/esid, data = ass),
  assink_rho.REML = mv(yi, block(ass, "study", 0.6), random = ~ 1 | study/esid, data = ass),
  assink_rho.ML = mv(yi, block(ass, "study", 0.6), random = ~ 1 | study/esid, data = ass, method = "ML"),
  berkey_rho.REML = mv(yi, block(berkey, "trial", 0.4), mods = ~ outcome, random = ~ 1 | trial/result, data = berkey))
for (n in names(fits)) multi[[n]] <- levels_of(fits[[n]])
out$multilevel <- multi
pr <- list()
# from fits at the default tolerance: with a tight one its refits at fixed variances fail, and limits with them
loose <- list(kon.REML = rma.mv(yi, vi, random = ~ 1 | district/school, data = kon2),
  assink_rho.REML = rma.mv(yi, block(ass, "study", 0.6), random = ~ 1 | study/esid, data = ass))
for (n in names(loose)) for (j in 1:2) {
  ci <- confint(loose[[n]], sigma2 = j, control = list(vc.max = 2))$random; pr[[paste(n, j, sep = ".")]] <- ci[1, 2:3] }
out$multilevel_profile <- pr
rob <- list()
sandwich <- function(r, cl, type) { V <- vcovCR(r, cluster = cl, type = type); t <- coef_test(r, vcov = V, test = "Satterthwaite"); list(se = as.numeric(t$SE), df = as.numeric(t$df), p = as.numeric(t$p_Satt)) }
bang <- rma(yi, vi, mods = ~ length, data = bangert, control = tight(bangert$yi, bangert$vi))
plain <- rma(yi, vi, data = ass, control = tight(ass$yi, ass$vi)); plain_year <- rma(yi, vi, mods = ~ year, data = ass, control = tight(ass$yi, ass$vi))
for (type in c("CR0", "CR1", "CR1p", "CR2")) {
  for (n in c("kon.REML", "kon_year.REML")) rob[[paste(n, type, sep = ".")]] <- sandwich(fits[[n]], kon2$district, type)
  rob[[paste("assink_rho.REML", type, sep = ".")]] <- sandwich(fits[["assink_rho.REML"]], ass$study, type)
  rob[[paste("berkey_rho.REML", type, sep = ".")]] <- sandwich(fits[["berkey_rho.REML"]], berkey$trial, type)
  rob[[paste("assink_plain.REML", type, sep = ".")]] <- sandwich(plain, ass$study, type)
  rob[[paste("assink_plain_year.REML", type, sep = ".")]] <- sandwich(plain_year, ass$study, type)
}
out$robust <- rob
# ---- counts by their own likelihood. glmer ends within about 1e-4 of tau; nAGQ as said, 1 for two directions
glmm <- function(r) list(estimate = as.numeric(r$beta), se = r$se, tau2 = r$tau2)
or <- function(n, m, ...) glmm(rma.glmm(measure = "OR", ai = events_1, n1i = n_1, ci = events_2, n2i = n_2, data = known(n), model = m, ...))
irr <- function(m, ...) glmm(rma.glmm(measure = "IRR", x1i = events_1, t1i = time_1, x2i = events_2, t2i = time_2, data = known("niel"), model = m, ...))
ex <- list()
# rma.glmm fails on hine with CM.EL: its standard error is 6e-7, which is not compared
for (n in c("li", "collins", "hine")) for (m in c("UM.FS", "CM.EL", "CM.AL")) if (n != "hine" || m != "CM.EL") ex[[paste(n, "OR", m, sep = ".")]] <- or(n, m, nAGQ = 7)
for (m in c("UM.FS", "CM.EL")) ex[[paste("niel.IRR", m, sep = ".")]] <- irr(m, nAGQ = 7)
ex[["li.OR.UM.RS"]] <- or("li", "UM.RS", nAGQ = 1); ex[["niel.IRR.UM.RS"]] <- irr("UM.RS", nAGQ = 1)
ex[["collins.OR.UM.RS"]] <- or("collins", "UM.RS", nAGQ = 1, drop00 = FALSE)
ex[["pritz.PLO.UM.FS"]] <- glmm(rma.glmm(measure = "PLO", xi = events, ni = n, data = known("pritz"), nAGQ = 7))
out$exact <- ex
out$source <- list(call = "Rscript tests/reference/synthesis_models/make.R", R = R.version.string,
  metafor = as.character(packageVersion("metafor")), metadat = as.character(packageVersion("metadat")),
  lme4 = as.character(packageVersion("lme4")), clubSandwich = as.character(packageVersion("clubSandwich")))
writeLines(json(out), file.path(here, "expected.json"))
