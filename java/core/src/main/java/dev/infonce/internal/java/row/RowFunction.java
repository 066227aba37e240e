package dev.infonce.internal.java.row;

/** The mathematics of a row: how what it knows of its positive and its negatives becomes its loss, and the loss's slopes. */
public sealed interface RowFunction {
    /**
     * Losses of logits z = s / tau + bias. The derivative by a negative's logit is f(z) times a coefficient of the row:
     * spread(row, negativeSlope(row)).
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

        /** ln of the odds of the negatives against the positive, whose margin is taken off. */
        static double logOdds(Row row) {
            return (row.reference - row.positive + row.rule.positiveMargin()) / row.temperature + Math.log(row.value);
        }

        /** The loss of a row that has negatives, by {@link #logOdds}; of functions of odds. */
        double lossOfOdds(double logOdds) {
            throw new AssertionError(this);
        }

        /** The derivative of {@link #lossOfOdds}. */
        double slopeOfOdds(double logOdds) {
            throw new AssertionError(this);
        }

        /** The row's loss. */
        public double loss(Row row) {
            return row.value == 0.0 ? 0.0 : lossOfOdds(logOdds(row));
        }

        /** The derivative of the loss by the temperature. */
        public double temperatureSlope(Row row) {
            if (row.value == 0.0) {
                return 0.0;
            }
            double meanAbovePositive = row.moment / row.value + (row.origin - row.positive) + row.rule.positiveMargin();
            return negativeSlope(row) * -meanAbovePositive / (row.temperature * row.temperature);
        }

        /** The derivative of the loss by the bias; 0 where logits have none. */
        public double biasSlope(Row row) {
            return 0.0;
        }

        /** The derivative of the loss by the positive's logit. Never above 0. */
        public double positiveSlope(Row row) {
            return -negativeSlope(row);
        }

        /** What the derivatives by the negatives' logits are made of; none of them is larger. */
        public double negativeSlope(Row row) {
            return row.value == 0.0 ? 0.0 : slopeOfOdds(logOdds(row));
        }

        /** No derivative by a logit of the row is larger. */
        public double largestSlope(Row row) {
            return Math.max(negativeSlope(row), -positiveSlope(row));
        }

        /** The coefficient of f(z) when a slope is spread over the row's negatives. Linear in the slope. */
        public double spread(Row row, double slope) {
            return row.value == 0.0 ? 0.0 : slope / row.value;
        }

        /** exp(entropy of the softmax over the negatives), or NaN where the loss has no softmax or no negatives. */
        public double effectiveNegatives(Row row) {
            if (row.value == 0.0) {
                return Double.NaN;
            }
            double logSum = (row.reference - row.origin) / row.temperature + Math.log(row.value);
            return Math.exp(logSum - row.moment / row.value / row.temperature);
        }
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
}
