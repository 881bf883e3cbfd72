"""Several calibrated cameras, one skeleton: who is who, and where each joint is."""
