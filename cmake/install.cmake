# Filled in with the public API.
