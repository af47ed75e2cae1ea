"""What goes: blocks or filters, chosen for a target, and the network without them."""
