"""Train what is left on the few images, from a start that a method chooses."""
