"""Money: what a model's tokens cost, from a table that is loaded in the background."""
