# Reference values of synthesis.survival_curves from metafor. Writes expected.json beside this script.
# Run from the repository root: Rscript tests/reference/survival_curves/make.R
suppressPackageStartupMessages({library(metafor); library(metadat); library(survival); library(jsonlite)})
here <- "tests/reference/survival_curves"
control <- list(optimizer = "Nelder-Mead", reltol = 1e-15, maxit = 20000)

# ---- one multivariate model: free means at each time, or a line in log time; CAR on log time
pooled <- function(d, V, mods, rho = NULL) {
  d$logt <- log(d$time); d$at <- factor(d$time)
  args <- list(yi = d$y, V = V, data = d, random = ~ logt | study, struct = "CAR", method = "REML", control = control)
  args$mods <- if (mods == "free") ~ at - 1 else ~ logt
  if (!is.null(rho)) args$rho <- rho
  f <- suppressWarnings(do.call(rma.mv, args))
  list(coefficients = as.numeric(f$b), covariance = unname(f$vb), tau2 = f$tau2, rho = f$rho,
       log_likelihood = as.numeric(logLik(f)), n = nrow(d), p = ncol(f$vb))
}
case <- function(d, V) {
  out <- list(study = as.character(d$study), time = d$time, y = d$y, V = unname(V))
  out$free <- pooled(d, V, "free"); out$line <- pooled(d, V, "line")
  out$free_0.7 <- pooled(d, V, "free", rho = 0.7); out$line_0.7 <- pooled(d, V, "line", rho = 0.7)
  out
}

# ---- real curves: groups of patients as studies, log cumulative hazard with Greenwood's covariance
groups <- function(time, event, by, times) {
  parts <- lapply(split(seq_along(time), by), function(i) {
    f <- summary(survfit(Surv(time[i], event[i]) ~ 1), times = times)
    s <- f$surv; v <- (f$std.err / s)^2
    list(y = -log(-log(s)), V = outer(1 / log(s), 1 / log(s)) * outer(v, v, pmin))
  })
  d <- data.frame(study = rep(names(parts), each = length(times)), time = times, y = unlist(lapply(parts, `[[`, "y")))
  list(d = d, V = as.matrix(Matrix::bdiag(lapply(parts, `[[`, "V"))))
}
co <- subset(colon, etype == 2)
a <- groups(co$time, co$status, paste(co$rx, co$sex, co$node4), 365.25 * c(1, 3, 5))
l <- lung[!is.na(lung$inst), ]; l <- l[l$inst %in% names(which(table(l$inst) >= 12)), ]
b <- groups(l$time, l$status == 2, paste("institution", l$inst), c(180, 360))
keep <- is.finite(b$d$y) & diag(b$V) > 0
b <- list(d = b$d[keep, ], V = b$V[keep, keep])
m <- groups(mgus2$futime, mgus2$death, cut(mgus2$age, c(0, 55, 60, 65, 70, 75, 80, 85, 120)), c(24, 60, 120))

# ---- a published multivariate set: deep-brain stimulation, 46 studies at up to four times (Ishak et al. 2007)
w <- dat.ishak2007
i <- reshape(w, direction = "long", idvar = "study", v.names = c("yi", "vi"),
             varying = list(c("y1i", "y2i", "y3i", "y4i"), c("v1i", "v2i", "v3i", "v4i")))
i <- i[order(i$study, i$time), ]; i <- i[!is.na(i$yi), ]
V <- vcalc(vi, cluster = study, time1 = time, phi = 0.97, data = i)
ishak <- case(data.frame(study = i$study, time = i$time, y = i$yi / 10), V / 100)

out <- list(
  versions = list(R = as.character(getRversion()), metafor = as.character(packageVersion("metafor")),
                  metadat = as.character(packageVersion("metadat")), survival = as.character(packageVersion("survival"))),
  call = "rma.mv(y, V, mods = ~ factor(time) - 1 or ~ log(time), random = ~ log(time) | study, struct = 'CAR', method = 'REML')",
  cases = list(colon = case(a$d, a$V), lung = case(b$d, b$V), mgus2 = case(m$d, m$V), ishak = ishak))
write(toJSON(out, digits = I(17), auto_unbox = TRUE), file.path(here, "expected.json"))
