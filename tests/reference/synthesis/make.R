# Reference values of synthesis from metafor. Writes data/*.csv and expected.json beside this script.
# Run from the repository root: Rscript tests/reference/synthesis/make.R
suppressPackageStartupMessages({library(metafor); library(metadat)})
here <- "tests/reference/synthesis"

# ---- writing: %.17g keeps every double exactly, so an unchanged number is an unchanged byte
num <- function(x) ifelse(is.na(x), "null", ifelse(is.infinite(x), ifelse(x > 0, '"inf"', '"-inf"'), sprintf("%.17g", x)))
json <- function(x, indent = "") {
  inner <- paste0(indent, " ")
  if (is.list(x)) {
    if (is.null(names(x))) return(paste0("[", paste(sapply(x, json, indent = inner), collapse = ", "), "]"))
    body <- paste0(inner, '"', names(x), '": ', sapply(x, json, indent = inner), collapse = ",\n")
    return(paste0("{\n", body, "\n", indent, "}"))
  }
  if (is.character(x)) x <- paste0('"', gsub('"', '\\\\"', x), '"') else if (is.logical(x)) x <- tolower(x) else x <- num(x)
  if (length(x) == 1 && is.null(attr(x, "many"))) x else paste0("[", paste(x, collapse = ", "), "]")
}
write_csv <- function(d, name) {
  text <- which(!sapply(d, is.numeric))
  for (v in names(d)) if (is.numeric(d[[v]])) d[[v]] <- ifelse(is.na(d[[v]]), "", sprintf("%.17g", d[[v]]))
  write.csv(d, file.path(here, "data", paste0(name, ".csv")), row.names = FALSE, quote = text)
}

# ---- data: the columns that are used, from metadat, or typed from the page named
counts <- function(label, ai, n1i, ci, n2i) data.frame(label, events_1 = ai, n_1 = n1i, events_2 = ci, n_2 = n2i)
bcg <- with(dat.bcg, counts(paste(author, year), tpos, tpos + tneg, cpos, cpos + cneg)); bcg$year <- dat.bcg$year; bcg$alloc <- dat.bcg$alloc
normand <- with(dat.normand1999, data.frame(label = source, n_1 = n1i, mean_1 = m1i, sd_1 = sd1i, n_2 = n2i, mean_2 = m2i, sd_2 = sd2i))
hackshaw <- with(dat.hackshaw1998, data.frame(label = paste(author, year, study), ratio = or, lower = or.lb, upper = or.ub, yi, vi))
raudenbush <- with(dat.raudenbush1985, data.frame(label = paste(author, study), yi, vi))
li <- with(dat.li2007, counts(paste(study, year), ai, n1i, ci, n2i))
col <- subset(dat.collins1985a, !is.na(d.xti) & !is.na(d.xci))
collins <- with(col, counts(paste(trial, id), d.xti, nti, d.xci, nci))
yus <- subset(dat.yusuf1985, table == "6" & !is.na(ai) & !is.na(ci) & n1i > 0 & n2i > 0)
yusuf <- with(yus, counts(paste(trial, id), ai, n1i, ci, n2i))
bangert <- with(dat.bangertdrowns2004, data.frame(label = paste(author, id), yi, vi))
schools <- data.frame(label = LETTERS[1:8], yi = c(28.39, 7.94, -2.75, 6.82, -0.64, 0.63, 18.01, 12.16),
                      sei = c(14.9, 10.2, 16.3, 11.0, 9.4, 11.4, 10.4, 17.6)); schools$vi <- schools$sei^2
hine <- with(dat.hine1989, counts(source, ai, n1i, ci, n2i))
pritz <- with(dat.pritz1997, data.frame(label = paste(authors, study), events = xi, n = ni))
niel <- with(dat.nielweise2008, data.frame(label = paste(authors, study), events_1 = x1i, time_1 = t1i, events_2 = x2i, time_2 = t2i))
hips <- read.csv(file.path(here, "data", "hips.csv"))
for (n in c("bcg", "normand", "hackshaw", "raudenbush", "li", "collins", "yusuf", "bangert", "schools", "hine", "pritz", "niel"))
  write_csv(get(n), n)

# ---- effect sizes
effect <- function(d) list(yi = as.numeric(d$yi), vi = as.numeric(d$vi))
two <- function(d, m, ...) effect(escalc(m, ai = events_1, n1i = n_1, ci = events_2, n2i = n_2, data = d, ...))
effects <- list()
for (n in c("bcg", "li", "collins", "yusuf", "hine", "hips")) for (m in c("OR", "RR", "RD", "AS"))
  effects[[paste(n, m, sep = ".")]] <- two(get(n), m)
for (n in c("bcg", "li", "collins", "yusuf", "hine", "hips")) effects[[paste0(n, ".PETO")]] <- two(get(n), "PETO", add = 0)
for (n in c("bcg", "li", "yusuf", "hips")) for (to in c("all", "if0all")) effects[[paste(n, "OR", to, sep = ".")]] <- two(get(n), "OR", to = to, add = 0.25)
for (m in c("IRR", "IRD")) effects[[paste0("niel.", m)]] <- effect(escalc(m, x1i = events_1, t1i = time_1, x2i = events_2, t2i = time_2, data = niel))
for (m in c("MD", "SMD")) effects[[paste0("normand.", m)]] <- effect(escalc(m, m1i = mean_1, sd1i = sd_1, n1i = n_1, m2i = mean_2, sd2i = sd_2, n2i = n_2, data = normand))
for (m in c("PR", "PLO", "PFT")) effects[[paste0("pritz.", m)]] <- effect(escalc(m, xi = events, ni = n, data = pritz))
effects[["hackshaw.ratio"]] <- effect(hackshaw)

# ---- what is pooled: one analysis per data set
plain <- function(d) list(yi = d$yi, vi = d$vi)
sets <- list(bcg = effects[["bcg.RR"]], normand = effects[["normand.MD"]], normand_smd = effects[["normand.SMD"]],
  hackshaw = plain(hackshaw), raudenbush = plain(raudenbush), li = effects[["li.OR"]], collins = effects[["collins.OR"]],
  yusuf = effects[["yusuf.OR"]], bangert = plain(bangert), schools = plain(schools), hine = effects[["hine.RD"]],
  pritz = effects[["pritz.PLO"]], niel = effects[["niel.IRR"]], hips = effects[["hips.RR"]],
  pair = list(yi = effects[["bcg.RR"]]$yi[1:2], vi = effects[["bcg.RR"]]$vi[1:2]))

methods <- c("DL", "DLIT", "HE", "HS", "HSk", "SJ", "ML", "REML", "EB", "PM", "PMM", "GENQ")
tests <- c("z", "t", "knha", "adhoc")
tight <- function(s) {
  v <- max(var(s$yi), min(s$vi))
  list(threshold = 1e-11 * v, tol = 1e-13 * v, maxiter = 5000, tau2.max = 1e4 * v)
}
# GENQ with weights that belong to no other estimator
weights_of <- function(s, m) if (m == "GENQ") 1 / sqrt(s$vi) else NULL
# metafor pools by the GENQ weights too; the mean is then pooled again by inverse variances at that tau2.
fit <- function(s, m, test = "z") {
  if (m == "GENQ") {
    w <- weights_of(s, m)
    return(rma(s$yi, s$vi, tau2 = rma(s$yi, s$vi, method = m, weights = w)$tau2, test = test))
  }
  suppressWarnings(rma(s$yi, s$vi, method = m, test = test, control = tight(s)))
}
row <- function(r) list(tau2 = r$tau2, estimate = as.numeric(r$beta), std_error = r$se, lower = r$ci.lb, upper = r$ci.ub,
  p_value = r$pval, i2 = r$I2, h2 = r$H2)
pooled <- list(); prediction <- list(); limits <- list(); common <- list(); unconverged <- character(0)
for (n in names(sets)) {
  s <- sets[[n]]
  ee <- rma(s$yi, s$vi, method = "EE")
  common[[n]] <- c(row(ee)[2:6], list(q = ee$QE, q_p_value = ee$QEp))
  for (m in methods) for (t in tests) {
    r <- tryCatch(fit(s, m, t), error = function(e) NULL)
    if (is.null(r)) unconverged <- c(unconverged, paste(n, m, t, sep = ".")) else pooled[[paste(n, m, t, sep = ".")]] <- row(r)
  }
  for (m in c("DL", "REML")) for (t in c("z", "knha")) {
    r <- fit(s, m, t)
    for (p in c("default", "t", "riley")) {
      pr <- predict(r, pi.type = p)
      prediction[[paste(n, m, t, p, sep = ".")]] <- list(lower = pr$pi.lb, upper = pr$pi.ub)
    }
  }
  for (m in c("DL", "ML", "REML", "PM")) {
    r <- fit(s, m); ctl <- tight(s); top <- 1e4 * ctl$tau2.max
    ci <- suppressWarnings(confint(r, control = list(tol = ctl$tol, maxiter = 1e5, tau2.max = top)))$random
    limits[[paste(n, m, "q_profile", sep = ".")]] <- list(tau2 = ci[1, 2:3], tau = ci[2, 2:3], i2 = ci[3, 2:3], h2 = ci[4, 2:3])
    if (m %in% c("ML", "REML") && length(s$yi) > 2) {
      ci <- confint(r, type = "PL", control = list(tol = ctl$tol, maxiter = 1e5, tau2.max = top))$random
      limits[[paste(n, m, "profile_likelihood", sep = ".")]] <- list(tau2 = ci[1, 2:3], tau = ci[2, 2:3], i2 = ci[3, 2:3], h2 = ci[4, 2:3])
    }
  }
}

# ---- dependence on single studies
influence_of <- list()
for (n in c("bcg", "normand", "hips", "schools")) for (t in c("z", "knha")) {
  r <- fit(sets[[n]], "REML", t)
  l <- leave1out(r); cu <- cumul(r); i <- influence(r)
  influence_of[[paste(n, t, sep = ".")]] <- list(
    leave = list(estimate = l$estimate, std_error = l$se, lower = l$ci.lb, upper = l$ci.ub, q = l$Q, tau2 = l$tau2, i2 = l$I2),
    cumulative = list(estimate = cu$estimate, std_error = cu$se, tau2 = cu$tau2),
    rstudent = i$inf$rstudent, dffits = i$inf$dffits, cook = i$inf$cook.d, cov_ratio = i$inf$cov.r,
    leverage = i$inf$hat, dfbeta = i$dfbs$intrcpt, influential = i$is.infl)
}

# ---- 2x2 tables and rates pooled without tau2
tables <- list()
mh <- function(r) list(estimate = as.numeric(r$beta), std_error = r$se, lower = r$ci.lb, upper = r$ci.ub)
for (n in c("bcg", "li", "collins", "yusuf", "hine", "hips")) {
  for (m in c("OR", "RR", "RD")) {
    r <- suppressWarnings(rma.mh(measure = m, ai = events_1, n1i = n_1, ci = events_2, n2i = n_2, data = get(n), correct = FALSE))
    tables[[paste(n, "MH", m, sep = ".")]] <- c(mh(r), if (m == "OR") list(cmh = r$MH, cmh_p_value = r$MHp, tarone = r$TA, tarone_p_value = r$TAp) else list())
  }
  r <- suppressWarnings(rma.peto(ai = events_1, n1i = n_1, ci = events_2, n2i = n_2, data = get(n)))
  tables[[paste(n, "Peto", sep = ".")]] <- c(mh(r), list(q = r$QE))
}
for (m in c("IRR", "IRD")) tables[[paste("niel.MH", m, sep = ".")]] <-
  mh(suppressWarnings(rma.mh(measure = m, x1i = events_1, t1i = time_1, x2i = events_2, t2i = time_2, data = niel, correct = FALSE)))

# ---- reproduction target: cemented v uncemented hips, by design
by_design <- list()
for (d in c("RCT", "Cohort", "Registry")) {
  part <- two(subset(hips, design == d), "RR")
  for (m in c("EE", "DL", "REML")) { r <- rma(part$yi, part$vi, method = m, control = if (m == "EE") list() else tight(part))
    by_design[[paste(d, m, sep = ".")]] <- c(row(r), list(q = r$QE)) }
}

out <- list(
  source = list(call = "Rscript tests/reference/synthesis/make.R", R = R.version.string,
    metafor = as.character(packageVersion("metafor")), metadat = as.character(packageVersion("metadat")),
    control = "threshold 1e-11 and tol 1e-13 of the variance of the estimates, maxiter 5000, tau2.max 1e4 of it"),
  effects = effects, common = common, pooled = pooled, prediction = prediction, limits = limits,
  influence = influence_of, tables = tables, by_design = by_design, unconverged = as.list(unconverged))
writeLines(json(out), file.path(here, "expected.json"))
