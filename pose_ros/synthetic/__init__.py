"""The synthetic camera: actors in a drawn room, whose true joints are known."""
