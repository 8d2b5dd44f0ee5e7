# Expected values for tests/reference/multistate, made by R. Run from this folder: Rscript make.R
# Writes data/*.csv (stays in states, from public data sets of R's survival and etm) and expected.json.
suppressMessages({library(survival); library(etm)})
options(warn = 1)

js <- function(x) {
  if (is.list(x)) return(paste0("{", paste0('"', names(x), '": ', vapply(x, js, ""), collapse = ",\n "), "}"))
  if (is.matrix(x)) return(paste0("[", paste(apply(x, 1, function(r) js(as.vector(r))), collapse = ", "), "]"))
  if (is.character(x)) return(as.character(jsonlite::toJSON(x, auto_unbox = TRUE)))
  paste0("[", paste(ifelse(is.finite(x), sprintf("%.17g", x), "null"), collapse = ", "), "]")
}
cases <- list()
add <- function(id, data, call, values) cases[[id]] <<- list(data = data, call = call, values = values)
keep <- function(name, frame) {
  write.csv(frame, file.path("data", paste0(name, ".csv")), row.names = FALSE, quote = FALSE, na = "")
  frame
}

# ---- data: one row a stay ------------------------------------------------------------------------------------
stays <- function(d, initial) {   # from tmerge's rows: id, tstart, tstop, event (a factor, first level: none)
  d <- d[order(d$id, d$tstart), ]
  from <- character(nrow(d)); now <- initial
  for (i in seq_len(nrow(d))) {
    if (i == 1 || d$id[i] != d$id[i - 1]) now <- initial
    from[i] <- now
    if (d$event[i] != levels(d$event)[1]) now <- as.character(d$event[i])
  }
  d$from <- from; d$to <- ifelse(d$event == levels(d$event)[1], NA, as.character(d$event)); d
}
# progression (pcm) or death; where both fall in one month, progression is put a tenth of a month earlier
m <- survival::mgus2; m$ptime <- ifelse(m$ptime == m$futime & m$pstat == 1, m$ptime - 0.1, m$ptime)
t <- tmerge(m[, c("id", "sex")], m, id = id, death = event(futime, death), pcm = event(ptime, pstat))
t$event <- factor(with(t, ifelse(death == 1, 2, pcm)), 0:2, c("none", "pcm", "death"))
mgus2 <- keep("mgus2_states", stays(t, "mgus")[, c("id", "tstart", "tstop", "sex", "from", "to")])
# myeloid leukaemia: complete response, relapse, death
y <- survival::myeloid
y$crtime <- ifelse(!is.na(y$crtime) & y$crtime == y$futime, y$crtime - 0.5, y$crtime)
t <- tmerge(y[, c("id", "trt")], y, id = id, death = event(futime, death), cr = event(crtime), relapse = event(rltime))
t$event <- factor(with(t, ifelse(death == 1, 3, ifelse(relapse == 1, 2, cr))), 0:3, c("none", "response", "relapse", "death"))
myeloid <- keep("myeloid_states", stays(t, "entry")[, c("id", "tstart", "tstop", "trt", "from", "to")])
# intensive care: 0 not ventilated, 1 ventilated, back and forth, 2 end of stay; people begin in either
data(sir.cont)
s <- sir.cont[order(sir.cont$id, sir.cont$time), ]
s$entry <- ave(s$time, s$id, FUN = function(x) c(0, x[-length(x)]))
same <- s$entry == s$time; s$time[same] <- s$time[same] + 0.5
s$entry <- ave(s$time, s$id, FUN = function(x) c(0, x[-length(x)]))
sir <- keep("sir_states", data.frame(id = s$id, entry = s$entry, time = s$time, sex = s$sex, from = s$from, to = ifelse(s$to == "cens", NA, as.character(s$to))))
# abortion or live birth, women coming under observation late
data(abortion)
abortion <- keep("abortion_states", data.frame(id = abortion$id, entry = abortion$entry, exit = abortion$exit, group = abortion$group, from = "pregnant",
  to = c("elective", "birth", "spontaneous")[abortion$cause]))
# heart transplant: on the list, transplanted, dead
h <- survival::heart
heart <- keep("heart_states", data.frame(id = h$id, start = h$start, stop = h$stop, from = ifelse(h$transplant == 1, "transplant", "list"),
  to = ifelse(h$event == 1, "death", ifelse(c(h$id[-1] == h$id[-nrow(h)], FALSE), "transplant", NA))))

# ---- survfit: probabilities, infinitesimal jackknife, hazards, mean time in state ---------------------------
multi <- function(id, name, d, time, entry, by, times, horizon) {
  d$state__ <- factor(ifelse(is.na(d$to), "none", d$to), c("none", sort(setdiff(unique(na.omit(c(d$to, d$from))), "none"))))
  f <- as.formula(sprintf("Surv(%s, %s, state__) ~ %s", entry, time, by))
  fit <- survfit(f, d, id = id, istate = factor(d$from, levels(d$state__)[-1]))
  s <- summary(fit, times = times, extend = TRUE)
  groups <- if (is.null(s$strata)) rep("all", length(s$time)) else sub(".*=", "", as.character(s$strata))
  r <- as.data.frame(summary(fit, rmean = horizon)$table)
  by_influence <- NA   # of each probability: with the chance of where people begin, which std.err leaves out
  error <- NA   # of mean time in state: survfit's influence on each probability, added up over time
  if (by == "1") {
    i <- survfit(f, d, id = id, istate = factor(d$from, levels(d$state__)[-1]), influence = 1)
    u <- i$influence.pstate; k <- which(i$time < horizon); gap <- diff(c(i$time[k], horizon))
    if (dim(u)[2] == length(i$time) + 1) { start <- u[, 1, ] * i$time[1]; u <- u[, -1, ] } else start <- 0
    each <- start + apply(u[, k, ], c(1, 3), function(x) sum(x * gap))
    error <- sqrt(colSums(each^2))
    at <- pmax(findInterval(times, i$time), 1)
    by_influence <- sqrt(apply(u[, at, ]^2, c(2, 3), sum))
  }
  parts <- list()
  for (g in unique(groups)) parts[[g]] <- list(time = s$time[groups == g], estimate = s$pstate[groups == g, ], std_error = s$std.err[groups == g, ], cumhaz = s$cumhaz[groups == g, ])
  add(id, name, sprintf("survfit(%s, id = id, istate = from)", deparse(f)),
    list(states = list2(fit$states), hazards = list2(colnames(fit$cumhaz)), groups = parts, mean_time = r[["rmean"]], mean_time_error = error, influence_error = by_influence, horizon = horizon))
}
list2 <- function(x) paste(x, collapse = "|")
multi("survfit_mgus2", "mgus2_states", mgus2, "tstop", "tstart", "1", c(12, 60, 120, 240), 240)
multi("survfit_mgus2_sex", "mgus2_states", mgus2, "tstop", "tstart", "sex", c(12, 60, 120, 240), 240)
multi("survfit_myeloid", "myeloid_states", myeloid, "tstop", "tstart", "trt", c(50, 200, 500, 1000), 1000)
multi("survfit_sir", "sir_states", sir, "time", "entry", "1", c(1, 3, 10, 30), 30)
multi("survfit_heart", "heart_states", heart, "stop", "start", "1", c(5, 30, 100, 500), 500)

# ---- etm: transition probabilities and their Greenwood-type covariance -------------------------------------------
trans <- function(id, name, d, time, entry, s, t) {
  states <- sort(unique(na.omit(c(as.character(d$from), as.character(d$to)))))
  e <- data.frame(id = d$id, from = as.character(d$from), to = ifelse(is.na(d$to), "cens", as.character(d$to)), entry = d[[entry]], exit = d[[time]])
  tra <- matrix(FALSE, length(states), length(states), dimnames = list(states, states))
  for (k in which(e$to != "cens")) tra[e$from[k], e$to[k]] <- TRUE
  fit <- etm(e, states, tra, "cens", s = s, t = t, covariance = TRUE)
  P <- fit$est[, , dim(fit$est)[3]]; V <- fit$cov[, , dim(fit$cov)[3]]
  add(id, name, sprintf("etm(data, states, tra, 'cens', s = %g, t = %g)", s, t), list(states = list2(states), probability = P, covariance = V, rows = list2(rownames(V)), start = s, end = t))
}
trans("etm_mgus2", "mgus2_states", mgus2, "tstop", "tstart", 0, 120)
trans("etm_mgus2_later", "mgus2_states", mgus2, "tstop", "tstart", 60, 200)
trans("etm_myeloid", "myeloid_states", myeloid, "tstop", "tstart", 30, 700)
trans("etm_sir", "sir_states", sir, "time", "entry", 0, 20)
trans("etm_sir_later", "sir_states", sir, "time", "entry", 5, 40)
trans("etm_heart", "heart_states", heart, "stop", "start", 0, 300)
trans("etm_abortion", "abortion_states", abortion, "exit", "entry", 15, 40)

versions <- list(R = R.version.string, survival = as.character(packageVersion("survival")), etm = as.character(packageVersion("etm")))
writeLines(js(list(versions = versions, cases = cases)), "expected.json")
