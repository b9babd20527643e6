"""What `linecore` can be told about lines and plugins: one command a file."""
