package dev.infonce.internal.java.row;

/** The function f of logits z = s / tau + bias whose values a row's loss and its gradient are made of. */
public enum LogitFunction {
    /** e^z, relative to the largest similarity so far (online softmax), so that no logit is too large. */
    EXP {
        @Override
        public void add(Sums sums, double[] s, double[] factors, int count) {
            if (count == 0) {
                return;
            }
            double max = raised(sums, s, count);
            double sum = sums.value;
            double moment = sums.moment;
            for (int k = 0; k < count; k++) {
                double below = s[k] - max;
                double e = (factors == null ? 1.0 : factors[k]) * Math.exp(sums.exponent(below));
                sum += e;
                moment += e * below;
            }
            sums.value = sum;
            sums.moment = moment;
        }

        /** Makes the largest similarity so far, with these, the reference. */
        private static double raised(Sums sums, double[] s, int count) {
            double max = sums.value == 0.0 ? Double.NEGATIVE_INFINITY : sums.reference;
            double largest = max;
            for (int k = 0; k < count; k++) {
                largest = Math.max(largest, s[k]);
            }
            if (largest > max) {
                if (sums.value > 0.0) {
                    double factor = Math.exp(sums.exponent(max - largest));
                    sums.moment = (sums.moment + sums.value * (max - largest)) * factor;
                    sums.value *= factor;
                }
                max = largest;
            }
            sums.reference = max;
            sums.origin = max;
            return max;
        }

        @Override
        public double at(double z) {
            return Math.exp(z);
        }
    },

    /** sigmoid(z), the slope of softplus(z). */
    LOGISTIC {
        @Override
        public void add(Sums sums, double[] s, double[] factors, int count) {
            if (factors != null) {
                throw new AssertionError("a sigmoid takes an offset within");
            }
            double sum = sums.value;
            double moment = sums.moment;
            double sigmoids = sums.sigmoids;
            for (int k = 0; k < count; k++) {
                double z = s[k] / sums.temperature + sums.bias;
                double slope = sigmoid(z);
                sum += softplus(z);
                moment += slope * s[k];
                sigmoids += slope;
            }
            sums.value = sum;
            sums.moment = moment;
            sums.sigmoids = sigmoids;
        }

        @Override
        public double at(double z) {
            return sigmoid(z);
        }
    };

    /** Adds vectors of similarities s[0] ... s[count - 1]. */
    public final void add(Sums sums, double[] s, int count) {
        add(sums, s, null, count);
    }

    /** The same with f(z) times factors[0] ... factors[count - 1], all above 0; of exponentials. Null: all are 1. */
    public abstract void add(Sums sums, double[] s, double[] factors, int count);

    /** f(z). */
    public abstract double at(double z);

    /** ln(1 + e^x), with its relative accuracy at both ends. */
    static double softplus(double x) {
        return Math.max(x, 0.0) + Math.log1p(Math.exp(-Math.abs(x)));
    }

    /** 1 / (1 + e^-x), with its relative accuracy at both ends. */
    static double sigmoid(double x) {
        if (x >= 0.0) {
            return 1.0 / (1.0 + Math.exp(-x));
        }
        double e = Math.exp(x);
        return e / (1.0 + e);
    }
}
