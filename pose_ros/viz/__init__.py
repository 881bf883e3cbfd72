"""Drawing results: overlays on images."""
