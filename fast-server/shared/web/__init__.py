"""What the two HTTP services have in common, from the connection to the form and the refusals."""
