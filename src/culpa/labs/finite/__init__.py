"""Worlds of finitely many outputs with rewards spoiled on purpose, and the atlas of what mends them."""
