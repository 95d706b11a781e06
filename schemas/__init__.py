"""Declarations: what a table is, what CMS prints, what a column means. Imports nothing of ours, does no I/O."""
