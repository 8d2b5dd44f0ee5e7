# Multivariate mixed models by REML, a binomial mixed model and a linear model, in R: Rscript make.R
# Writes expected.json beside this file. All data are made here (seeds below); none is real.
library(jsonlite)
library(metafor)
library(lme4)

set.seed(20161)
units <- 150
tau <- c(0.30, 0.25)
rho <- 0.6
chance <- 0.3
class <- rep(c("special", "usual"), c(40, 110))
mean <- cbind(ifelse(class == "special", -0.2, 0), ifelse(class == "special", 0.15, 0))
sigma <- diag(tau) %*% matrix(c(1, rho, rho, 1), 2) %*% diag(tau)
information <- cbind(runif(units, 20, 120), runif(units, 20, 120))
level <- mean + matrix(rnorm(2 * units), ncol = 2) %*% chol(sigma)
noise <- matrix(rnorm(2 * units), ncol = 2) %*% chol(matrix(c(1, chance, chance, 1), 2))
y <- level + noise / sqrt(information)
long <- data.frame(unit = rep(seq_len(units), each = 2), outcome = rep(c("a", "b"), units), y = as.vector(t(y)),
                   class = rep(class, each = 2))
v <- lapply(seq_len(units), function(j) {
  d <- diag(1 / sqrt(information[j, ]))
  d %*% matrix(c(1, chance, chance, 1), 2) %*% d
})
call <- "rma.mv(y, V, mods = ~ outcome:class - 1, random = ~ outcome | unit, struct = 'UN', method = 'REML')"
fit <- rma.mv(y, bldiag(v), mods = ~ outcome:class - 1, random = ~ outcome | unit, struct = "UN", data = long, method = "REML")

set.seed(20162)
herds <- 90
rows <- expand.grid(age = c("old", "young"), unit = seq_len(herds))
rows$asked <- rpois(nrow(rows), 60) + 5
own <- rnorm(herds, 0, 0.4)
rows$events <- rbinom(nrow(rows), rows$asked, plogis(-1.8 + own[rows$unit] + 0.5 * (rows$age == "old")))
rows$total <- NA
rows$squares <- NA
gains <- list()
for (i in seq_len(nrow(rows))) {
  x <- round(rnorm(rows$asked[i], 20 + 2 * own[rows$unit[i]] - 3 * (rows$age[i] == "old"), 8), 1)
  rows$total[i] <- sum(x)
  rows$squares[i] <- sum(x^2)
  gains[[i]] <- data.frame(unit = rows$unit[i], old = as.numeric(rows$age[i] == "old"), x = x)
}
glmm <- glmer(cbind(events, asked - events) ~ age + (1 | unit), family = binomial, data = rows, nAGQ = 15)
people <- do.call(rbind, gains)
people$old <- people$old - mean(people$old)
linear <- lm(x ~ 0 + factor(unit) + old, data = people)

out <- list(
  versions = list(R = R.version.string, metafor = as.character(packageVersion("metafor")),
                  lme4 = as.character(packageVersion("lme4"))),
  joint = list(call = call, y = y, information = information, chance = chance, class = class,
               beta = as.vector(fit$beta), names = rownames(fit$beta), se = fit$se, tau = sqrt(fit$tau2), rho = fit$rho),
  cells = rows[, c("unit", "age", "asked", "events", "total", "squares")],
  glmer = list(call = "glmer(cbind(events, asked - events) ~ age + (1 | unit), nAGQ = 15)",
               tau = as.numeric(attr(VarCorr(glmm)$unit, "stddev")), fixed = as.vector(fixef(glmm)),
               se = as.vector(sqrt(diag(as.matrix(vcov(glmm)))))),
  lm = list(call = "lm(x ~ 0 + factor(unit) + old), old centred", units = as.vector(coef(linear)[seq_len(herds)]),
            old = as.numeric(coef(linear)["old"]), sigma = summary(linear)$sigma)
)
write(toJSON(out, digits = NA, auto_unbox = TRUE, dataframe = "columns"), "expected.json")
