"""What a network is worth: its accuracy, also after a recovery, and the oracle that judges criteria."""
