/** SimCLR on small grey images: recipe, encoder, training loop, checkpoints and the entry for the command line. */
package dev.infonce.djl.simclr;
