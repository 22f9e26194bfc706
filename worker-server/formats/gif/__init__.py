"""GIF: frames that the logo does not touch are copied as they are."""
