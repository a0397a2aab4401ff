"""Fixed-point streams: scaling, residual addition, PReLU, and the memory that keeps them."""
