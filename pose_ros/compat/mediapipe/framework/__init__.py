"""Where MediaPipe keeps the types of its results."""
