"""Networks: how they are built and kept, their blocks, features and size."""
