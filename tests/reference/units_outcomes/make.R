# Maximum-likelihood fits of records.csv, written to expected.json with calls and versions.
#   Rscript tests/reference/units_outcomes/make.R          (from the project's root)
# Debian packages: r-base-core r-cran-lme4 r-cran-ordinal r-cran-jsonlite. Tests read expected.json and never need R.

suppressPackageStartupMessages({
  library(lme4)
  library(ordinal)
  library(jsonlite)
})
here <- "tests/reference/units_outcomes"
d <- read.csv(file.path(here, "records.csv"), stringsAsFactors = TRUE)
d$class <- relevel(d$class, "general")
d$age <- relevel(d$age, "middle")
d$sex <- relevel(d$sex, "female")
d$answer <- factor(d$answer, levels = c("poor", "fair", "good", "very good"), ordered = TRUE)

gain_call <- "lmer(gain ~ class + age + sex + (1 | unit), REML = TRUE)"
gain <- lmer(gain ~ class + age + sex + (1 | unit), data = d, REML = TRUE,
             control = lmerControl(optimizer = "bobyqa", optCtrl = list(rhoend = 1e-9)))
answer_call <- "clmm(answer ~ class + age + sex + (1 | unit), nAGQ = 15)"
answer <- clmm(answer ~ class + age + sex + (1 | unit), data = d, nAGQ = 15)
plain <- clm(answer ~ age + sex, data = d)

expected <- list(
  versions = list(R = R.version.string, lme4 = as.character(packageVersion("lme4")),
                  ordinal = as.character(packageVersion("ordinal"))),
  gain = list(
    call = gain_call,
    fixed = as.list(fixef(gain)),
    fixed_se = as.list(setNames(sqrt(diag(as.matrix(vcov(gain)))), names(fixef(gain)))),
    spread = attr(VarCorr(gain)[[1]], "stddev")[[1]],
    residual = sigma(gain)
  ),
  answer = list(
    call = answer_call,
    fixed = as.list(coef(answer)),
    fixed_se = as.list(setNames(sqrt(diag(vcov(answer)))[names(coef(answer))], names(coef(answer)))),
    spread = as.numeric(answer$ST$unit)
  ),
  plain = list(
    call = "clm(answer ~ age + sex)",
    fixed = as.list(coef(plain)),
    log_likelihood = as.numeric(logLik(plain))
  )
)
write(toJSON(expected, auto_unbox = TRUE, digits = I(17), pretty = TRUE), file.path(here, "expected.json"))
