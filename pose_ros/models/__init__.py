"""Networks as files: their cards, where the files come from, and what is made of them."""
