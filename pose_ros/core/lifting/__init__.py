"""From pixels to meters: a body's trunk, its arms, and the bones that are learned over time."""
