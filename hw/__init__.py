"""The accelerator in Amaranth HDL, its compiler, cycle model, boards and build."""
