package dev.infonce.internal.java.row;

/** The function f of logits z = s / tau + bias whose values at the negatives a row's loss and its gradient are made of. */
public enum LogitFunction {
    /** e^z, relative to the largest similarity so far (online softmax), so that no logit is too large. */
    EXP {
        @Override
        public void add(Row row, double[] s, int count) {
            if (count == 0) {
                return;
            }
            double max = row.value == 0.0 ? Double.NEGATIVE_INFINITY : row.reference;
            double sum = row.value;
            double moment = row.moment;
            double largest = max;
            for (int k = 0; k < count; k++) {
                largest = Math.max(largest, s[k]);
            }
            if (largest > max) {
                if (sum > 0.0) {
                    double factor = Math.exp((max - largest) / row.temperature);
                    moment = (moment + sum * (max - largest)) * factor;
                    sum *= factor;
                }
                max = largest;
            }
            for (int k = 0; k < count; k++) {
                double below = s[k] - max;
                double e = Math.exp(below / row.temperature);
                sum += e;
                moment += e * below;
            }
            row.value = sum;
            row.moment = moment;
            row.reference = max;
            row.origin = max;
        }

        @Override
        public double at(double z) {
            return Math.exp(z);
        }
    },

    /** sigmoid(z), the slope of softplus(z). */
    LOGISTIC {
        @Override
        public void add(Row row, double[] s, int count) {
            double sum = row.value;
            double moment = row.moment;
            double sigmoids = row.sigmoids;
            for (int k = 0; k < count; k++) {
                double z = s[k] / row.temperature + row.rule.bias();
                double slope = sigmoid(z);
                sum += softplus(z);
                moment += slope * s[k];
                sigmoids += slope;
            }
            row.value = sum;
            row.moment = moment;
            row.sigmoids = sigmoids;
        }

        @Override
        public double at(double z) {
            return sigmoid(z);
        }
    };

    /** Adds negatives of similarities s[0] ... s[count - 1] to a row's sums. */
    public abstract void add(Row row, double[] s, int count);

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
