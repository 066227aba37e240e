package dev.infonce;

/** How the losses l_i of the rows, with weights w_i, become the loss. */
public enum Reduction {
    /** Sum of w_i l_i over the sum of w_i; 0 where every weight is 0. */
    MEAN,
    /** Sum of w_i l_i. */
    SUM,
    /** Every w_i l_i by itself; gradients are those of their sum, each times its upstream gradient. */
    NONE
}
