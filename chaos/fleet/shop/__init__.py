"""What each of the shop's six services does for its customers."""
