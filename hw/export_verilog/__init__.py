"""The engine as plain Verilog, for people who put it into a design of their own."""
