# Reference values of network meta-analysis and dose-response. Writes data/ and expected_network.json beside this script.
# Run from the repository root: Rscript tests/reference/synthesis_models/make_network.R
suppressPackageStartupMessages({library(metafor); library(metadat)})
here <- "tests/reference/synthesis_models"
num <- function(x) ifelse(is.na(x), "null", ifelse(is.infinite(x), ifelse(x > 0, '"inf"', '"-inf"'), sprintf("%.17g", x)))
json <- function(x, indent = "") {
  inner <- paste0(indent, " ")
  if (is.list(x)) return(paste0("{\n", paste0(inner, '"', names(x), '": ', sapply(x, json, indent = inner), collapse = ",\n"), "\n", indent, "}"))
  x <- if (is.character(x)) paste0('"', x, '"') else num(as.numeric(x))
  if (length(x) == 1) x else paste0("[", paste(x, collapse = ", "), "]")
}
write_csv <- function(d, name) {
  text <- which(!sapply(d, is.numeric))
  for (v in names(d)) if (is.numeric(d[[v]])) d[[v]] <- sprintf("%.17g", d[[v]])
  write.csv(d, file.path(here, "data", paste0(name, ".csv")), row.names = FALSE, quote = text)
}
# ---- one row an arm: estimate and standard error of the arm
senn <- with(dat.senn2013, data.frame(study = as.character(study), treatment = treatment, estimate = mi, std_error = sdi / sqrt(ni)))
odds <- function(study, treatment, x, n) { z <- ave(x, study, FUN = min) == 0; x <- x + 0.5 * z; n <- n + z
  data.frame(study = as.character(study), treatment = treatment, estimate = log(x / (n - x)), std_error = sqrt(1 / x + 1 / (n - x))) }
smoking <- with(dat.hasselblad1998, odds(study, trt, xi, ni))
dong <- subset(dat.dong2013, !(id %in% names(which(tapply(dat.dong2013$death, dat.dong2013$id, sum) == 0))))
copd <- with(dong, odds(id, treatment, death, randomized))
sets <- list(senn = senn, smoking = smoking, copd = copd)
for (n in names(sets)) write_csv(sets[[n]], paste0("network_", n))

# ---- contrasts with the first arm of each study in the alphabet, their covariance, and the consistency design
stack <- function(d) {
  d <- d[order(match(d$study, unique(d$study)), d$treatment), ]
  y <- c(); s <- c(); a <- c(); b <- c(); des <- c(); V <- list()
  for (i in unique(d$study)) {
    p <- d[d$study == i, ]; k <- nrow(p) - 1
    y <- c(y, p$estimate[-1] - p$estimate[1]); s <- c(s, rep(i, k)); a <- c(a, p$treatment[-1]); b <- c(b, rep(p$treatment[1], k))
    des <- c(des, rep(paste(p$treatment, collapse = ":"), k)); V[[i]] <- diag(p$std_error[-1]^2, k) + p$std_error[1]^2
  }
  list(d = data.frame(y, s, a, b, des), V = bldiag(V))
}
columns <- function(d, ref) { t <- setdiff(sort(unique(c(d$a, d$b))), ref); X <- sapply(t, function(x) (d$a == x) - (d$b == x)); colnames(X) <- make.names(t); X }
nets <- list()
reference <- c(senn = "placebo", smoking = "no_contact", copd = "Placebo")
for (n in names(sets)) {
  st <- stack(sets[[n]]); d <- st$d; X <- columns(d, reference[[n]]); d$row <- seq_len(nrow(d))
  common <- rma.mv(y, st$V, mods = ~ X - 1, data = d)
  for (m in c("REML", "ML")) {
    r <- rma.mv(y, st$V, mods = ~ X - 1, random = ~ row | s, struct = "CS", rho = 1/2, method = m, data = d, control = list(optimizer = "nlminb", rel.tol = 1e-10))
    nets[[paste(n, m, sep = ".")]] <- list(b = r$beta, se = r$se, tau2 = r$tau2)
  }
  saturated <- rma.mv(y, st$V, mods = ~ interaction(des, a, drop = TRUE) - 1, data = d)
  nets[[paste(n, "common", sep = ".")]] <- list(b = common$beta, se = common$se, q = common$QE, df = common$k - common$p,
    q_within = saturated$QE, df_within = saturated$k - saturated$p)
  # moments: (Q - df) / tr(P K), written out
  K <- 0.5 * (outer(d$s, d$s, "==") + diag(nrow(d))); W <- solve(st$V); P <- W - W %*% X %*% solve(t(X) %*% W %*% X) %*% t(X) %*% W
  t2 <- max(0, (common$QE - (common$k - common$p)) / sum(diag(P %*% K)))
  r <- rma.mv(y, st$V + t2 * K, mods = ~ X - 1, data = d); nets[[paste(n, "DL", sep = ".")]] <- list(b = r$beta, se = r$se, tau2 = t2)
}
# ---- a side split by hand: the direct evidence on one comparison gets its own parameter, half on each arm
split_of <- function(n, first, second) {
  st <- stack(sets[[n]]); d <- st$d; X <- columns(d, reference[[n]]); d$row <- seq_len(nrow(d))
  both <- sapply(d$des, function(x) all(c(first, second) %in% strsplit(x, ":")[[1]]))
  half <- function(t) 0.5 * (t == first) - 0.5 * (t == second)
  z <- both * (half(d$a) - half(d$b))
  r <- rma.mv(y, st$V, mods = ~ X + z - 1, random = ~ row | s, struct = "CS", rho = 1/2, data = d, control = list(optimizer = "nlminb", rel.tol = 1e-10))
  k <- length(r$beta); list(difference = r$beta[k], se = r$se[k], p = r$pval[k], tau2 = r$tau2)
}
out <- list(network = nets, splits = list(
  "smoking|ind_counseling|no_contact" = split_of("smoking", "ind_counseling", "no_contact"),
  "smoking|grp_counseling|ind_counseling" = split_of("smoking", "grp_counseling", "ind_counseling"),
  "senn|metformin|placebo" = split_of("senn", "metformin", "placebo"), "senn|acarbose|placebo" = split_of("senn", "acarbose", "placebo")))
# ---- dose-response. alcohol: Rohan & McMichael's case-control study as in Greenland & Longnecker 1992 (table of the R
# package dosresmeta); invented: six cohorts made up here, so that trends of several studies can be compared
alcohol <- data.frame(study = "alcohol", dose = c(0, 2, 6, 11), cases = c(165, 74, 90, 122), size = c(165 + 172, 74 + 93, 90 + 96, 122 + 90),
  estimate = log(c(1, 0.80, 1.16, 1.57)), std_error = c(0, log(c(1.27 / 0.51, 1.85 / 0.73, 2.51 / 0.99)) / (2 * qnorm(0.975))), design = "case_control")
invented <- do.call(rbind, lapply(1:6, function(i) {
  dose <- list(c(5, 15, 30, 60), c(10, 25, 50), c(0, 12, 24, 48, 96), c(8, 20, 45, 80), c(5, 40, 70), c(2, 18, 33, 51))[[i]]
  size <- 1000 * (i + seq_along(dose)); rate <- 0.03 * exp((-0.008 + 0.002 * (i - 3)) * dose + 0.00003 * dose^2)
  cases <- round(size * rate); y <- log((cases / size) / (cases[1] / size[1])) * 0.9; se <- sqrt(1 / cases + 1 / cases[1]) * 1.1; se[1] <- 0
  data.frame(study = paste0("cohort ", i), dose, cases, size, estimate = y, std_error = se, design = c("rate", "risk")[1 + i %% 2]) }))
write_csv(alcohol, "dose_alcohol"); write_csv(invented, "dose_invented")
# Greenland & Longnecker's own iteration (their appendix): counts by Newton's steps from the crude ones
gl <- function(d) {
  L <- d$estimate[-1]; A <- d$cases; n <- d$size; total <- sum(A); k <- length(L); cc <- d$design[1] == "case_control"
  for (it in 1:200) { a <- A[-1]; a0 <- total - sum(a)
    if (cc) { b <- n[-1] - a; b0 <- n[1] - a0; e <- L + log(a0) + log(b) - log(a) - log(b0); H <- matrix(1 / a0 + 1 / b0, k, k) + diag(1 / a + 1 / b, k) }
    else { e <- L + log(a0 / n[1]) - log(a / n[-1]); H <- matrix(1 / a0, k, k) + diag(1 / a, k) }
    step <- solve(H, e); A <- c(a0, a + step); A[1] <- total - sum(A[-1]); if (max(abs(step)) < 1e-12 * total) break }
  ch <- if (cc) 1 / A + 1 / (n - A) else if (d$design[1] == "rate") 1 / A else 1 / A - 1 / n
  s <- ch[1] + ch[-1]; r <- ch[1] / sqrt(outer(s, s)); diag(r) <- 1; r * outer(d$std_error[-1], d$std_error[-1])
}
S <- gl(alcohol); x <- alcohol$dose[-1]; W <- solve(S); b <- sum(x %*% W * alcohol$estimate[-1]) / sum(x %*% W * x)
dr <- list(alcohol = list(covariance = as.numeric(S), slope = b, se = 1 / sqrt(sum(x %*% W * x))))
parts <- split(invented, invented$study); V <- bldiag(lapply(parts, gl))
rcs <- function(d, t) { k <- length(t); cube <- function(at) pmax(d - at, 0)^3
  sapply(1:(k - 2), function(j) (cube(t[j]) - cube(t[k - 1]) * (t[k] - t[j]) / (t[k] - t[k - 1]) + cube(t[k]) * (t[k - 1] - t[j]) / (t[k] - t[k - 1])) / (t[k] - t[1])^2) }
long <- do.call(rbind, lapply(parts, function(d) data.frame(study = d$study[-1], y = d$estimate[-1], x = d$dose[-1] - d$dose[1],
  s = (rcs(d$dose, c(5, 25, 60)) - as.numeric(rcs(d$dose[1], c(5, 25, 60))))[-1])))
for (m in c("REML", "ML")) {
  r <- rma.mv(y, V, mods = ~ x - 1, random = ~ x - 1 | study, struct = "GEN", method = m, data = long)
  dr[[paste("line", m, sep = ".")]] <- list(b = r$beta, se = r$se, psi = r$tau2)
}
r <- rma.mv(y, V, mods = ~ x + s - 1, data = long); dr[["spline.common"]] <- list(b = r$beta, se = r$se, qe = r$QE)
long$x10 <- long$x / 10; long$s10 <- long$s / 10
r <- rma.mv(y, V, mods = ~ x10 + s10 - 1, random = ~ x10 + s10 - 1 | study, struct = "GEN", data = long)
dr[["spline.REML"]] <- list(b = as.numeric(r$beta) / 10, se = r$se / 10)
out$dose_response <- dr
out$source <- list(call = "Rscript tests/reference/synthesis_models/make_network.R", R = R.version.string,
  metafor = as.character(packageVersion("metafor")), metadat = as.character(packageVersion("metadat")))
writeLines(json(out), file.path(here, "expected_network.json"))
