"""The types of MediaPipe's results."""
