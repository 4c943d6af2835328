# SPDX-License-Identifier: MIT
# Writes tests/study/statistics_oracle.inc: R's distributions, tests and powers, and by enumeration what base R has not.
#
# usage: Rscript --vanilla scripts/oracle/statistics.R > tests/study/statistics_oracle.inc
#
# Needs R alone (Debian: r-base-core); the tests that read the file do not. To see whether what is stored still holds:
#
#   Rscript --vanilla scripts/oracle/statistics.R > found
#   python3 scripts/oracle/same.py tests/study/statistics_oracle.inc found 1e-12

number <- function(x) sprintf("%.17g", x)
value <- function(name, x) cat("inline constexpr double ", name, " = ", number(x), ";\n", sep = "")
joined <- function(x) paste(number(x), collapse = ", ")
values <- function(name, x) cat("inline constexpr double ", name, "[] = {", joined(x), "};\n", sep = "")
whole <- function(name, x)
  cat("inline constexpr std::size_t ", name, "[] = {", paste(x, collapse = ", "), "};\n", sep = "")
# table(name, f, column, ...): all combinations of the columns, and f of them
combinations <- function(name, f, ...) {
  grid <- expand.grid(...)
  found <- do.call(f, unname(as.list(grid)))
  cat("inline constexpr double ", name, "[][", ncol(grid) + 1, "] = {\n", sep = "")
  for (i in seq_len(nrow(grid))) cat("    {", joined(c(unlist(grid[i, ]), found[i])), "},\n", sep = "")
  cat("};\n")
}
three <- function(name, test) values(name, sapply(c("two.sided", "greater", "less"), test))

cat("// SPDX-License-Identifier: MIT\n// Written by scripts/oracle/statistics.R.\n")

# Distributions
combinations("t_tails", function(t, df) pt(t, df, lower.tail = FALSE),
             c(-3, -0.01, 0, 0.001, 0.7, 2.5, 12, 400), c(1, 2, 4, 9, 33, 400))
combinations("t_quantiles", function(tail, df) qt(tail, df, lower.tail = FALSE),
             c(1e-6, 0.005, 0.025, 0.3, 0.5, 0.9), c(1, 4, 9, 100))
combinations("noncentral_t_tails", function(t, df, shift) pt(t, df, shift, lower.tail = FALSE),
             c(0.5, 2, 4.3), c(1, 4, 9, 60), c(-1, 0, 0.8, 3.5))
combinations("f_tails", function(f, a, b) pf(f, a, b, lower.tail = FALSE),
             c(0.01, 0.9, 3.3, 40), c(1, 2, 5, 30), c(1, 6, 80))
combinations("chi_squared_tails", function(x, df) pchisq(x, df, lower.tail = FALSE),
             c(0.01, 0.9, 6, 45, 900), c(1, 2, 3, 4, 9, 40))
combinations("normal_tails", function(z) pnorm(z, lower.tail = FALSE), c(-4, -1, 0, 0.3, 1.6, 5, 9))
combinations("normal_quantiles", function(tail) qnorm(tail, lower.tail = FALSE), c(1e-9, 0.025, 0.4, 0.99))
# ptukey itself is off by up to 5e-8 here (40 groups), so its integral by R's quadrature
range_tail <- function(q, k) {
  part <- function(z) k * dnorm(z) * (pnorm(z)^(k - 1) - (pnorm(z) - pnorm(z - q))^(k - 1))
  integrate(part, -12, 12 + q, rel.tol = 1e-13, subdivisions = 2000)$value
}
combinations("range_tails", Vectorize(range_tail), c(0.2, 1, 3, 4.5), c(2, 3, 5, 10, 40))

# Samples: without ties; with ties and zeros; of many; of very many with ties and zeros; skewed
plain <- c(0.312, -0.105, 0.52, 0.731, 0.214, -0.333, 0.047, 0.9, 0.611, -0.02, 0.188, 0.405)
tied <- c(1, -1, 2, 2, 0, -0.5, 3, 0, 1.5, -2)
many <- round(sin(1:30 * 1.7) + 0.3, 3)
ties <- round(4 * sin(1:140)) / 4 + 0.25
skewed <- c(0.1, 0.15, 0.2, 0.3, 0.3, 0.5, 0.75, 1.1, 2.2, 4)
values("plain", plain)
values("tied", tied)
values("many", many)
values("ties", ties)
values("skewed", skewed)

# t
three("plain_t", function(a) t.test(plain, alternative = a)$p.value)
value("plain_t_statistic", t.test(plain)$statistic)
values("plain_interval_95", t.test(plain)$conf.int)
values("plain_interval_90", t.test(plain, conf.level = 0.9)$conf.int)
three("two_numbers_t", function(a) t.test(plain[1:2], alternative = a)$p.value)
value("plain_no_worse", t.test(plain, mu = -0.1, alternative = "greater")$p.value)
value("plain_equivalent", max(t.test(plain, mu = -0.5, alternative = "greater")$p.value,
                              t.test(plain, mu = 0.5, alternative = "less")$p.value))
# Nadeau and Bengio, eq. 9, with a test set half as large as the training set
corrected <- mean(plain) / sqrt((1 / length(plain) + 0.5) * var(plain))
value("plain_corrected_t", corrected)
value("plain_corrected_p", 2 * pt(-abs(corrected), length(plain) - 1))

# Clusters: alike in size, then the t-test of their means is the same; and not
even <- rep(c(7, 3, 9, 1), 3)
uneven <- c(5, 5, 5, 5, 5, 2, 2, 8, 8, 8, 4, 4)
whole("even", even)
whole("uneven", uneven)
value("even_p", t.test(tapply(plain, even, mean))$p.value)
values("even_interval", t.test(tapply(plain, even, mean))$conf.int)
residuals <- rowsum(plain - mean(plain), uneven)
error <- sqrt(nrow(residuals) / (nrow(residuals) - 1) * sum(residuals^2)) / length(plain)
value("uneven_error", error)
value("uneven_p", 2 * pt(-abs(mean(plain) / error), nrow(residuals) - 1))

# Wilcoxon's signed ranks: R's where it is exact, all patterns of signs where there are ties, and R's approximation
three("plain_wilcoxon", function(a) wilcox.test(plain, alternative = a)$p.value)
three("many_wilcoxon", function(a) wilcox.test(many, alternative = a, exact = TRUE)$p.value)
three("ties_wilcoxon", function(a) wilcox.test(ties, alternative = a, exact = FALSE)$p.value)
value("plain_wilcoxon_statistic", wilcox.test(plain)$statistic)
value("ties_wilcoxon_statistic", wilcox.test(ties, exact = FALSE)$statistic)
patterns <- function(n) as.matrix(expand.grid(rep(list(c(0, 1)), n)))
by_patterns <- function(ranks, positive) {
  sums <- patterns(length(ranks)) %*% ranks
  seen <- sum(ranks[positive])
  c(min(1, 2 * min(mean(sums >= seen), mean(sums <= seen))), mean(sums >= seen), mean(sums <= seen))
}
kept <- tied[tied != 0]
values("tied_wilcoxon", by_patterns(rank(abs(kept)), kept > 0))
values("tied_pratt", by_patterns(rank(abs(tied))[tied != 0], kept > 0))

# Sign flips: all patterns; for many numbers the distribution of their sum in thousandths
flips <- function(x) {
  sums <- (2 * patterns(length(x)) - 1) %*% x
  seen <- sum(x)
  near <- 1e-9
  c(mean(abs(sums) >= abs(seen) - near), mean(sums >= seen - near), mean(sums <= seen + near))
}
values("plain_flips", flips(plain))
values("tied_flips", flips(tied))
steps <- round(1000 * many)
centre <- sum(abs(steps)) + 1
chances <- numeric(2 * centre - 1)
chances[centre] <- 1
for (step in abs(steps)) {
  moved <- numeric(length(chances))
  up <- seq_len(length(chances) - step)
  moved[up + step] <- moved[up + step] + chances[up] / 2
  moved[up] <- moved[up] + chances[up + step] / 2
  chances <- moved
}
sums <- seq_along(chances) - centre
value("many_flips", sum(chances[abs(sums) >= abs(sum(steps))]))

# The BCa interval of the mean from all resamples: each multiset of ten numbers with its probability
n <- length(skewed)
bars <- combn(2 * n - 1, n - 1)
counts <- diff(rbind(0, bars, 2 * n)) - 1
weights <- exp(lfactorial(n) - colSums(lfactorial(counts)) - n * log(n))
means <- colSums(counts * skewed) / n
order_of_means <- order(means)
means <- means[order_of_means]
weights <- weights[order_of_means]
near <- abs(means - mean(skewed)) < 1e-9
bias <- qnorm(sum(weights[means < mean(skewed) & !near]) + sum(weights[near]) / 2)
left_out <- (sum(skewed) - skewed) / (n - 1)
d <- mean(left_out) - left_out
acceleration <- sum(d^3) / (6 * sum(d^2)^1.5)
z <- qnorm(c(0.05, 0.95))
at <- pnorm(bias + (bias + z) / (1 - acceleration * (bias + z)))
values("skewed_bca_90", sapply(at, function(p) means[which(cumsum(weights) >= p)[1]]))
value("bootstrap_weights", sum(weights))

# Effect sizes and powers
effect <- mean(plain) / sd(plain)
value("plain_cohen", effect)
correct <- function(f) gamma(f / 2) / (sqrt(f / 2) * gamma((f - 1) / 2))
value("plain_hedges", effect * correct(length(plain) - 1))
value("three_hedges", mean(plain[1:3]) / sd(plain[1:3]) * correct(2))
paired <- function(...) power.t.test(type = "paired", strict = TRUE, ...)
combinations("powers", Vectorize(function(n, delta) paired(n = n, delta = delta, sd = 0.4)$power),
             c(2, 3, 5, 10, 30), c(0.1, 0.5, 1.3))
combinations("one_sided_powers", Vectorize(function(n, delta)
               power.t.test(n = n, delta = delta, sd = 0.4, type = "paired", alternative = "one.sided")$power),
             c(3, 5, 8, 10), c(0.1, 0.5))
combinations("needed", Vectorize(function(delta, power) ceiling(paired(delta = delta, sd = 0.4, power = power)$n)),
             c(0.05, 0.2, 0.5), c(0.8, 0.95))
value("detectable_with_5", paired(n = 5, power = 0.8, sd = 0.4, delta = NULL)$delta)

# Many tests
p <- c(0.01, 0.04, 0.03, 0.005, 0.55, 0.03, 1)
values("many_p", p)
values("holm_p", p.adjust(p, "holm"))
values("bh_p", p.adjust(p, "BH"))

# Four methods on seven data sets; higher is better; one row has ties
scores <- matrix(c(0.71, 0.74, 0.69, 0.75, 0.88, 0.9, 0.85, 0.89, 0.6, 0.6, 0.55, 0.6, 0.93, 0.95, 0.92, 0.96,
                   0.41, 0.39, 0.4, 0.44, 0.77, 0.8, 0.7, 0.82, 0.5, 0.52, 0.53, 0.51), ncol = 4, byrow = TRUE)
values("scores", t(scores))
places <- t(apply(-scores, 1, rank))
values("mean_places", colMeans(places))
value("friedman_statistic", friedman.test(scores)$statistic)
value("friedman_p", friedman.test(scores)$p.value)
frame <- data.frame(place = as.vector(places), method = factor(col(places)), set = factor(row(places)))
table <- anova(lm(place ~ set + method, frame))
value("iman_davenport_statistic", table["method", "F value"])
value("iman_davenport_p", table["method", "Pr(>F)"])
value("nemenyi_p_first_last",
      range_tail(abs(diff(colMeans(places)[c(1, 4)])) / sqrt(4 * 5 / (6 * 7)) * sqrt(2), 4))
