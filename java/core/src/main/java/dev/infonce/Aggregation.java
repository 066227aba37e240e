package dev.infonce;

/**
 * How the positives p of a row make one loss l, where a row may have several. z is a logit, z_p that of a positive less its margin, and
 * D = sum over positives of exp(z_p) + sum over negatives of exp(z_j), or if decoupled the second sum alone. With one positive all
 * three are InfoNCE.
 */
public enum Aggregation {
    /**
     * l = mean over p of (log D - z_p): SupCon, L_out (2004.11362 eq. 2). Every positive has its share in the gradient, so the
     * farthest is pulled most. At least log P for P positives, unless decoupled.
     */
    OUTSIDE,
    /**
     * l = log D - log(mean over p of exp(z_p)): SupCon, L_in (2004.11362 eq. 3). The nearest positives are pulled most. At least
     * log P, unless decoupled.
     */
    INSIDE,
    /**
     * l = log D - log(sum over p of exp(z_p)): multi-instance NCE (MIL-NCE, 1912.06430 eq. 1), soft nearest neighbours (1902.01889
     * eq. 1). That some positive is near is enough. Has the gradient of INSIDE, and goes down to 0.
     */
    SUM
}
