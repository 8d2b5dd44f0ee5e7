# Expected values for tests/reference/survival, made by R. Run from this folder: Rscript make.R
# Writes data/*.csv (classic public data sets of R's survival and KMsurv packages) and expected.json: for every
# case the data, the R call, and its numbers with 17 significant digits. The tests read both and never need R.
suppressMessages({library(survival); library(cmprsk); library(prodlim); library(KMsurv)})
options(warn = 1)

js <- function(x) {
  if (is.list(x)) return(paste0("{", paste0('"', names(x), '": ', vapply(x, js, ""), collapse = ",\n "), "}"))
  if (is.matrix(x)) return(paste0("[", paste(apply(x, 1, function(r) js(as.vector(r))), collapse = ", "), "]"))
  if (is.character(x)) return(as.character(jsonlite::toJSON(x, auto_unbox = TRUE)))
  v <- ifelse(is.finite(x), sprintf("%.17g", x), "null")
  paste0("[", paste(v, collapse = ", "), "]")
}
cases <- list()
add <- function(id, data, call, values) cases[[id]] <<- list(data = data, call = call, values = values)
keep <- function(name, frame) {
  write.csv(frame, file.path("data", paste0(name, ".csv")), row.names = FALSE, quote = FALSE, na = "")
  frame
}
from <- function(name) { e <- new.env(); data(list = name, package = "KMsurv", envir = e); e[[name]] }

# ---- data ------------------------------------------------------------------------------------------------
lung <- keep("lung", na.omit(transform(survival::lung, dead = status - 1)[, c("time", "dead", "age", "sex", "ph.ecog", "inst")]))
veteran <- keep("veteran", survival::veteran)
ovarian <- keep("ovarian", survival::ovarian)
pbc <- keep("pbc", na.omit(survival::pbc[, c("time", "status", "trt", "age", "sex", "edema", "bili", "albumin", "protime")]))
m <- survival::mgus2
mgus2 <- keep("mgus2", data.frame(time = ifelse(m$pstat == 1, m$ptime, m$futime), event = ifelse(m$pstat == 1, 1, 2 * m$death),
                                  age = m$age, sex = as.character(m$sex), band = cut(m$age, c(0, 60, 75, 120), labels = c("under 60", "60 to 75", "over 75"))))
colon <- keep("colon", subset(survival::colon, etype == 2)[, c("time", "status", "rx", "sex", "age", "obstruct", "node4")])
heart <- keep("heart", transform(survival::heart, transplant = as.integer(as.character(transplant)))[, c("start", "stop", "event", "age", "year", "surgery", "transplant", "id")])
kidney <- keep("kidney", survival::kidney[, c("id", "time", "status", "age", "sex", "disease")])
stanford2 <- keep("stanford2", na.omit(survival::stanford2[, c("time", "status", "age", "t5")]))
rats <- keep("rats", survival::rats)
aml <- keep("aml", survival::aml)
b <- from("bmt")
bmt <- keep("bmt", data.frame(time = b$t2, event = ifelse(b$d3 == 0, 0, ifelse(b$d2 == 1, 1, 2)), group = b$group, age = b$z1, mtx = b$z10))
dialysis <- keep("dialysis", from("kidney"))
ch <- from("channing")
channing <- keep("channing", subset(ch, age > ageentry)[, c("death", "ageentry", "age", "gender")])

# ---- Kaplan-Meier and Nelson-Aalen ------------------------------------------------------------------------
km_values <- function(f) {
  s <- summary(f, times = sort(unique(f$time)), censored = TRUE, extend = FALSE)
  parts <- if (is.null(f$strata)) list(all = seq_along(f$time)) else split(seq_along(f$time), rep(names(f$strata), f$strata))
  # std.err is that of log S, but of S itself when robust. Where S is 0 there is no error to speak of.
  se <- if (isTRUE(f$logse)) f$surv * f$std.err else f$std.err
  gone <- f$surv < 1e-12; se[gone] <- NA; f$lower[gone] <- NA; f$upper[gone] <- NA
  lapply(parts, function(i) list(time = f$time[i], at_risk = f$n.risk[i], events = f$n.event[i], estimate = f$surv[i],
    std_error = se[i], lower = f$lower[i], upper = f$upper[i], hazard = f$cumhaz[i], hazard_error = f$std.chaz[i]))
}
km <- function(id, data, call) add(id, data, call, km_values(eval(parse(text = call))))
for (type in c("log", "log-log", "plain", "arcsin", "logit"))
  km(paste0("km_lung_", type), "lung", sprintf('survfit(Surv(time, dead) ~ sex, lung, conf.type = "%s")', type))
km("km_veteran", "veteran", 'survfit(Surv(time, status) ~ celltype, veteran, conf.type = "log-log")')
km("km_aml_90", "aml", 'survfit(Surv(time, status) ~ x, aml, conf.type = "log-log", conf.int = 0.9)')
km("km_stanford2", "stanford2", 'survfit(Surv(time, status) ~ 1, stanford2, conf.type = "log-log")')
km("km_channing_entry", "channing", 'survfit(Surv(ageentry, age, death) ~ gender, channing, conf.type = "log-log")')
km("km_heart_rows", "heart", 'survfit(Surv(start, stop, event) ~ transplant, heart, conf.type = "log-log")')
km("km_ovarian_frequency", "ovarian", 'survfit(Surv(futime, fustat) ~ rx, ovarian, weights = ecog.ps + 2, conf.type = "log-log")')
km("km_lung_robust", "lung", 'survfit(Surv(time, dead) ~ sex, lung, weights = 0.5 + age / 100, robust = TRUE, conf.type = "log-log")')
channing$row <- seq_len(nrow(channing))
km("km_channing_robust", "channing", 'survfit(Surv(ageentry, age, death) ~ gender, channing, weights = age / 1000, id = row, robust = TRUE, conf.type = "log-log")')
km("na_veteran_fh", "veteran", 'survfit(Surv(time, status) ~ trt, veteran, ctype = 2, conf.type = "log-log")')
km("na_rats_fh", "rats", 'survfit(Surv(time, status) ~ rx, rats, ctype = 2, conf.type = "log-log")')
for (d in list(c("lung", "Surv(time, dead) ~ sex"), c("aml", "Surv(time, status) ~ x"), c("veteran", "Surv(time, status) ~ celltype"))) {
  call <- sprintf('quantile(survfit(%s, %s, conf.type = "log-log"), c(0.25, 0.5, 0.75))', d[2], d[1])
  q <- eval(parse(text = call)); add(paste0("quantile_", d[1]), d[1], call, list(time = q$quantile, lower = q$lower, upper = q$upper))
}
for (d in list(c("lung", "Surv(time, dead) ~ sex", 365), c("veteran", "Surv(time, status) ~ celltype", 150), c("colon", "Surv(time, status) ~ rx", 1826))) {
  call <- sprintf("summary(survfit(%s, %s), rmean = %s)$table", d[2], d[1], d[3])
  t <- eval(parse(text = call)); add(paste0("rmst_", d[1]), d[1], call, list(mean = t[, "rmean"], error = t[, "se(rmean)"]))
}

# ---- log-rank ---------------------------------------------------------------------------------------------
lr <- function(id, data, call) { s <- eval(parse(text = call))
  o <- if (is.matrix(s$obs)) rowSums(s$obs) else s$obs; e <- if (is.matrix(s$exp)) rowSums(s$exp) else s$exp
  add(id, data, call, list(chisq = s$chisq, observed = o, expected = e, covariance = s$var)) }
lr("lr_lung", "lung", "survdiff(Surv(time, dead) ~ sex, lung)")
lr("lr_veteran", "veteran", "survdiff(Surv(time, status) ~ celltype, veteran)")
lr("lr_lung_strata", "lung", "survdiff(Surv(time, dead) ~ sex + strata(ph.ecog), lung)")
lr("lr_rats_strata", "rats", "survdiff(Surv(time, status) ~ rx + strata(litter), rats)")
lr("lr_colon_fh", "colon", "survdiff(Surv(time, status) ~ rx, colon, rho = 1)")
lr("lr_ovarian_fh", "ovarian", "survdiff(Surv(futime, fustat) ~ rx, ovarian, rho = 0.5)")
s <- survdiff(Surv(time, status) ~ rx, colon); u <- s$obs - s$exp; w <- c(0, 1, 2)
names(u) <- names(s$n); w <- c("rx=Obs" = 0, "rx=Lev" = 1, "rx=Lev+5FU" = 2)[names(u)]
add("lr_colon_trend", "colon", "(w'(O - E))^2 / w'Vw from survdiff(Surv(time, status) ~ rx, colon), w = 0, 1, 2", list(chisq = sum(w * u)^2 / drop(w %*% s$var %*% w)))
f <- coxph(Surv(ageentry, age, death) ~ gender, channing, ties = "exact")
add("lr_channing_entry", "channing", 'coxph(Surv(ageentry, age, death) ~ gender, channing, ties = "exact")$score', list(chisq = f$score))
weighted <- function(d, weight) { # the textbook sums, time by time
  g <- sort(unique(d$g)); u <- 0; v <- 0; s <- 1; st <- 1
  for (t in sort(unique(d$t[d$e == 1]))) { n <- sum(d$t >= t); n1 <- sum(d$t >= t & d$g == g[1]); e <- sum(d$t == t & d$e == 1)
    e1 <- sum(d$t == t & d$e == 1 & d$g == g[1]); st <- st * (1 - e / (n + 1)); w <- weight(n, s, st)
    u <- u + w * (e1 - e * n1 / n); if (n > 1) v <- v + w^2 * e * (n - e) / (n - 1) * n1 / n * (1 - n1 / n); s <- s * (1 - e / n) }
  list(chisq = u^2 / v) }
dd <- data.frame(t = dialysis$time, e = dialysis$delta, g = dialysis$type)
add("lr_dialysis_gehan", "dialysis", "plain loop in make.R, w = n", weighted(dd, function(n, s, st) n))
add("lr_dialysis_tarone", "dialysis", "plain loop in make.R, w = sqrt(n)", weighted(dd, function(n, s, st) sqrt(n)))
add("lr_dialysis_peto", "dialysis", "plain loop in make.R, w = prod(1 - d / (n + 1))", weighted(dd, function(n, s, st) st))
add("lr_dialysis_late", "dialysis", "plain loop in make.R, w = 1 - S(t-)", weighted(dd, function(n, s, st) 1 - s))

# ---- cumulative incidence and Gray's test -------------------------------------------------------------------
ci <- function(id, data, call) { f <- eval(parse(text = call))
  parts <- if (is.null(f$strata)) list(all = seq_along(f$time)) else split(seq_along(f$time), rep(names(f$strata), f$strata))
  add(id, data, call, lapply(parts, function(i) list(time = f$time[i], estimate = t(f$pstate[i, -1]), std_error = t(f$std.err[i, -1]),
    lower = t(f$lower[i, -1]), upper = t(f$upper[i, -1])))) }
ci("ci_mgus2", "mgus2", 'survfit(Surv(time, factor(event)) ~ sex, mgus2, conf.type = "log-log")')
ci("ci_pbc", "pbc", 'survfit(Surv(time, factor(status)) ~ sex, pbc, conf.type = "log-log")')
ci("ci_bmt", "bmt", 'survfit(Surv(time, factor(event)) ~ group, bmt, conf.type = "plain")')
channing$cause <- channing$death * (1 + channing$age %% 2)
ci("ci_channing_entry", "channing", "survfit(Surv(ageentry, age, factor(cause)) ~ gender, channing, id = row)")
p <- prodlim(Hist(time, event) ~ sex, mgus2)
add("ci_mgus2_prodlim", "mgus2", "prodlim(Hist(time, event) ~ sex, mgus2)",
    list(time = p$time, size = p$size.strata, cause1 = p$cuminc[[1]], cause2 = p$cuminc[[2]], error1 = p$se.cuminc[[1]], error2 = p$se.cuminc[[2]]))
x <- cuminc(mgus2$time, mgus2$event, mgus2$sex); at <- timepoints(x, c(60, 120, 240))
add("ci_mgus2_cuminc", "mgus2", "timepoints(cuminc(time, event, sex), c(60, 120, 240))", list(estimate = at$est, variance = at$var))
gray <- function(id, data, call) add(id, data, call, list(chisq = eval(parse(text = call))$Tests[, "stat"]))
gray("gray_mgus2_sex", "mgus2", "with(mgus2, cuminc(time, event, sex))")
gray("gray_mgus2_band_strata", "mgus2", "with(mgus2, cuminc(time, event, band, strata = sex))")
gray("gray_mgus2_band_rho", "mgus2", "with(mgus2, cuminc(time, event, band, rho = 1))")
gray("gray_bmt", "bmt", "with(bmt, cuminc(time, event, group))")
gray("gray_pbc", "pbc", "with(pbc, cuminc(time, status, sex))")

# ---- rates --------------------------------------------------------------------------------------------------
counts <- c(0, 1, 5, 37, 1200)
add("rates_garwood", "none", "poisson.test(d, 321.5)$conf.int for d = 0, 1, 5, 37, 1200",
    list(events = counts, lower = sapply(counts, function(d) poisson.test(d, 321.5)$conf.int[1]), upper = sapply(counts, function(d) poisson.test(d, 321.5)$conf.int[2])))
pairs <- rbind(c(11, 3, 523.1, 801.9), c(0, 4, 100, 210), c(120, 95, 5000, 5100))
r <- apply(pairs, 1, function(x) { t <- poisson.test(x[1:2], x[3:4]); c(t$estimate, t$conf.int, t$p.value) })
add("rates_ratio", "none", "poisson.test(c(d1, d2), c(T1, T2))", list(input = pairs, estimate = r[1, ], lower = r[2, ], upper = r[3, ], p = r[4, ]))
g <- glm(status ~ sex + offset(log(time)), poisson, kidney, control = glm.control(epsilon = 1e-14))
add("rates_kidney_wald", "kidney", "glm(status ~ sex + offset(log(time)), poisson, kidney)", list(log_ratio = coef(g)[2], error = sqrt(vcov(g)[2, 2])))

# ---- Cox -------------------------------------------------------------------------------------------------------
tight <- coxph.control(eps = 1e-14, toler.chol = 1e-15, iter.max = 60)
cox <- function(id, data, call, profile = NULL, residuals = TRUE, zph = c("km", "identity", "log", "rank"), cvar = TRUE) {
  f <- eval(parse(text = sub("\\)$", ", control = tight, x = TRUE, y = TRUE)", call)))
  v <- list(coef = coef(f), var = vcov(f), loglik = f$loglik, score = f$score, wald = f$wald.test)
  if (!is.null(f$naive.var)) v$naive <- f$naive.var
  for (z in zph) v[[paste0("zph_", z)]] <- cox.zph(f, z)$table[, "chisq"]
  k <- concordance(f); v$concordance <- k$concordance; if (cvar) v$concordance_var <- k$var
  if (residuals) { i <- seq_len(min(20, f$n)); s <- as.matrix(resid(f, "score")); d <- as.matrix(resid(f, "dfbeta"))
    v <- c(v, list(martingale = resid(f, "martingale")[i], deviance = resid(f, "deviance")[i], score_residual = unname(s[i, , drop = FALSE]),
      dfbeta = unname(d[i, , drop = FALSE]), martingale_squares = sum(resid(f, "martingale")^2), score_squares = colSums(s^2))) }
  if (!is.null(profile)) { p <- survfit(f, newdata = profile, conf.type = "log-log"); w <- which(p$n.event > 0 & p$surv > 0)
    v <- c(v, list(time = p$time[w], hazard = p$cumhaz[w], hazard_error = p$std.err[w], lower = p$lower[w], upper = p$upper[w])) }
  add(id, data, call, v) }
cox("cox_lung_efron", "lung", "coxph(Surv(time, dead) ~ age + sex + ph.ecog, lung)", data.frame(age = 60, sex = 1, ph.ecog = 1))
cox("cox_lung_breslow", "lung", 'coxph(Surv(time, dead) ~ age + sex + ph.ecog, lung, ties = "breslow")', data.frame(age = 60, sex = 1, ph.ecog = 1))
cox("cox_veteran", "veteran", "coxph(Surv(time, status) ~ trt + celltype + karno + diagtime + age + prior, veteran)", data.frame(trt = 1, celltype = "squamous", karno = 60, diagtime = 5, age = 60, prior = 0))
cox("cox_ovarian", "ovarian", "coxph(Surv(futime, fustat) ~ age + rx + ecog.ps, ovarian)", data.frame(age = 60, rx = 1, ecog.ps = 1))
cox("cox_pbc", "pbc", "coxph(Surv(time, status == 2) ~ age + edema + log(bili) + log(albumin) + log(protime), pbc)")
cox("cox_mgus2", "mgus2", "coxph(Surv(time, event == 2) ~ age + sex, mgus2)", data.frame(age = 70, sex = "F"))
cox("cox_colon_strata", "colon", "coxph(Surv(time, status) ~ rx + age + node4 + strata(sex), colon)")
cox("cox_colon_weights", "colon", "coxph(Surv(time, status) ~ age + node4, colon, weights = obstruct + 1, robust = FALSE)")
cox("cox_lung_robust", "lung", "coxph(Surv(time, dead) ~ age + ph.ecog, lung, weights = 0.5 + sex / 3, robust = TRUE)", cvar = FALSE)
cox("cox_heart_cluster", "heart", "coxph(Surv(start, stop, event) ~ age + year + surgery + transplant, heart, cluster = id)", zph = c("km", "identity", "log"), cvar = FALSE)
cox("cox_heart_breslow", "heart", 'coxph(Surv(start, stop, event) ~ age + year + surgery + transplant, heart, ties = "breslow")', data.frame(age = 0, year = 3, surgery = 0, transplant = 0), zph = c("km", "identity", "log"))
cox("cox_kidney_cluster", "kidney", "coxph(Surv(time, status) ~ age + sex, kidney, cluster = id)")
cox("cox_rats_strata", "rats", "coxph(Surv(time, status) ~ rx + strata(litter), rats)")
cox("cox_channing_entry", "channing", "coxph(Surv(ageentry, age, death) ~ gender, channing)", data.frame(gender = 1), zph = c("km", "identity", "log"))
cox("cox_stanford2", "stanford2", "coxph(Surv(time, status) ~ age + t5, stanford2)")
cox("cox_bmt", "bmt", "coxph(Surv(time, event > 0) ~ factor(group) + age + mtx, bmt)")

versions <- list(R = R.version.string, survival = as.character(packageVersion("survival")), cmprsk = as.character(packageVersion("cmprsk")),
                 prodlim = as.character(packageVersion("prodlim")), KMsurv = as.character(packageVersion("KMsurv")))
writeLines(js(list(versions = versions, cases = cases)), "expected.json")
cat(length(cases), "cases\n")
