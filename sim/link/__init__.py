"""A simulated board at the end of a simulated serial line: the RTL of `hw.top`, pins and all."""
