"""Model cards, the store of model files, and the engine that runs them."""
