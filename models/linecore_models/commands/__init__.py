"""What `linecore` can do with models; each command is imported only when it is called."""
