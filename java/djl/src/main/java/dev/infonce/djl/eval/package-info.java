/** What representations are worth: nearest neighbours, linear probe, geometry of the projections, 2-D maps. */
package dev.infonce.djl.eval;
