# Maximum-likelihood fits by lme4::glmer, written to expected.json with calls and versions.
#   Rscript tests/reference/binomial/make.R          (from the project's root)
# Debian packages: r-base-core r-cran-lme4 r-cran-jsonlite. Tests read expected.json and never need R.

suppressPackageStartupMessages({
  library(lme4)
  library(jsonlite)
})
here <- "tests/reference/binomial"
# Tighter than lme4's defaults, so that what differs from us is the model and not the optimiser.
control <- glmerControl(optimizer = "bobyqa", optCtrl = list(rhoend = 1e-9, maxfun = 1e6))

described <- function(fit, call) {
  list(
    call = call,
    fixed = as.list(fixef(fit)),
    fixed_se = as.list(setNames(sqrt(diag(as.matrix(vcov(fit)))), names(fixef(fit)))),
    spread = attr(VarCorr(fit)[[1]], "stddev")[[1]],
    unit_mode = as.list(setNames(ranef(fit)[[1]][, 1], rownames(ranef(fit)[[1]])))
  )
}

published <- fromJSON(file.path(here, "published.json"))$data
surgical <- data.frame(
  events = published$events, trials = published$trials, hospital = sprintf("%02d", seq_along(published$trials))
)
one <- glmer(
  cbind(events, trials - events) ~ 1 + (1 | hospital),
  data = surgical, family = binomial, nAGQ = 25, control = control
)

simulated <- read.csv(file.path(here, "simulated.csv"))
simulated <- simulated[simulated$trials > 0, ]
commonest <- function(factor_of) names(sort(tapply(simulated$trials, factor_of, sum), decreasing = TRUE))[1]
for (name in c("age", "sex")) {
  simulated[[name]] <- relevel(factor(simulated[[name]]), ref = commonest(simulated[[name]]))
}
simulated$class <- relevel(factor(simulated$class), ref = "general")
two <- glmer(
  cbind(events, trials - events) ~ class + age + sex + (1 | unit),
  data = simulated, family = binomial, nAGQ = 25, control = control
)

answer <- list(
  source = list(
    made_by = "tests/reference/binomial/make.R",
    R = R.version.string,
    packages = list(
      lme4 = as.character(packageVersion("lme4")), jsonlite = as.character(packageVersion("jsonlite"))
    ),
    date = format(Sys.Date())
  ),
  surgical = described(
    one, "glmer(cbind(events, trials - events) ~ 1 + (1 | hospital), family = binomial, nAGQ = 25)"
  ),
  simulated = described(
    two, "glmer(cbind(events, trials - events) ~ class + age + sex + (1 | unit), family = binomial, nAGQ = 25)"
  )
)

# %.17g: an unchanged number is an unchanged byte.
exact <- function(x) {
  if (is.list(x)) {
    inside <- mapply(function(name, value) paste0(toJSON(name, auto_unbox = TRUE), ": ", exact(value)), names(x), x)
    paste0("{\n", paste(inside, collapse = ",\n"), "\n}")
  } else if (is.numeric(x)) sprintf("%.17g", x) else as.character(toJSON(x, auto_unbox = TRUE))
}
writeLines(prettify(exact(answer), indent = 1), file.path(here, "expected.json"))
