#pragma once
// Losses of distances. At a hinge's kink the slope is 0.

#include "loss/scalar.h"

namespace nce::loss {

/// Contrastive loss of a pair at distance d (Hadsell 2006 eq. 4): d^2 / 2 if alike, else max(0, margin - d)^2 / 2.
NCE_HOST_DEVICE inline double contrastive_loss(double d, bool alike, double margin) {
  const double pull = alike ? d : hinge(margin - d);
  return 0.5 * pull * pull;
}

/// d/dd of contrastive_loss.
NCE_HOST_DEVICE inline double contrastive_slope(double d, bool alike, double margin) {
  return alike ? d : -hinge(margin - d);
}

/// Triplet loss (1503.03832 eq. 3): max(0, d(anchor, positive) - d(anchor, negative) + margin).
NCE_HOST_DEVICE inline double triplet_loss(double positive, double negative, double margin) {
  return hinge((positive - negative) + margin);
}

/// d/d positive of triplet_loss; d/d negative is its opposite.
NCE_HOST_DEVICE inline double triplet_slope(double positive, double negative, double margin) {
  return (positive - negative) + margin > 0.0 ? 1.0 : 0.0;
}

}  // namespace nce::loss
