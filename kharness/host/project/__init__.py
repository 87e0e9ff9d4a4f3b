"""Which projects this host knows, and what pytest would read of them."""
