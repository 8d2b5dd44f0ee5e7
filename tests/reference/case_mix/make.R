# Case-mix models, g-computation, accuracy and agreement in R: Rscript make.R
# Writes data/pupils.csv and expected.json beside this file.
# Pupils: MASS::nlschools (Snijders & Bosker 1999), 2,287 pupils of 133 classes. Peak flow: Bland & Altman (1986).
suppressMessages({library(jsonlite); library(MASS); library(sandwich); library(pROC); library(Hmisc)})
d <- nlschools
d$size_band <- cut(d$GS, c(0, 20, 28, 100), labels = c("small", "middle", "large"))
d$combined <- ifelse(d$COMB == "1", "combined", "single")
d$low <- as.integer(d$lang < 35)
d$class <- paste0("c", d$class)
pupils <- data.frame(class = d$class, lang = d$lang, low = d$low, iq = d$IQ, ses = d$SES, size_band = as.character(d$size_band),
                     combined = d$combined)
write.csv(pupils, "data/pupils.csv", row.names = FALSE)
d$size_band <- relevel(factor(as.character(d$size_band)), names(sort(-table(d$size_band)))[1])
d$combined <- relevel(factor(d$combined), names(sort(-table(d$combined)))[1])

# knots as ours choose them: observed values at equally spaced quantiles of patients
knots <- quantile(d$IQ, c(.05, .35, .65, .95), type = 1, names = FALSE)
basis <- rcspline.eval(d$IQ, knots = knots, inclx = TRUE)
colnames(basis) <- c("iq", "bend1", "bend2")
m <- cbind(d, basis)

describe <- function(fit) list(
  names = names(coef(fit)), coef = unname(coef(fit)), se = unname(sqrt(diag(vcov(fit)))),
  se_class = unname(sqrt(diag(vcovCL(fit, cluster = ~class)))))
logistic <- glm(low ~ iq + bend1 + bend2 + SES + size_band + combined, binomial, m, control = glm.control(epsilon = 1e-14, maxit = 50))
linear <- lm(lang ~ iq + bend1 + bend2 + SES + size_band + combined, m)

# each class: observed, expected and the standard error of the expected from the coefficients
by_class <- function(fit, y) {
  x <- model.matrix(fit); p <- fitted(fit); h <- if (inherits(fit, "glm")) p * (1 - p) else rep(1, length(p))
  g <- rowsum(x * h, m$class)
  data.frame(class = rownames(g), n = as.vector(table(m$class)[rownames(g)]), observed = rowsum(y, m$class)[, 1],
             expected = rowsum(p, m$class)[, 1], se = sqrt(diag(g %*% vcovCL(fit, cluster = ~class) %*% t(g))))
}

# g-computation by combined classes
standardise <- function(fit, rows = rep(TRUE, nrow(m))) {
  levels <- c("combined", "single")
  at <- lapply(levels, function(l) { e <- m[rows, ]; e$combined <- factor(l, levels(m$combined)); e })
  x <- lapply(at, function(e) model.matrix(delete.response(terms(fit)), e))
  h <- if (inherits(fit, "glm")) plogis else identity
  mean <- sapply(x, function(z) mean(h(z %*% coef(fit))))
  grad <- t(sapply(x, function(z) { q <- h(z %*% coef(fit)); w <- if (inherits(fit, "glm")) q * (1 - q) else 1; colMeans(z * as.vector(w)) }))
  v <- grad %*% vcovCL(fit, cluster = ~class) %*% t(grad)
  list(classes = levels, mean = mean, se = sqrt(diag(v)), difference = mean[1] - mean[2],
       difference_se = sqrt(v[1, 1] + v[2, 2] - 2 * v[1, 2]), log_ratio = log(mean[1] / mean[2]),
       log_ratio_se = sqrt(v[1, 1] / mean[1]^2 + v[2, 2] / mean[2]^2 - 2 * v[1, 2] / prod(mean)))
}

# accuracy in pupils the model has not seen: fitted to the first 1,200, judged on the rest
first <- seq_len(nrow(m)) <= 1200
half <- glm(low ~ IQ + SES, binomial, m[first, ], control = glm.control(epsilon = 1e-14))
rest <- m[!first, ]; p <- predict(half, rest, type = "response")
curve <- roc(rest$low, p, quiet = TRUE, direction = "<")
slope <- glm(rest$low ~ qlogis(p), family = binomial, control = glm.control(epsilon = 1e-14))
large <- glm(rest$low ~ offset(qlogis(p)), family = binomial, control = glm.control(epsilon = 1e-14))
half_l <- lm(lang ~ IQ + SES, m[first, ]); q <- predict(half_l, rest)
slope_l <- lm(rest$lang ~ q)

# agreement
flow <- data.frame(
  wright = c(494, 395, 516, 434, 476, 557, 413, 442, 650, 433, 417, 656, 267, 478, 178, 423, 427),
  mini = c(512, 430, 520, 428, 500, 600, 364, 380, 658, 445, 432, 626, 260, 477, 259, 350, 451))
lin <- function(x, y) { s <- function(a, b) mean((a - mean(a)) * (b - mean(b))); 2 * s(x, y) / (s(x, x) + s(y, y) + (mean(x) - mean(y))^2) }
gap <- data.frame(d = m$lang - fitted(linear), class = factor(m$class))
table <- anova(aov(d ~ class, gap)); sizes <- as.vector(table(gap$class))
typical <- (sum(sizes) - sum(sizes^2) / sum(sizes)) / (length(sizes) - 1)
test <- cor.test(flow$wright, flow$mini)

out <- list(
  call = list(R = R.version.string, sandwich = as.character(packageVersion("sandwich")), pROC = as.character(packageVersion("pROC")),
              Hmisc = as.character(packageVersion("Hmisc")), MASS = as.character(packageVersion("MASS"))),
  knots = knots, basis = unname(basis[1:50, ]), logistic = c(describe(logistic), deviance = deviance(logistic), null = logistic$null.deviance),
  linear = c(describe(linear), sigma = sigma(linear), r2 = summary(linear)$r.squared),
  classes_logistic = by_class(logistic, m$low), classes_linear = by_class(linear, m$lang),
  g_logistic = standardise(logistic), g_linear = standardise(linear), g_treated = standardise(logistic, m$combined == "combined"),
  accuracy = list(c = as.numeric(auc(curve)), c_se = sqrt(var(curve)), slope = unname(coef(slope)[2]), slope_se = sqrt(vcov(slope)[2, 2]),
                  large = unname(coef(large)), large_se = sqrt(vcov(large)[1, 1]), brier = mean((rest$low - p)^2),
                  expected = unname(p)),
  accuracy_value = list(explained = 1 - sum((rest$lang - q)^2) / sum((rest$lang - mean(rest$lang))^2), slope = unname(coef(slope_l)[2]),
                        slope_se = sqrt(vcov(slope_l)[2, 2]), large = mean(rest$lang - q), expected = unname(q)),
  flow = list(wright = flow$wright, mini = flow$mini, r = unname(test$estimate), lower = test$conf.int[1], upper = test$conf.int[2],
              bias = mean(flow$wright - flow$mini), sd = sd(flow$wright - flow$mini), lin = lin(flow$wright, flow$mini)),
  components = list(within = sqrt(table[2, 3]), between = sqrt(max(0, (table[1, 3] - table[2, 3]) / typical)), theirs = unname(fitted(linear))))
write(toJSON(out, digits = NA, auto_unbox = TRUE, dataframe = "columns", matrix = "rowmajor"), "expected.json")
cat(out$logistic$coef, "\n", out$flow$bias, out$flow$sd, "\n")
