# Expected values for tests/reference/rate_regression, made by R. Run from this folder: Rscript make.R
# Writes data/*.csv (public data sets of R's MASS) and expected.json.
suppressMessages({library(MASS); library(sandwich); library(survival)})
options(warn = 1)

js <- function(x) {
  if (is.list(x)) return(paste0("{", paste0('"', names(x), '": ', vapply(x, js, ""), collapse = ",\n "), "}"))
  if (is.matrix(x)) return(paste0("[", paste(apply(x, 1, function(r) js(as.vector(r))), collapse = ", "), "]"))
  if (is.character(x)) return(as.character(jsonlite::toJSON(x, auto_unbox = TRUE)))
  paste0("[", paste(ifelse(is.finite(x), sprintf("%.17g", x), "null"), collapse = ", "), "]")
}
cases <- list()
keep <- function(name, frame) {
  write.csv(frame, file.path("data", paste0(name, ".csv")), row.names = FALSE, quote = FALSE, na = "")
  frame
}
# ---- data ------------------------------------------------------------------------------------------------
quine <- keep("quine", transform(MASS::quine, years = 1))
insurance <- keep("insurance", data.frame(claims = MASS::Insurance$Claims, years = MASS::Insurance$Holders, district = paste0("d", MASS::Insurance$District),
  group = as.character(MASS::Insurance$Group), age = as.character(MASS::Insurance$Age)))
epil <- keep("epil", data.frame(seizures = MASS::epil$y, years = 14 / 365.25, treated = as.integer(MASS::epil$trt == "progabide"), log_base = MASS::epil$lbase, fourth = MASS::epil$V4, subject = MASS::epil$subject))
veteran <- transform(survival::veteran, years = time / 365.25)
tight <- glm.control(epsilon = 1e-13, maxit = 200)

values <- function(m, cluster = NULL) {
  v <- if (is.null(cluster)) summary(m, dispersion = 1)$cov.scaled else vcovCL(m, cluster = cluster, type = "HC0", cadjust = FALSE)
  list(terms = paste(names(coef(m)), collapse = "|"), coefficients = coef(m), covariance = v, pearson = sum(residuals(m, "pearson")^2), dof = df.residual(m), log_likelihood = as.numeric(logLik(m)))
}
poisson_ <- function(id, data, f, frame, cluster = NULL) {
  m <- glm(f, poisson, frame, control = tight)
  cases[[id]] <<- list(data = data, call = paste("glm", deparse(f, 200)), values = values(m, cluster))
}
# glm.nb alternates and stops early, so theta is found here as the root of the profile's slope
negative <- function(id, data, f, frame, cluster = NULL) {
  y <- model.response(model.frame(f, frame))
  fit <- function(theta) glm(f, negative.binomial(theta), frame, control = tight)
  like <- function(m, theta) { mu <- fitted(m); sum(dnbinom(y, size = theta, mu = mu, log = TRUE)) }
  slope <- function(log_theta) { theta <- exp(log_theta); mu <- fitted(fit(theta))
    theta * sum(digamma(theta + y) - digamma(theta) + log(theta) + 1 - log(theta + mu) - (y + theta) / (mu + theta)) }
  top <- uniroot(slope, c(-3, 5), tol = 1e-12)$root; theta <- exp(top); m <- fit(theta)
  best <- like(m, theta); target <- best - qchisq(0.95, 1) / 2
  off <- function(t) like(fit(exp(t)), exp(t)) - target
  limits <- 1 / exp(c(uniroot(off, c(top, top + 6), tol = 1e-11)$root, uniroot(off, c(top - 6, top), tol = 1e-11)$root))
  h <- 1e-3; curvature <- -(slope(top + h) - slope(top - h)) / (2 * h)
  p <- glm(f, poisson, frame, control = tight)
  v <- values(m, cluster); v$log_likelihood <- best
  cases[[id]] <<- list(data = data, call = paste("glm.nb", deparse(f, 200)), values = c(v, list(alpha = 1 / theta, limits = limits, error_log_alpha = 1 / sqrt(curvature),
    statistic = 2 * (best - as.numeric(logLik(p))), glm_nb = 1 / glm.nb(f, frame, control = glm.control(epsilon = 1e-12, maxit = 200))$theta)))
}
q <- Days ~ Eth + Sex + Age + Lrn + offset(log(years))
e <- seizures ~ treated + log_base + fourth + offset(log(years))
i <- claims ~ district + group + age + offset(log(years))
v <- status ~ celltype + age + offset(log(years))
poisson_("poisson_quine", "quine", q, quine)
poisson_("poisson_epil", "epil", e, epil)
poisson_("poisson_epil_cluster", "epil", e, epil, epil$subject)
poisson_("poisson_insurance", "insurance", i, insurance)
poisson_("poisson_veteran", "veteran", v, veteran)
negative("negative_quine", "quine", q, quine)
negative("negative_epil", "epil", e, epil)
negative("negative_epil_cluster", "epil", e, epil, epil$subject)
# Insurance: no over-dispersion beyond Poisson; the likelihood at alphas above 0 is lower
mu <- fitted(glm(i, poisson, insurance, control = tight))
cases$insurance_zero <- list(data = "insurance", call = "slope of the negative binomial likelihood at alpha 0, and the likelihood at alphas",
  values = list(slope = sum((insurance$claims - mu)^2 - insurance$claims) / 2, alpha = c(1e-4, 1e-3, 1e-2),
    log_likelihood = sapply(c(1e-4, 1e-3, 1e-2), function(a) { m <- glm(i, negative.binomial(1 / a), insurance, control = tight); sum(dnbinom(insurance$claims, size = 1 / a, mu = fitted(m), log = TRUE)) }),
    poisson = as.numeric(logLik(glm(i, poisson, insurance)))))
# rate predicted and standardised: epil, per 100 years
m <- glm(seizures ~ treated + log_base + offset(log(years)), poisson, epil, control = tight)
std <- function(arm) { X <- model.matrix(~ treated + log_base, transform(epil, treated = arm))
  r <- epil$years / sum(epil$years) * exp(X %*% coef(m)); g <- colSums(as.vector(r) * X) / sum(r)
  c(log(100 * sum(r)), sqrt(g %*% vcov(m) %*% g)) }
cases$standardised_epil <- list(data = "epil", call = "average of predicted rates with all in one arm; delta method", values = list(control = std(0), treated = std(1),
  predicted = unlist(predict(m, data.frame(treated = 1, log_base = 0.5, years = 100), se.fit = TRUE)[1:2])))
versions <- list(R = R.version.string, MASS = as.character(packageVersion("MASS")), sandwich = as.character(packageVersion("sandwich")))
writeLines(js(list(versions = versions, cases = cases)), "expected.json")
