"""Programs that put the project under fire; each says in its first lines how to run."""
