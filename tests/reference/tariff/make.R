# Movement of unit costs between two collections by REML, and group ratios by the delta method: Rscript make.R
# Writes expected.json beside this file. Costs: NHS reference costs 2016/17 and National Cost Collection 2024/25,
# elective inpatients, rounded to whole pounds; prices: NHS payment scheme 2025/26. A second, made-up set has no family
# movement, so its variance lies on the boundary.
library(lme4)
library(jsonlite)

hrg <- c("HN12B", "HN12C", "HN12D", "HN12E", "HN12F", "HN22A", "HN22B", "HN22C", "HN22D", "HN22E",
         "HN80A", "HN80B", "HN80C", "HN80D", "HN81A", "HN81B", "HN81C", "HN81D", "HN81E")
family <- substr(hrg, 1, 4)
earlier <- c(8951, 7737, 6882, 6258, 5824, 8757, 7487, 6881, 6226, 5692, 24398, 18963, 13542, 11017, 15871, 11164, 9820,
             8760, 8023)
later <- c(10557, 10512, 9559, 8950, 8464, 12184, 9908, 9116, 8466, 8105, 28908, 24382, 21123, 18296, 22911, 16522,
           14878, 13952, 13010)
activity <- c(1532, 3343, 7478, 16324, 19106, 2387, 4319, 10236, 22828, 21696, 155, 251, 479, 319, 392, 904, 1548, 3002,
              3125)
price <- c(11644, 9839, 8260, 7489, 7251, 10826, 10149, 8054, 7578, 7222, 27752, 19605, 15156, 11907, 20086, 13068, 11075,
           10446, 9817)
work <- ifelse(family == "HN80", "very complex", ifelse(family == "HN81", "complex", "ordinary"))

reml <- function(a, b, f) {
  fitted <- lmer(g ~ 1 + (1 | f), data = data.frame(g = log(b / a), f = f), REML = TRUE,
                 control = lmerControl(optimizer = "bobyqa", optCtrl = list(rhoend = 1e-10)))
  v <- as.data.frame(VarCorr(fitted))
  list(family_sd = v$sdcor[1] / sqrt(2), hrg_sd = v$sdcor[2] / sqrt(2), growth = unname(fixef(fitted)))
}
m <- reml(earlier, later, family)
V <- m$family_sd^2 * outer(family, family, "==") + m$hrg_sd^2 * diag(length(hrg))
logratio <- function(g) log(sum((activity * later)[g]) / sum((activity * price)[g]))
share <- function(g) { w <- activity * later * g; w / sum(w) }
dof <- length(unique(family)) - 1
group <- lapply(c("ordinary", "complex", "very complex"), function(k) {
  s <- share(work == k); se <- sqrt(drop(s %*% V %*% s)); est <- logratio(work == k)
  list(label = k, estimate = est, std_error = se, lower = est - qt(.975, dof) * se, upper = est + qt(.975, dof) * se)
})
relative <- lapply(c("complex", "very complex"), function(k) {
  s <- share(work == k) - share(work == "ordinary"); se <- sqrt(drop(s %*% V %*% s))
  est <- logratio(work == k) - logratio(work == "ordinary")
  list(label = k, estimate = est, std_error = se, chance = pt(est / se, dof))
})
still <- c(100, 110, 121, 100, 110, 121)
moved <- still * exp(c(.1, -.1, .02, -.05, .08, -.05))
out <- list(
  made_with = list(R = R.version.string, lme4 = as.character(packageVersion("lme4"))),
  data = data.frame(hrg, family, work, earlier, later, activity, price),
  movement = m, group = group, relative = relative,
  boundary = c(reml(still, moved, rep(c("a", "b"), each = 3)), list(earlier = still, later = moved))
)
write_json(out, "expected.json", auto_unbox = TRUE, digits = 17, pretty = TRUE)
