/**
 * The losses of infonce inside Deep Java Library training loops: a DJL {@link ai.djl.training.loss.Loss}, the bridge
 * that feeds fused gradients into DJL's autograd, and a learned temperature.
 */
package dev.infonce.djl;
