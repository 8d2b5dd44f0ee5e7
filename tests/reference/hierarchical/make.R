# Long JAGS runs of survival.hierarchical's model, written as a textbook would. Run from this folder:
#   Rscript make.R
# Writes data/*.csv (two classic data sets with real hospitals) and expected.json: for each case the posterior
# mean, standard deviation and Monte Carlo standard error of every quantity. The tests never need R.
suppressMessages({library(survival); library(KMsurv); library(rjags); library(coda)})
load.module("glm", quiet = TRUE)
years <- function(days) days / 365.25

# ---- data --------------------------------------------------------------------------------------------------
first <- subset(survival::cgd, enum == 1)
cgd <- data.frame(time = years(first$tstop), event = first$status, unit = as.character(survival::cgd0$center[match(first$id, survival::cgd0$id)]),
                  class = as.character(first$hos.cat), treat = as.character(first$treat), inherit = as.character(first$inherit))
e <- new.env(); data("bmt", package = "KMsurv", envir = e); b <- e$bmt
bmt <- data.frame(time = years(b$t2), event = ifelse(b$d3 == 0, 0, ifelse(b$d2 == 1, 1, 2)), unit = paste("hospital", b$z9),
                  class = ifelse(b$z9 %in% c(1, 4), "US", "Australia"), disease = c("ALL", "AML low risk", "AML high risk")[b$group],
                  fab = ifelse(b$z8 == 1, "yes", "no"))
for (name in c("cgd", "bmt")) write.csv(format(get(name), digits = 15), file.path("data", paste0(name, ".csv")), row.names = FALSE, quote = FALSE)

# ---- the model ---------------------------------------------------------------------------------------------
model <- "
model {
  common ~ dnorm(log(0.01), 1 / 2.5^2)
  typical ~ dnorm(log(0.2), 1 / 0.7^2)
  log_smoothing ~ dnorm(log(0.5), 1 / 0.7^2)
  log_period ~ dnorm(log(0.1), 1 / 0.7^2)
  for (g in 1:G) {
    class_level[g] ~ dnorm(common, 1 / 0.5^2)
    log_spread[g] ~ dnorm(typical, 1 / 0.5^2)
    for (p in 1:periods) { departure[g, p] ~ dnorm(0, exp(-2 * log_period)) }
  }
  for (j in 1:J) { level[j] ~ dnorm(class_level[own[j]], exp(-2 * log_spread[own[j]])) }
  walk[1] <- 0
  for (b in 2:B) { walk[b] ~ dnorm(walk[b - 1], exp(-2 * log_smoothing) / gap[b - 1]) }
  for (b in 1:B) { shape[b] <- walk[b] - inprod(walk[], width[]) / sum(width[]) }
  for (k in 1:K) { beta[k] ~ dnorm(0, 1) }
  for (i in 1:N) {
    log(mu[i]) <- level[unit[i]] + shape[band[i]] + departure[own[unit[i]], period[band[i]]] + inprod(x[pattern[i], ], beta[]) + log_time[i]
    y[i] ~ dpois(mu[i])
  }
  %s
}"
deaths_model <- "
  common2 ~ dnorm(log(0.02), 1 / 2.5^2)
  log_smoothing2 ~ dnorm(log(0.5), 1 / 0.7^2)
  for (g in 1:G) { class2[g] ~ dnorm(common2, 1 / 0.5^2) }
  walk2[1] <- 0
  for (b in 2:B) { walk2[b] ~ dnorm(walk2[b - 1], exp(-2 * log_smoothing2) / gap[b - 1]) }
  for (b in 1:B) { shape2[b] <- walk2[b] - inprod(walk2[], width[]) / sum(width[]) }
  for (k in 1:K) { beta2[k] ~ dnorm(0, 1 / 1.5^2) }
  for (i in 1:N) {
    log(mu2[i]) <- class2[own[unit[i]]] + shape2[band[i]] + inprod(x[pattern[i], ], beta2[]) + log_time[i]
    y2[i] ~ dpois(mu2[i])
  }"

# ---- one case ----------------------------------------------------------------------------------------------
run <- function(frame, factors, breaks, new_period, horizons, reference, deaths, seed, kept = 100000, thin = 25) {
  frame$id <- seq_len(nrow(frame))
  frame$any <- as.integer(frame$event > 0)
  long <- survSplit(Surv(time, any) ~ ., data = frame, cut = breaks[-1], episode = "band", start = "from")
  long <- subset(long, band < length(breaks))
  long$spent <- long$time - long$from
  key <- do.call(paste, c(frame[factors], sep = " | "))
  patterns <- sort(unique(key)); share <- as.vector(table(factor(key, patterns))) / nrow(frame)
  columns <- list(); terms <- c()
  for (f in factors) {
    of <- frame[[f]][match(patterns, key)]
    size <- tapply(share, of, sum); commonest <- names(size)[which.max(size)]
    for (l in sort(setdiff(names(size), commonest))) { columns <- c(columns, list(as.numeric(of == l))); terms <- c(terms, paste0(f, ": ", l, " v ", commonest)) }
  }
  x <- do.call(cbind, columns); x <- sweep(x, 2, as.vector(share %*% x))
  units <- sort(unique(frame$unit)); classes <- sort(unique(frame$class))
  own <- match(frame$class[match(units, frame$unit)], classes)
  long$unit_at <- match(long$unit, units); long$pattern <- match(key[long$id], patterns)
  long$revised <- as.integer(long$any == 1 & long$event == 1); long$died <- as.integer(long$any == 1 & long$event == 2)
  cells <- aggregate(cbind(spent, revised, died) ~ unit_at + band + pattern, data = long, FUN = sum)
  B <- length(breaks) - 1; middle <- (breaks[-1] + breaks[-(B + 1)]) / 2; width <- diff(breaks)
  period <- findInterval(breaks[1:B], new_period) + 1
  d <- list(N = nrow(cells), J = length(units), G = length(classes), B = B, K = ncol(x), periods = max(period), own = own, period = period,
            unit = cells$unit_at, band = cells$band, pattern = cells$pattern, x = x, log_time = log(cells$spent), y = cells$revised,
            gap = diff(log(middle)), width = width)
  watch <- c("common", "typical", "class_level", "log_spread", "level", "shape", "departure", "beta", "log_smoothing", "log_period")
  if (deaths) { d$y2 <- cells$died; watch <- c(watch, "common2", "class2", "shape2", "beta2", "log_smoothing2") }
  text <- sprintf(model, if (deaths) deaths_model else "")
  inits <- lapply(1:4, function(k) list(.RNG.name = "base::Mersenne-Twister", .RNG.seed = seed + k))
  m <- jags.model(textConnection(text), d, inits = inits, n.chains = 4, n.adapt = 5000, quiet = TRUE)
  update(m, 10000, progress.bar = "none")
  draws <- coda.samples(m, watch, n.iter = kept, thin = thin, progress.bar = "none")
  all <- as.matrix(draws); S <- nrow(all)
  pick <- function(name, n) if (n == 1 && name %in% colnames(all)) all[, name, drop = FALSE] else all[, paste0(name, "[", seq_len(n), "]"), drop = FALSE]
  G <- d$G; J <- d$J; P <- length(patterns)
  level <- pick("level", J); shape <- pick("shape", B); cl <- pick("class_level", G); sp <- exp(pick("log_spread", G))
  dep <- array(all[, as.vector(outer(1:G, 1:d$periods, function(g, p) paste0("departure[", g, ",", p, "]")))], c(S, G, d$periods))
  kinds <- exp(pick("beta", d$K) %*% t(x))
  kinds2 <- if (deaths) exp(pick("beta2", d$K) %*% t(x)) else NULL
  class2 <- if (deaths) pick("class2", G) else NULL
  shape2 <- if (deaths) pick("shape2", B) else NULL
  # Net risk and crude incidence of a unit of level u (S) of class g by time h, patterns one by one.
  risk <- function(u, g, h) {
    net <- crude <- dead <- months <- 0
    for (p in 1:P) {
      H <- A <- 0; alive <- 1; free <- 0; i1 <- i2 <- 0
      for (b in 1:B) {
        w <- min(breaks[b + 1], h) - breaks[b]
        if (w <= 0) break
        h1 <- exp(u + shape[, b] + dep[, g, period[b]]) * kinds[, p]
        h2 <- if (deaths) exp(class2[, g] + shape2[, b]) * kinds2[, p] else 0
        free <- free + exp(-H) * (1 - exp(-h1 * w)) / h1
        gone <- alive * (1 - exp(-(h1 + h2) * w))
        i1 <- i1 + gone * h1 / (h1 + h2); i2 <- i2 + gone * h2 / (h1 + h2)
        alive <- alive - gone; H <- H + h1 * w
      }
      net <- net + share[p] * (1 - exp(-H)); crude <- crude + share[p] * i1; dead <- dead + share[p] * i2; months <- months + share[p] * 12 * free
    }
    cbind(net = net, crude = crude, dead = dead, months = months)
  }
  gh <- list(x = c(0, 0.656809566882099765, 1.32655708449493285, 2.02594801582575534, 2.78329009978165178, 3.66847084655958252),
             w = c(0.654759286914591779, 0.429359752356125028, 0.117227875167708503, 0.0119113954449115324, 0.000346819466323345510, 0.00000143956039371425822))
  node <- sqrt(2) * c(-rev(gh$x[-1]), gh$x); weight <- c(rev(gh$w[-1]), gh$w) / sqrt(pi)
  patients <- as.vector(table(factor(frame$unit, units)))
  q <- list()
  put <- function(quantity, label, value) q[[length(q) + 1]] <<- list(quantity = quantity, label = label, value = value)
  for (j in 1:J) put("level", units[j], level[, j])
  for (g in 1:G) { put("class level", classes[g], cl[, g]); put("spread", classes[g], sp[, g]) }
  for (k in 1:d$K) put("case mix", terms[k], pick("beta", d$K)[, k])
  if (deaths) for (k in 1:d$K) put("case mix, death", terms[k], pick("beta2", d$K)[, k])
  put("log_smoothing", "", all[, "log_smoothing"]); put("log_period_spread", "", all[, "log_period"])
  if (deaths) put("death_log_smoothing", "", all[, "log_smoothing2"])
  for (h in horizons) {
    by_unit <- lapply(1:J, function(j) risk(level[, j], own[j], h))
    for (j in 1:J) put(paste("unit risk", h), units[j], by_unit[[j]][, "net"])
    for (kind in c("these units", "units as a kind")) {
      made <- lapply(1:G, function(g) {
        if (kind == "these units") { at <- which(own == g); Reduce(`+`, lapply(at, function(j) by_unit[[j]] * patients[j])) / sum(patients[at]) }
        else Reduce(`+`, lapply(seq_along(node), function(n) weight[n] * risk(cl[, g] + sp[, g] * node[n], g, h)))
      })
      base <- match(reference, classes)
      for (g in 1:G) {
        put(paste("net risk", h, kind), classes[g], made[[g]][, "net"])
        put(paste("crude incidence", h, kind), classes[g], made[[g]][, "crude"])
        put(paste("death", h, kind), classes[g], made[[g]][, "dead"])
        if (h == max(horizons)) put(paste("months", kind), classes[g], made[[g]][, "months"])
        if (g != base) put(paste("difference", h, kind), classes[g], 1000 * (made[[g]][, "net"] - made[[base]][, "net"]))
      }
    }
  }
  rows <- lapply(q, function(one) {
    chains <- mcmc.list(lapply(split(one$value, rep(1:4, each = S / 4)), mcmc))
    n <- effectiveSize(chains); s <- sd(one$value)
    # Monte Carlo error of the sd from that of the squared deviations.
    n2 <- effectiveSize(mcmc.list(lapply(split((one$value - mean(one$value))^2, rep(1:4, each = S / 4)), mcmc)))
    list(quantity = one$quantity, label = one$label, mean = mean(one$value), sd = s, mcse_mean = s / sqrt(n),
         mcse_sd = sd((one$value - mean(one$value))^2) / sqrt(n2) / (2 * s))
  })
  list(breaks = breaks, periods = new_period, horizons = horizons, reference = reference, case_mix = factors,
       revisions = sum(cells$revised), deaths = sum(cells$died), person_years = sum(cells$spent), draws = S, seed = seed,
       quantities = lapply(rows, function(r) lapply(r, function(v) if (is.numeric(v)) signif(unname(v), 10) else v)))
}

out <- list(
  versions = list(R = R.version.string, JAGS = "4.3.1", rjags = as.character(packageVersion("rjags")), survival = as.character(packageVersion("survival")), KMsurv = as.character(packageVersion("KMsurv"))),
  cgd = run(read.csv("data/cgd.csv", colClasses = c(unit = "character")), c("treat", "inherit"), c(0, 0.25, 0.5, 0.75, 1), 0.5, c(0.5, 1), "US:other", FALSE, 100),
  bmt = run(read.csv("data/bmt.csv"), c("disease", "fab"), c(0, 0.25, 0.5, 1, 2, 4), 0.5, c(1, 4), "US", TRUE, 200))
writeLines(jsonlite::toJSON(out, auto_unbox = TRUE, digits = NA, pretty = 1), "expected.json")
