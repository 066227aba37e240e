package dev.infonce.internal.java.row;

/** The mathematics of a row: how what it knows of its positives and its negatives becomes its loss, and the loss's slopes. */
public sealed interface RowFunction {
    /**
     * Losses of logits z = s / tau + bias, to which columns may add an offset. The derivative by a negative's logit is f(z) times a coefficient of the row:
     * spread(row, negativeSlope(row)). With several positives, N and Q being ln of the sums of e^z over negatives and positives, l is a
     * function of N - Q, which is what it is of one positive, and what {@link dev.infonce.Aggregation} adds; the derivative by a
     * positive's logit is e^(z - Q) positiveExponentialSlope(row), and its share of positiveSlope(row).
     */
    enum OfLogits implements RowFunction {
        /**
         * l = softplus(LSE of the negatives' logits - the positive's logit), as InfoNCE (1807.03748 eq. 4) and NT-Xent
         * (2002.05709 eq. 1) have it. The positive stays out of the sum, so that a tiny loss keeps its relative accuracy.
         */
        SOFTMAX(LogitFunction.EXP) {
            @Override
            double lossOfOdds(double logOdds) {
                return LogitFunction.softplus(logOdds);
            }

            @Override
            double slopeOfOdds(double logOdds) {
                return LogitFunction.sigmoid(logOdds);
            }

            @Override
            double restOfOdds(double logOdds) {
                return LogitFunction.sigmoid(-logOdds);
            }
        },

        /** l = LSE of the negatives' logits - the positive's logit, as DCL (2110.06848 eq. 6) has it. */
        DECOUPLED(LogitFunction.EXP) {
            @Override
            double lossOfOdds(double logOdds) {
                return logOdds;
            }

            @Override
            double slopeOfOdds(double logOdds) {
                return 1.0;
            }

            @Override
            double restOfOdds(double logOdds) {
                return 0.0;
            }
        },

        /**
         * l = ln(1 + R), R being the sum of SOFTMAX without what positives among the negatives are expected to have in it (2007.00224
         * eqs. 7 and 8), of cosines.
         */
        DEBIASED(LogitFunction.EXP) {
            @Override
            double lossOfOdds(double logOdds) {
                throw new AssertionError("by the row's estimate");
            }

            @Override
            double slopeOfOdds(double logOdds) {
                throw new AssertionError("by the row's estimate");
            }

            /** ln R, and the derivative of it by the log odds: 0 where the least that a sum can be takes its place. */
            private record Estimate(double log, double share) {
                static Estimate of(Row row) {
                    double logOdds = logOdds(row);
                    double least = leastGap(row) / row.temperature + Math.log(row.rule.negatives());
                    double expected = Math.log(row.rule.classPrior() * row.rule.negatives()) - logOdds;
                    if (expected < 0.0) {
                        double left = -Math.expm1(expected);
                        double log = logOdds + Math.log(left) - Math.log1p(-row.rule.classPrior());
                        if (log > least) {
                            return new Estimate(log, 1.0 / left);
                        }
                    }
                    return new Estimate(least, 0.0);
                }

                double slope() {
                    return LogitFunction.sigmoid(log);
                }
            }

            /** How far the smallest cosine lies above the positive, less its margin. */
            private static double leastGap(Row row) {
                return -1.0 - row.positive + row.rule.positiveMargin();
            }

            @Override
            public double loss(Row row) {
                return row.value == 0.0 ? 0.0 : LogitFunction.softplus(Estimate.of(row).log);
            }

            @Override
            public double temperatureSlope(Row row) {
                if (row.value == 0.0 || Estimate.of(row).share > 0.0) {
                    return super.temperatureSlope(row);
                }
                return -Estimate.of(row).slope() * leastGap(row) / (row.temperature * row.temperature);
            }

            @Override
            public double positiveSlope(Row row) {
                if (row.value == 0.0) {
                    return 0.0;
                }
                Estimate estimate = Estimate.of(row);
                return estimate.share > 0.0 ? -negativeSlope(row) : -estimate.slope();
            }

            @Override
            public double negativeSlope(Row row) {
                if (row.value == 0.0) {
                    return 0.0;
                }
                Estimate estimate = Estimate.of(row);
                return estimate.slope() * estimate.share;
            }
        },

        /**
         * l = softplus(-positive's logit) + share times the sum over the negatives of softplus(logit): NT-Logistic (2002.05709
         * table 2), the share being 1 for the sum, 1 / count for the mean, and SigLIP (2303.15343 eq. 1).
         */
        LOGISTIC(LogitFunction.LOGISTIC) {
            @Override
            public double loss(Row row) {
                return LogitFunction.softplus(-logitOfPositive(row)) + row.rule.share() * row.value;
            }

            @Override
            public double temperatureSlope(Row row) {
                double ofPositive = LogitFunction.sigmoid(-logitOfPositive(row)) * row.positive;
                return (ofPositive - row.rule.share() * row.moment) / (row.temperature * row.temperature);
            }

            @Override
            public double biasSlope(Row row) {
                return row.rule.share() * row.sigmoids - LogitFunction.sigmoid(-logitOfPositive(row));
            }

            private static double logitOfPositive(Row row) {
                return row.positive / row.temperature + row.rule.bias();
            }

            @Override
            public double positiveSlope(Row row) {
                return -LogitFunction.sigmoid(-logitOfPositive(row));
            }

            @Override
            public double negativeSlope(Row row) {
                return 1.0;
            }

            @Override
            public double spread(Row row, double slope) {
                return slope * row.rule.share();
            }

            @Override
            public double effectiveNegatives(Row row) {
                return Double.NaN;
            }
        };

        /** What the row's sums are of. */
        public final LogitFunction function;

        OfLogits(LogitFunction function) {
            this.function = function;
        }

        /** ln of the odds of the negatives against the positives, whose margin is taken off. Of one positive, by its own similarity. */
        static double logOdds(Row row) {
            boolean one = row.positiveCount == 1;
            double reference = one ? row.positive : row.positives.reference;
            double logSum = one ? 0.0 : Math.log(row.positives.value);
            return (row.reference - reference + row.rule.positiveMargin()) / row.temperature
                    + row.rule.hardness() * row.reference
                    + (Math.log(row.value) - logSum)
                    - row.offset;
        }

        /** What several positives add to the loss of their odds. */
        private static double lossOfAggregation(Row row) {
            if (row.positiveCount == 1) {
                return 0.0;
            }
            return switch (row.rule.aggregation()) {
                case OUTSIDE ->
                    (row.positives.reference - row.positive) / row.temperature + Math.log(row.positives.value);
                case INSIDE -> Math.log(row.positiveCount);
                case SUM -> 0.0;
            };
        }

        private static boolean isOutside(Row row) {
            return switch (row.rule.aggregation()) {
                case OUTSIDE -> true;
                case INSIDE, SUM -> false;
            };
        }

        /** The loss of a row that has negatives, by {@link #logOdds}; of functions of odds. */
        double lossOfOdds(double logOdds) {
            throw new AssertionError(this);
        }

        /** The derivative of {@link #lossOfOdds}. */
        double slopeOfOdds(double logOdds) {
            throw new AssertionError(this);
        }

        /** What {@link #slopeOfOdds} leaves of the derivative by ln of the whole denominator, without a subtraction. */
        double restOfOdds(double logOdds) {
            throw new AssertionError(this);
        }

        /** Whether a row with so many positives, by labels, and so many negatives has a share in a mean. */
        public boolean counts(long positives, long negatives) {
            return positives > 0 && (this != DECOUPLED || negatives > 0);
        }

        /** The row's loss. */
        public double loss(Row row) {
            return row.isEmpty() ? 0.0 : lossOfOdds(logOdds(row)) + lossOfAggregation(row);
        }

        /** The derivative of the loss by the temperature. */
        public double temperatureSlope(Row row) {
            if (row.isEmpty()) {
                return 0.0;
            }
            double ofNegatives = row.meanAbove(row.positive) + row.rule.positiveMargin();
            if (row.positiveCount == 1) {
                return negativeSlope(row) * -ofNegatives / (row.temperature * row.temperature);
            }
            double among = row.positives.meanAbove(row.positive);
            double pull = negativeSlope(row) * (ofNegatives - among) + (isOutside(row) ? among : 0.0);
            return -pull / (row.temperature * row.temperature);
        }

        /** The derivative of the loss by the bias; 0 where logits have none. */
        public double biasSlope(Row row) {
            return 0.0;
        }

        /** The derivative of the loss by the positive's logit; of several, what they share by their number. Never above 0. */
        public double positiveSlope(Row row) {
            if (row.positiveCount == 1) {
                return -negativeSlope(row);
            }
            return row.isEmpty() || !isOutside(row) ? 0.0 : -1.0;
        }

        /** What several positives share as their softmax does. */
        public double positiveExponentialSlope(Row row) {
            if (row.positiveCount == 1 || row.isEmpty()) {
                return 0.0;
            }
            return isOutside(row) ? restOfOdds(logOdds(row)) : -negativeSlope(row);
        }

        /** What the derivatives by the negatives' logits are made of; none of them is larger. */
        public double negativeSlope(Row row) {
            return row.isEmpty() ? 0.0 : slopeOfOdds(logOdds(row));
        }

        /** No derivative by a logit of the row is larger. */
        public double largestSlope(Row row) {
            double ofPositives = Math.max(-positiveSlope(row), Math.abs(positiveExponentialSlope(row)));
            return Math.max(negativeSlope(row), ofPositives);
        }

        /** The coefficient of f(z) when a slope is spread over the row's negatives. Linear in the slope. */
        public double spread(Row row, double slope) {
            return row.value == 0.0 ? 0.0 : slope / row.value;
        }

        /** The coefficient of e^z, relative to their reference, at several positives. */
        public double spreadOfPositives(Row row) {
            double slope = positiveExponentialSlope(row);
            return slope == 0.0 ? 0.0 : slope / row.positives.value;
        }

        /** What each of several positives has beside. */
        public double shareOfPositive(Row row) {
            return row.positiveCount == 0 ? 0.0 : positiveSlope(row) / row.positiveCount;
        }

        /**
         * exp(entropy of the softmax over the negatives), or NaN where the loss has no softmax, or one of offsets too, or the row no
         * loss.
         */
        public double effectiveNegatives(Row row) {
            if (row.isEmpty() || row.rule.offsets()) {
                return Double.NaN;
            }
            double logSum = row.exponent(row.reference - row.origin) + Math.log(row.value);
            return Math.exp(logSum - row.exponent(row.moment / row.value));
        }
    }

    /** Losses of a row's candidates, the key and its negatives, that a teacher has scored. */
    enum OfScores implements RowFunction {
        /**
         * l = the sum of p ln(p / q), p being the softmax of the scores and q that of s / tau (1503.02531 section 2). Where the two are
         * alike it is a difference of nearly equal numbers, and accurate to roundings of these.
         */
        KL_DIVERGENCE {
            @Override
            public void evaluate(ScoredRow row) {
                double[] s = row.similarities;
                double largest = Double.NEGATIVE_INFINITY;
                double largestScore = Double.NEGATIVE_INFINITY;
                for (int c = 0; c < s.length; c++) {
                    largest = Math.max(largest, s[c]);
                    largestScore = Math.max(largestScore, row.score(c));
                }
                double sum = 0.0;
                double sumOfTeacher = 0.0;
                for (int c = 0; c < s.length; c++) {
                    sum += Math.exp((s[c] - largest) / row.temperature);
                    sumOfTeacher += Math.exp(row.score(c) - largestScore);
                }
                double logSum = Math.log(sum);
                double logSumOfTeacher = Math.log(sumOfTeacher);
                double loss = 0.0;
                double moment = 0.0;
                for (int c = 0; c < s.length; c++) {
                    double logit = (s[c] - largest) / row.temperature;
                    double p = Math.exp(row.score(c) - largestScore) / sumOfTeacher;
                    double difference = Math.exp(logit) / sum - p;
                    if (p > 0.0) {
                        loss += p * ((row.score(c) - largestScore - logSumOfTeacher) - (logit - logSum));
                    }
                    if (difference != 0.0) {
                        moment += difference * (s[c] - largest);
                    }
                    row.slopes[c] = difference / row.temperature;
                }
                row.loss = Math.max(0.0, loss);
                row.temperatureSlope = -moment / (row.temperature * row.temperature);
            }

            @Override
            public double largestSlope(double temperature, double similarity, double score) {
                return 1.0 / temperature;
            }
        },

        /** l = the mean over negatives of ((s+ - s-) - (t+ - t-))^2 (2010.02666 eq. 2). */
        MARGIN_MSE {
            @Override
            public void evaluate(ScoredRow row) {
                double[] s = row.similarities;
                int negatives = s.length - 1;
                double squares = 0.0;
                double slopeOfPositive = 0.0;
                for (int c = 1; c < s.length; c++) {
                    double missing = (s[0] - s[c]) - (row.score(0) - row.score(c));
                    squares += missing * missing;
                    row.slopes[c] = -2.0 * missing / negatives;
                    slopeOfPositive -= row.slopes[c];
                }
                row.slopes[0] = slopeOfPositive;
                row.loss = negatives == 0 ? 0.0 : squares / negatives;
                row.temperatureSlope = 0.0;
            }

            @Override
            public double largestSlope(double temperature, double similarity, double score) {
                return 4.0 * (similarity + score);
            }
        };

        /** Finds loss and slopes of a row that has all its candidates. */
        public abstract void evaluate(ScoredRow row);

        /**
         * No derivative by the positive's similarity is larger, and no sum of the absolute derivatives by all similarities is larger than
         * twice this, where similarities and scores are at most so large.
         */
        public abstract double largestSlope(double temperature, double similarity, double score);
    }

    /** Losses of the distances to a positive and to a negative; a row may have but one of them, and the other distance is NaN. */
    enum OfDistances implements RowFunction {
        /** l = d^2 / 2 for a positive, max(0, margin - d)^2 / 2 for a negative (Hadsell 2006 eq. 4). */
        CONTRASTIVE {
            @Override
            public double loss(double toPositive, double toNegative, double margin) {
                double missing = Double.isNaN(toNegative) ? toPositive : missing(toNegative, margin);
                return missing * missing / 2.0;
            }

            @Override
            public double positiveSlope(double toPositive, double toNegative, double margin) {
                return toPositive;
            }

            @Override
            public double negativeSlope(double toPositive, double toNegative, double margin) {
                return -missing(toNegative, margin);
            }

            private static double missing(double toNegative, double margin) {
                return Math.max(0.0, margin - toNegative);
            }
        },

        /** l = max(0, d to the positive - d to the negative + margin) (1503.03832 eq. 3). */
        TRIPLET {
            @Override
            public double loss(double toPositive, double toNegative, double margin) {
                return Math.max(0.0, toPositive - toNegative + margin);
            }

            @Override
            public double positiveSlope(double toPositive, double toNegative, double margin) {
                return toPositive - toNegative + margin > 0.0 ? 1.0 : 0.0;
            }

            @Override
            public double negativeSlope(double toPositive, double toNegative, double margin) {
                return -positiveSlope(toPositive, toNegative, margin);
            }
        },

        /** l = softplus(d to the positive - d to the negative + margin) (1703.07737 section 2). */
        SOFT_TRIPLET {
            @Override
            public double loss(double toPositive, double toNegative, double margin) {
                return LogitFunction.softplus(toPositive - toNegative + margin);
            }

            @Override
            public double positiveSlope(double toPositive, double toNegative, double margin) {
                return LogitFunction.sigmoid(toPositive - toNegative + margin);
            }

            @Override
            public double negativeSlope(double toPositive, double toNegative, double margin) {
                return -positiveSlope(toPositive, toNegative, margin);
            }
        };

        /** The row's loss. */
        public abstract double loss(double toPositive, double toNegative, double margin);

        /** The derivative of the loss by the distance to the positive, where there is one. */
        public abstract double positiveSlope(double toPositive, double toNegative, double margin);

        /** The derivative of the loss by the distance to the negative, where there is one. */
        public abstract double negativeSlope(double toPositive, double toNegative, double margin);
    }

    /**
     * Losses of all positives and negatives of a row, of which each has a penalty by its similarity, and those of a side make one by
     * the log-sum-exp of scale times penalty. Distances are 0, or 1 for cosines, less similarities; origin says which.
     */
    enum OfPairs implements RowFunction {
        /** l = softplus(LSE over p of a (base - s)) / a + softplus(LSE over n of b (s - base)) / b (1904.06627 eq. 16). */
        MULTI_SIMILARITY {
            @Override
            public boolean counts(int positives, int negatives) {
                return true;
            }

            @Override
            public double positivePenalty(double distance, double origin, PairRule rule) {
                return distance - (origin - rule.base());
            }

            @Override
            public double negativePenalty(double distance, double origin, PairRule rule) {
                return origin - rule.base() - distance;
            }

            @Override
            public double positiveSlope(double distance, double origin, PairRule rule) {
                return 1.0;
            }

            @Override
            public double negativeSlope(double distance, double origin, PairRule rule) {
                return -1.0;
            }

            @Override
            public double loss(LogSum positives, LogSum negatives) {
                return ofSide(positives) + ofSide(negatives);
            }

            private static double ofSide(LogSum side) {
                double log = side.log();
                return log == Double.POSITIVE_INFINITY ? side.largest() : LogitFunction.softplus(log) / side.scale();
            }

            @Override
            public double share(LogSum side, LogSum other) {
                return LogitFunction.sigmoid(side.log());
            }
        },

        /**
         * l = softplus(LSE over n of g c(s) + LSE over p of g c(1 - s)), c(x) = max(0, x + m) (x - m) (2002.10857 eq. 6 with the optima
         * and margins of its section 3.2).
         */
        CIRCLE {
            @Override
            public boolean counts(int positives, int negatives) {
                return positives > 0 && negatives > 0;
            }

            @Override
            public double positivePenalty(double distance, double origin, PairRule rule) {
                return penalty(1.0 - origin + distance, rule.margin());
            }

            @Override
            public double negativePenalty(double distance, double origin, PairRule rule) {
                return penalty(origin - distance, rule.margin());
            }

            @Override
            public double positiveSlope(double distance, double origin, PairRule rule) {
                return slope(1.0 - origin + distance, rule.margin());
            }

            @Override
            public double negativeSlope(double distance, double origin, PairRule rule) {
                return -slope(origin - distance, rule.margin());
            }

            private static double penalty(double fromBest, double margin) {
                return fromBest > -margin ? (fromBest + margin) * (fromBest - margin) : 0.0;
            }

            private static double slope(double fromBest, double margin) {
                return fromBest > -margin ? 2.0 * fromBest : 0.0;
            }

            @Override
            public double loss(LogSum positives, LogSum negatives) {
                return LogitFunction.softplus(positives.log() + negatives.log());
            }

            @Override
            public double share(LogSum side, LogSum other) {
                return side.scale() * LogitFunction.sigmoid(side.log() + other.log());
            }
        };

        /** Whether a row with so many positives and negatives has a loss, and a share in a mean. */
        public abstract boolean counts(int positives, int negatives);

        /** What a positive at a distance costs, before the scale. */
        public abstract double positivePenalty(double distance, double origin, PairRule rule);

        /** Likewise a negative. */
        public abstract double negativePenalty(double distance, double origin, PairRule rule);

        /** The derivative of {@link #positivePenalty} by the distance. */
        public abstract double positiveSlope(double distance, double origin, PairRule rule);

        /** The derivative of {@link #negativePenalty} by the distance. */
        public abstract double negativeSlope(double distance, double origin, PairRule rule);

        /** The loss of a row that counts. */
        public abstract double loss(LogSum positives, LogSum negatives);

        /** What the penalties of a side, of a row that counts, share of the derivative of the loss, as their softmax does. */
        public abstract double share(LogSum side, LogSum other);
    }
}
