"""The functions under other libraries' names, as far as they can be tried without these."""
