"""One suite of checks for every schedule, policy and combination of them."""
