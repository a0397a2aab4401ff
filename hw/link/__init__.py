"""The link between a host and a board: packets over a serial line, their format, their RTL."""
