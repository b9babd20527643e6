"""Long proofs: each prints its counts; `make torture` runs them."""
