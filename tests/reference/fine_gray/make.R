# Expected values for tests/reference/fine_gray, made by R. Run from this folder: Rscript make.R
# Reads ../survival/data, writes data/*.csv and expected.json: for every case the data, the R call, and its
# numbers with 17 significant digits. The tests read both and never need R.
suppressMessages({library(survival); library(cmprsk); library(riskRegression)})
options(warn = -1)

js <- function(x) {
  if (is.list(x)) return(paste0("{", paste0('"', names(x), '": ', vapply(x, js, ""), collapse = ",\n "), "}"))
  if (is.matrix(x)) return(paste0("[", paste(apply(x, 1, function(r) js(as.vector(r))), collapse = ", "), "]"))
  if (is.character(x)) return(as.character(jsonlite::toJSON(x, auto_unbox = TRUE)))
  v <- ifelse(is.finite(x), sprintf("%.17g", x), "null")
  paste0("[", paste(v, collapse = ", "), "]")
}
cases <- list()
add <- function(id, data, call, values) cases[[id]] <<- list(data = data, call = call, values = values)
old <- function(name) read.csv(file.path("..", "survival", "data", paste0(name, ".csv")))
keep <- function(name, frame) {
  write.csv(frame, file.path("data", paste0(name, ".csv")), row.names = FALSE, quote = FALSE)
  frame
}
data(Melanoma, package = "riskRegression"); data(Paquid, package = "riskRegression")
melanoma <- keep("melanoma", data.frame(time = Melanoma$time, event = Melanoma$status, thick = Melanoma$thick, age = Melanoma$age,
                                        male = as.integer(Melanoma$sex == "Male"), ulcer = as.integer(Melanoma$ulcer == "present")))
paquid <- keep("paquid", data.frame(time = round(Paquid$time, 6), event = Paquid$status, dsst = Paquid$DSST, mmse = Paquid$MMSE))
bmt <- transform(old("bmt"), g2 = as.integer(group == 2), g3 = as.integer(group == 3))
mgus2 <- transform(old("mgus2"), male = as.integer(sex == "M")); mgus2$entry <- 12 * mgus2$age; mgus2$exit <- mgus2$entry + mgus2$time
pbc <- transform(old("pbc"), lbili = log(bili), event = status)
mgus2 <- subset(mgus2, time > 0)
tight <- coxph.control(eps = 1e-14, toler.chol = 1e-15, iter.max = 60)
frames <- list(bmt = bmt, mgus2 = mgus2, pbc = pbc, melanoma = melanoma, paquid = paquid)
for (n in names(frames)) frames[[n]]$row <- seq_len(nrow(frames[[n]]))
invisible(list2env(frames, environment()))
first <- function(d, x, rows = 1:2) as.matrix(frames[[d]][rows, x, drop = FALSE])

# ---- Fine-Gray: crr ------------------------------------------------------------------------------------------
crr_case <- function(id, d, x, cause) {
  f <- crr(frames[[d]]$time, frames[[d]]$event, as.matrix(frames[[d]][, x]), failcode = cause, gtol = 1e-13, maxiter = 60)
  p <- predict(f, first(d, x))
  add(id, d, sprintf("crr(time, event, cbind(%s), failcode = %d)", paste(x, collapse = ", "), cause),
      list(x = x, cause = cause, coef = f$coef, var = f$var, inverse = solve(f$inf), loglik = f$loglik, time = p[, 1], incidence = t(p[, -1]))) }
crr_case("crr_bmt_relapse", "bmt", c("g2", "g3", "age", "mtx"), 1)
crr_case("crr_bmt_death", "bmt", c("g2", "g3", "age", "mtx"), 2)
crr_case("crr_mgus2_progression", "mgus2", c("age", "male"), 1)
crr_case("crr_mgus2_death", "mgus2", c("age", "male"), 2)
crr_case("crr_pbc_transplant", "pbc", c("age", "lbili", "albumin"), 1)
crr_case("crr_melanoma", "melanoma", c("thick", "age", "male", "ulcer"), 1)
crr_case("crr_paquid", "paquid", c("dsst", "mmse"), 1)

# ---- Fine-Gray: finegray + coxph -------------------------------------------------------------------------------
fg_case <- function(id, d, x, cause, ties = "efron", strata = NULL, cluster = "row", entry = FALSE, time = "time") {
  d0 <- frames[[d]]; s <- if (entry) "Surv(entry, exit, factor(event, 0:2))" else "Surv(time, factor(event, 0:2))"
  terms <- unique(c(x, "row", cluster, strata)); more <- if (is.null(strata)) "" else sprintf(" + strata(%s)", strata)
  long <- eval(parse(text = sprintf("finegray(%s ~ %s%s, d0, etype = %d, id = row)", s, paste(terms, collapse = " + "), more, cause)))
  call <- sprintf("coxph(Surv(fgstart, fgstop, fgstatus) ~ %s%s, finegray(%s ~ ., etype = %d), weights = fgwt, ties = \"%s\", cluster = %s)",
                  paste(x, collapse = " + "), more, s, cause, ties, cluster)
  f <- eval(parse(text = sprintf("coxph(Surv(fgstart, fgstop, fgstatus) ~ %s%s, long, weights = fgwt, ties = ties, cluster = %s, control = tight)",
                                 paste(x, collapse = " + "), more, cluster)))
  v <- list(x = x, cause = cause, coef = coef(f), var = f$var, naive = f$naive.var, loglik = f$loglik)
  if (is.null(strata) && !entry) { p <- survfit(f, newdata = as.data.frame(first(d, x)), se.fit = FALSE); w <- p$n.event > 0
    v <- c(v, list(time = p$time[w], incidence = t(1 - exp(-p$cumhaz[w, ])))) }
  add(id, d, call, v) }
fg_case("finegray_bmt_efron", "bmt", c("g2", "g3", "age", "mtx"), 1)
fg_case("finegray_bmt_breslow", "bmt", c("g2", "g3", "age", "mtx"), 1, "breslow")
fg_case("finegray_mgus2_progression", "mgus2", c("age", "male"), 1)
fg_case("finegray_mgus2_death", "mgus2", c("age", "male"), 2)
fg_case("finegray_pbc_strata", "pbc", c("age", "lbili", "albumin"), 2, strata = "sex")
fg_case("finegray_bmt_cluster", "bmt", c("age", "mtx"), 1, cluster = "group")
fg_case("finegray_mgus2_entry", "mgus2", "male", 1, entry = TRUE)
fg_case("finegray_melanoma", "melanoma", c("thick", "age", "male", "ulcer"), 1)
fg_case("finegray_paquid", "paquid", c("dsst", "mmse"), 1)

# ---- cause-specific --------------------------------------------------------------------------------------------
cs_case <- function(id, d, x, entry = FALSE, cluster = NULL, survival = TRUE) {
  d0 <- frames[[d]]; s <- if (entry) "Surv(entry, exit, factor(event, 0:2))" else "Surv(time, factor(event, 0:2))"
  extra <- if (is.null(cluster)) "" else sprintf(", cluster = %s", cluster)
  call <- sprintf("coxph(%s ~ %s, id = row%s)", s, paste(x, collapse = " + "), extra)
  f <- eval(parse(text = sprintf("coxph(%s ~ %s, d0, id = row%s, control = tight)", s, paste(x, collapse = " + "), extra)))
  v <- list(x = x, coef = coef(f), var = vcov(f))
  # survfit of a multi-state coxph takes Breslow's steps rightly; with Efron's its hazards are not those of the
  # single models (survival 3.5-3), so there the incidence is put together here from survfit of those.
  if (survival) { g <- eval(parse(text = sprintf("coxph(%s ~ %s, d0, id = row, ties = \"breslow\", control = tight)", s, paste(x, collapse = " + "))))
    p <- survfit(g, newdata = as.data.frame(first(d, x))); w <- rowSums(p$n.event) > 0
    v <- c(v, list(time = p$time[w], first = t(p$pstate[w, 1, ]), second = t(p$pstate[w, 2, ]))) }
  H <- list()
  for (k in 1:2) { g <- coxph(as.formula(sprintf("%s ~ %s", if (entry) sprintf("Surv(entry, exit, event == %d)", k) else sprintf("Surv(time, event == %d)", k), paste(x, collapse = " + "))), d0, control = tight)
    v[[paste0("efron", k)]] <- coef(g); v[[paste0("efron_var", k)]] <- vcov(g); H[[k]] <- survfit(g, newdata = as.data.frame(first(d, x)), se.fit = FALSE)$cumhaz }
  if (survival) for (i in 1:2) { h <- sapply(H, function(m) diff(c(0, m[, i]))); a <- rowSums(h); S <- exp(-cumsum(a)); before <- c(1, S[-length(S)])
    F <- apply(ifelse(a > 0, before * -expm1(-a) / a, 0) * h, 2, cumsum); w <- a > 0
    v[[c("first_efron", "second_efron")[i]]] <- t(cbind(S, F)[w, ]) }
  add(id, d, call, v) }
cs_case("cause_bmt", "bmt", c("g2", "g3", "age", "mtx"))
cs_case("cause_mgus2", "mgus2", c("age", "male"))
cs_case("cause_mgus2_entry", "mgus2", "male", entry = TRUE)
cs_case("cause_melanoma", "melanoma", c("thick", "age", "male", "ulcer"))
cs_case("cause_bmt_cluster", "bmt", c("age", "mtx"), cluster = "group", survival = FALSE)
cs_error <- function(id, d, x, times) {
  f <- CSC(as.formula(sprintf("Hist(time, event) ~ %s", paste(x, collapse = " + "))), frames[[d]], ties = "breslow")
  p <- lapply(1:2, function(k) predict(f, newdata = as.data.frame(first(d, x)), times = times, cause = k, se = TRUE, keep.newdata = FALSE, product.limit = FALSE, iid = FALSE))
  add(id, d, sprintf("predict(CSC(Hist(time, event) ~ %s), se = TRUE, product.limit = FALSE)", paste(x, collapse = " + ")),
      list(x = x, times = times, risk1 = p[[1]]$absRisk, error1 = p[[1]]$absRisk.se, risk2 = p[[2]]$absRisk, error2 = p[[2]]$absRisk.se)) }
cs_error("cause_error_melanoma", "melanoma", c("thick", "age", "male", "ulcer"), c(1000, 2000))
cs_error("cause_error_bmt", "bmt", c("g2", "g3", "age", "mtx"), c(100, 300, 700))

versions <- list(R = R.version.string, survival = as.character(packageVersion("survival")), cmprsk = as.character(packageVersion("cmprsk")),
                 riskRegression = as.character(packageVersion("riskRegression")))
writeLines(js(list(versions = versions, cases = cases)), "expected.json")
