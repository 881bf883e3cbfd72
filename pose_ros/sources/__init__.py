"""Where images come from: cameras, videos, pictures, recordings and drawn scenes."""
