"""Gestures of bodies and hands, the rays of people who point, and where these meet the ground."""
