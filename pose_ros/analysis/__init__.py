"""Recordings in; poses, tables, videos and reports out: the live nodes' steps, offline."""
