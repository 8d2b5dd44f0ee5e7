# Expected values for tests/reference/scores, made by R. Run from this folder: Rscript make.R
# Reads ../survival/data and ../fine_gray/data; writes data/*.csv, which add predicted risks rounded to 4 digits,
# and expected.json: for every case the data, the R call, and its numbers with 17 significant digits.
suppressMessages({library(survival); library(riskRegression); library(cmprsk)})
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
read <- function(folder, name) read.csv(file.path("..", folder, "data", paste0(name, ".csv")))
keep <- function(name, frame) { write.csv(frame, file.path("data", paste0(name, ".csv")), row.names = FALSE, quote = FALSE); read.csv(file.path("data", paste0(name, ".csv"))) }

survival_case <- function(id, frame, models, times) {
  d <- frame[, c("time", "event")]
  for (m in names(models)) { f <- coxph(as.formula(paste("Surv(time, event) ~", models[[m]])), frame)
    p <- 1 - t(summary(survfit(f, newdata = frame), times = times)$surv)
    for (j in seq_along(times)) d[[paste0(m, j)]] <- round(p[, j], 4) }
  d <- keep(id, d)
  risks <- lapply(setNames(names(models), names(models)), function(m) as.matrix(d[, paste0(m, seq_along(times))]))
  s <- Score(risks, formula = Surv(time, event) ~ 1, data = d, times = times, metrics = c("auc", "brier"), se.fit = TRUE, cens.model = "km", conservative = FALSE)
  v <- list(times = times, n = nrow(d), models = c("null", names(models)), brier = s$Brier$score$Brier, brier_se = s$Brier$score$se, auc = s$AUC$score$AUC, auc_se = s$AUC$score$se,
            delta = s$Brier$contrasts$delta.Brier, delta_se = s$Brier$contrasts$se)
  last <- length(times)
  for (m in names(models)) { r <- d[[paste0(m, last)]]
    h <- concordance(Surv(time, event) ~ r, d, reverse = TRUE); u <- concordance(Surv(time, event) ~ r, d, reverse = TRUE, timewt = "n/G2", ymax = times[last])
    v[[paste0("harrell_", m)]] <- c(h$concordance, sqrt(h$var)); v[[paste0("uno_", m)]] <- c(u$concordance, sqrt(u$var)) }
  add(id, id, "Score(..., Surv(time, event) ~ 1, cens.model = \"km\"); concordance(Surv(time, event) ~ risk, reverse = TRUE, timewt = \"n\" or \"n/G2\", ymax)", v) }

lung <- transform(read("survival", "lung"), event = dead)
survival_case("lung_risks", lung, list(full = "age + sex + ph.ecog", age = "age"), c(180, 365, 540))
pbc <- transform(read("survival", "pbc"), event = as.integer(status == 2))
survival_case("pbc_risks", pbc, list(full = "age + log(bili) + albumin + edema", bili = "log(bili)"), c(730, 1825, 3000))
veteran <- transform(read("survival", "veteran"), event = status)
survival_case("veteran_risks", veteran, list(full = "karno + celltype", karno = "karno"), c(30, 100, 200))

competing_case <- function(id, frame, x, cause, times) {
  f <- crr(frame$time, frame$event, as.matrix(frame[, x]), failcode = cause); p <- predict(f, as.matrix(frame[, x]))
  d <- frame[, c("time", "event")]
  for (j in seq_along(times)) d[[paste0("fg", j)]] <- round(p[max(which(p[, 1] <= times[j])), -1], 4)
  d <- keep(id, d)
  risks <- function(b) list(fg = unname(as.matrix(b[, paste0("fg", seq_along(times))])))
  r <- risks(d); s <- Score(r, formula = Hist(time, event) ~ 1, data = d, cause = cause, times = times, metrics = c("auc", "brier"), se.fit = TRUE, cens.model = "km", conservative = FALSE)
  # The standard error of the AUC by resampling people: 400 bootstrap samples.
  set.seed(1); boot <- replicate(400, { b <- as.data.frame(d)[sample(nrow(d), replace = TRUE), ]; r <- risks(b)
    Score(r, formula = Hist(time, event) ~ 1, data = b, cause = cause, times = times, metrics = "auc", se.fit = FALSE, null.model = FALSE, cens.model = "km")$AUC$score$AUC })
  add(id, id, sprintf("Score(..., Hist(time, event) ~ 1, cause = %d, cens.model = \"km\")", cause),
      list(times = times, n = nrow(d), cause = cause, brier = s$Brier$score$Brier, brier_se = s$Brier$score$se, auc = s$AUC$score$AUC, auc_se = s$AUC$score$se, auc_bootstrap_se = apply(boot, 1, sd))) }
mgus2 <- subset(transform(read("survival", "mgus2"), male = as.integer(sex == "M")), time > 0)
competing_case("mgus2_risks", mgus2, c("age", "male"), 2, c(60, 120, 240))
competing_case("melanoma_risks", read("fine_gray", "melanoma"), c("thick", "ulcer"), 1, c(1000, 2000, 3500))

versions <- list(R = R.version.string, survival = as.character(packageVersion("survival")), cmprsk = as.character(packageVersion("cmprsk")),
                 riskRegression = as.character(packageVersion("riskRegression")))
writeLines(js(list(versions = versions, cases = cases)), "expected.json")
